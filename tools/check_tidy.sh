#!/usr/bin/env bash
# Runs clang-tidy over src/ (or the files given), each file by itself. Prints findings only.
set -euo pipefail
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

# A directory of its own: the others compile several files as one.
dir=build/tidy
cmake --preset release -B "$dir" -DFATHOM_TESTS=OFF -DFATHOM_TRAIN=ON >/dev/null
if (($#)); then
  files=("$@")
else
  mapfile -t files < <(find src -name '*.cc' | sort)
fi
# The files of other processors' instruction sets have no compile command here.
known=()
for file in "${files[@]}"; do
  if grep -qF "/$file\"" "$dir/compile_commands.json"; then
    known+=("$file")
  elif [[ $file != src/kernels/* ]]; then
    echo "$file is not compiled here, so it cannot be checked" >&2
    exit 1
  fi
done
((${#known[@]})) || exit 0
# g++'s warning names are unknown to clang.
printf '%s\0' "${known[@]}" |
  xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 -p "$dir" --quiet --extra-arg=-Wno-unknown-warning-option 2> >(
    grep -vE '^[0-9]+ warnings? (generated|treated as errors?)|^Suppressed|^Use -header-filter|^$' >&2
  )
