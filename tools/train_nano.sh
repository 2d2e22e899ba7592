#!/usr/bin/env bash
# tools/train_nano.sh OUT - trains Nano from nothing: the nine runs of models/nano/, each from the weights of the one
# before. With --last only the last run, by the program and from the weights that the repository's history has: text and
# trainer are those of that run, so the model comes out to the bit where processor and libraries compute alike. Every
# run can be stopped and goes on when the same command is given again. The model comes to lie in OUT/nano, with --last
# in OUT/last/nano.
set -euo pipefail

usage="Usage: tools/train_nano.sh [--last] OUT   (a directory for the runs and the model; hours on two cores)
  --last   only the last run, by the program and from the weights of that time in the repository's history; says
           whether the model that comes out is models/nano to the bit"
last_run=9
# The repository with the program of the last run.
last_commit=66f361d2ada314a142c477be0631c8d81ec4a7cd
# models/nano as it was before the last run, as git names a tree.
previous_tree=f8cb3788c4cd201b4a3b85d9cc34fe9b55d50b51
shipped=(config.json model.safetensors.index.json model-00001-of-00001.safetensors tokenizer.json)

last=''
if [[ ${1-} == --last ]]; then
  last=1
  shift
fi
case "${1-}" in
  -h | --help)
    echo "$usage"
    exit 0
    ;;
esac
if (($# != 1)) || [[ $1 == -* || -z $1 ]]; then
  echo "$usage" >&2
  exit 2
fi
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
out=$1${last:+/last}
mkdir -p -- "$out"
out=$(readlink -f -- "$out")

# from_history OBJECT DIR: all of it or nothing is there afterwards.
from_history() {
  local part=$2.part
  [[ ! -e $2 ]] || return 0
  if ! git -C "$root" cat-file -e "$1" 2>/dev/null; then
    echo "tools/train_nano.sh: --last needs $1 of the repository's history, which this copy does not have." \
      "\`git fetch --unshallow\` brings it." >&2
    exit 1
  fi
  rm -rf -- "$part"
  mkdir -- "$part"
  git -C "$root" archive "$1" | tar -x -C "$part"
  mv -T -- "$part" "$2"
}

from=()
first_run=1
source=$root
if [[ -n $last ]]; then
  from_history "$previous_tree" "$out/previous"
  from_history "$last_commit" "$out/source"
  from=(--from "$out/previous")
  first_run=$last_run
  source=$out/source
  unset FATHOM_BUILD_DIR  # a program of its own
fi
for ((run = first_run; run <= last_run; ++run)); do
  config=$source/models/nano/train-$run.json
  ((run > 1)) || config=$source/models/nano/train.json
  model=$out/model-$run
  ((run < last_run)) || model=$out/nano
  if [[ ! -e $model/config.json ]]; then
    "$source/fathom" train --config "$config" --run "$out/run-$run" "${from[@]}" --export "$model"
  fi
  from=(--from "$model")
done
echo "The model is in $out/nano."
[[ -n $last ]] || exit 0
for file in "${shipped[@]}"; do
  if ! cmp -s -- "$out/nano/$file" "$root/models/nano/$file"; then
    echo "$file is not that of models/nano: another processor or other libraries, which round otherwise."
    exit 1
  fi
done
echo "It is models/nano to the bit."
