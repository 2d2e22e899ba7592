#!/usr/bin/env bash
# Runs clang-tidy over src/ (or the files given) with the compile commands of build/release. Prints findings only.
set -euo pipefail
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

[[ -e build/release/compile_commands.json ]] || cmake --preset release >/dev/null
if (($#)); then
  files=("$@")
else
  mapfile -t files < <(find src -name '*.cc' | sort)
fi
# Only what this machine's compiler builds: the files of other instruction sets have no compile command.
known=()
for file in "${files[@]}"; do
  grep -qF "/$file\"" build/release/compile_commands.json && known+=("$file")
done
# g++'s warning names are unknown to clang.
printf '%s\0' "${known[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 -p build/release --quiet --extra-arg=-Wno-unknown-warning-option 2> >(
    grep -vE '^[0-9]+ warnings? (generated|treated as errors?)|^Suppressed|^Use -header-filter|^$' >&2
  )
