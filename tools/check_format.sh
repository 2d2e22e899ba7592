#!/usr/bin/env bash
# Checks that every C++ file is formatted as .clang-format says; with --fix, formats it.
set -euo pipefail
cd "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/.."

mapfile -d '' files < <(find src tests fuzz bench -type f \( -name '*.cc' -o -name '*.h' -o -name '*.inc' \) -print0 2>/dev/null)
if [[ ${1-} == --fix ]]; then
  exec clang-format-14 -i "${files[@]}"
fi
if ! clang-format-14 --dry-run --Werror "${files[@]}"; then
  printf 'tools/check_format.sh --fix formats these files.\n' >&2
  exit 1
fi
