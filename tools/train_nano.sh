#!/usr/bin/env bash
# tools/train_nano.sh OUT - trains Nano from nothing: the six runs of models/nano/, each from the weights of the one
# before. Every run can be stopped and goes on when the same command is given again. The model comes to lie in
# OUT/nano.
#
# tools/train_nano.sh --last OUT - only the last run, from the weights that the repository had before it: the shipped
# weights to the bit, on a processor with the instructions of the one that the model card names.
set -euo pipefail

usage="Usage: tools/train_nano.sh [--last] OUT   (a directory for the runs and the model; hours on two cores)"
before_last=9e50a8f38938642bebbfda397baf027c1a9c28c1  # the commit whose models/nano is run 5
last=0
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
if (($# != 1)); then
  echo "$usage" >&2
  exit 2
fi
root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
mkdir -p -- "$1"
out=$(readlink -f -- "$1")
runs=(1 2 3 4 5 6)
from=()
if ((last)); then
  runs=(6)
  from=(--from "$out/model-5")
  if [[ ! -e $out/model-5/config.json ]]; then
    if ! git -C "$root" cat-file -e "$before_last" 2>/dev/null; then
      echo "$0: $root is not a clone that has commit $before_last, whose models/nano --last begins with" >&2
      exit 1
    fi
    git -C "$root" archive --prefix=model-5/ "$before_last:models/nano" | tar -x -C "$out"
  fi
fi
for run in "${runs[@]}"; do
  config=$root/models/nano/train-$run.json
  ((run > 1)) || config=$root/models/nano/train.json
  model=$out/model-$run
  ((run < 6)) || model=$out/nano
  if [[ ! -e $model/config.json ]]; then
    "$root/fathom" train --config "$config" --run "$out/run-$run" "${from[@]}" --export "$model"
  fi
  from=(--from "$model")
done
echo "The model is in $out/nano."
