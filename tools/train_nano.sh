#!/usr/bin/env bash
# tools/train_nano.sh OUT - trains Nano from nothing: the seven runs of models/nano/, each from the weights of the one
# before. Every run can be stopped and goes on when the same command is given again. The model comes to lie in
# OUT/nano.
set -euo pipefail

usage="Usage: tools/train_nano.sh OUT   (a directory for the runs and the model; hours on two cores)"
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
from=()
for run in 1 2 3 4 5 6 7; do
  config=$root/models/nano/train-$run.json
  ((run > 1)) || config=$root/models/nano/train.json
  model=$out/model-$run
  ((run < 7)) || model=$out/nano
  if [[ ! -e $model/config.json ]]; then
    "$root/fathom" train --config "$config" --run "$out/run-$run" "${from[@]}" --export "$model"
  fi
  from=(--from "$model")
done
echo "The model is in $out/nano."
