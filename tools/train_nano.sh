#!/usr/bin/env bash
# tools/train_nano.sh OUT - trains Nano from nothing: the eight runs of models/nano/, each from the weights of the one
# before. With --last only the last run, from the weights that the repository's history has: the text is the one that
# run was trained on, so the model comes out to the bit where processor and libraries compute alike. Every run can be
# stopped and goes on when the same command is given again. The model comes to lie in OUT/nano, with --last in
# OUT/last/nano.
set -euo pipefail

usage="Usage: tools/train_nano.sh [--last] OUT   (a directory for the runs and the model; hours on two cores)
  --last   only the last run, from the weights before it in the repository's history; says whether the model that
           comes out is models/nano to the bit"
last_run=8
# models/nano as it was before the last run, as git names a tree.
previous_tree=2270fef197433009b29b2c5b3e8ec47155e3661e
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

# previous_weights DIR: all of it or nothing is there afterwards.
previous_weights() {
  local part=$1.part
  if ! git -C "$root" cat-file -e "$previous_tree" 2>/dev/null; then
    echo "tools/train_nano.sh: --last needs models/nano as it was before the last run (tree $previous_tree); this copy of the" \
      "repository does not have its history. \`git fetch --unshallow\` brings it." >&2
    exit 1
  fi
  rm -rf -- "$part"
  mkdir -- "$part"
  git -C "$root" archive "$previous_tree" | tar -x -C "$part"
  mv -T -- "$part" "$1"
}

from=()
first_run=1
if [[ -n $last ]]; then
  [[ -e $out/previous ]] || previous_weights "$out/previous"
  from=(--from "$out/previous")
  first_run=$last_run
fi
for ((run = first_run; run <= last_run; ++run)); do
  config=$root/models/nano/train-$run.json
  ((run > 1)) || config=$root/models/nano/train.json
  model=$out/model-$run
  ((run < last_run)) || model=$out/nano
  if [[ ! -e $model/config.json ]]; then
    "$root/fathom" train --config "$config" --run "$out/run-$run" "${from[@]}" --export "$model"
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
