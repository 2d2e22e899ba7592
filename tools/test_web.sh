#!/usr/bin/env bash
# tools/test_web.sh BUILD - tests the web page that the program in BUILD/bin brings along.
#
# Types and units first; then in headless Chromium: the page with web/dev/mock.mjs, which answers what a test needs, and
# with `fathom serve` and models/nano. Ends with a line "N passed, M failed". SCREENSHOTS names a folder for pictures of
# what failed.
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
build=$(readlink -f -- "${1:?usage: tools/test_web.sh BUILD}")
tests=$root/build/web-tests
passed=0 failed=0

# npm works on copies, with the packages of the tests beside those of the page.
mkdir -p "$tests"
lock=$(sha256sum "$root/web/package-lock.json")
cp "$root/web/package.json" "$root/web/package-lock.json" "$tests"
if [[ ! -e $tests/installed || $(<"$tests/installed") != "$lock" ]]; then
  rm -f "$tests/installed"
  (cd "$tests" && npm ci --no-audit --no-fund)
  printf '%s\n' "$lock" >"$tests/installed"
fi
rm -rf "$tests/src" "$tests/tests" "$tests/dev"
cp -r "$root"/web/{src,tests,dev} "$root"/web/*.config.js "$root/web/tsconfig.json" "$tests"
cd "$tests"
export NO_COLOR=1

# One check that counts as one.
if npm run --silent check; then passed=$((passed + 1)); else failed=$((failed + 1)); fi

# numbers LOG PATTERN: the sum of the last numbers of all matches; nothing without a match.
numbers() { grep -oE "$2" "$1" | grep -oE '[0-9]+( [a-z]+)?$' | grep -oE '^[0-9]+' | paste -sd + || true; }

# counted LOG PASSED FAILED: a run that does not say how many passed has failed.
counted() {
  local good bad
  good=$(numbers "$1" "$2")
  bad=$(numbers "$1" "$3")
  passed=$((passed + ${good:-0}))
  failed=$((failed + ${bad:-0}))
  [[ -n $good ]] || failed=$((failed + 1))
}

npm test --silent 2>&1 | tee units.log || true
counted units.log '^ *Tests .*[0-9]+ passed' '^ *Tests .*[0-9]+ failed'

export FATHOM_DIST=$build/web/dist FATHOM_BINARY=$build/bin/fathom FATHOM_MODEL=$root/models/nano
export XDG_CACHE_HOME=$tests/home XDG_CONFIG_HOME=$tests/home XDG_DATA_HOME=$tests/home XDG_STATE_HOME=$tests/home
for file in answers conversations looks nano; do
  node --test --test-reporter=tap "tests/browser/$file.test.mjs" 2>&1 | tee "$file.log" || true
  counted "$file.log" '^# pass [0-9]+' '^# (fail|cancelled) [0-9]+'
done

printf '%d passed, %d failed\n' "$passed" "$failed"
((failed == 0))
