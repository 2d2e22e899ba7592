#!/usr/bin/env bash
# ./fathom test - installs what the tests need, then builds and tests every variant of the program.
set -euo pipefail

root=$(dirname -- "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")")
. "$root/tools/lib.sh"

usage() {
  cat <<'EOT'
Usage: ./fathom test [options] [FILTER]

Runs these stages (a quarter of an hour to half an hour on two cores; the first time takes longest):
  format    every file is formatted as .clang-format says
  data      fetches the tokenizer that some tests read
  release   the tests in the optimised build
  sdk       the official openai, @anthropic-ai/sdk and Vercel AI packages against `fathom serve`
  load      many clients, idle streams, clients that leave or send nonsense, SIGKILL in a loop
  asan      the tests of what touches memory by hand, with --all all of them, with AddressSanitizer and
            UndefinedBehaviorSanitizer; the parsers have their fuzzers
  tsan      the tests of threads, model, engine and HTTP with ThreadSanitizer
  fuzz      every fuzzer for a short while, starting from fuzz/corpus/; built with the sanitizers of stage asan
  aarch64   cross build; the kernels under qemu; with --all a whole model, which must have the same bits as here
  web       the web page: types, units, and in headless Chromium with `fathom serve` and Nano

With --all or --only also:
  train     the trainer's build and tests, which need libtorch
  tidy      clang-tidy

FILTER is a regular expression of test names (ctest -R): only those run, and only in the release stage unless --only
names others.

  --all              also the stages and lengths that take long: the trainer, clang-tidy, all tests with sanitizers, ten
                     minutes for each fuzzer, minutes of load
  --only A,B         only these stages
  --fuzz-seconds N   how long each fuzzer runs (default 5)
  -h, --help         this text
EOT
}

# --- options ---------------------------------------------------------------------------------------------------------

all_stages=(format data release sdk load asan tsan fuzz aarch64 web train tidy)
stages=(format data release sdk load asan tsan fuzz aarch64 web)
fuzz_seconds=5
only=''
filter=()
while (($#)); do
  case $1 in
    -h | --help) usage && exit 0 ;;
    --all)
      stages=("${all_stages[@]}") fuzz_seconds=600
      export FATHOM_LONG_TESTS=1
      ;;
    --only)
      only=${2-}
      [[ -n $only ]] || fail '--only needs stages, for example --only release,asan.'
      shift
      ;;
    --fuzz-seconds)
      fuzz_seconds=${2-}
      [[ $fuzz_seconds =~ ^[1-9][0-9]{0,5}$ ]] || fail "--fuzz-seconds is '$fuzz_seconds'; accepted is a number from 1 on."
      shift
      ;;
    -*) fail "unknown option $1; ./fathom test --help lists them." ;;
    *) filter=(-R "$1") ;;
  esac
  shift
done
if [[ -n $only ]]; then
  IFS=, read -r -a stages <<<"$only"
  for stage in "${stages[@]}"; do
    [[ " ${all_stages[*]} " == *" $stage "* ]] || fail "there is no stage '$stage'; stages: ${all_stages[*]}."
  done
elif ((${#filter[@]})); then
  stages=(data release)
fi

# The variants that cost most build and run only what they are for. ThreadSanitizer slows the model down twentyfold and
# has nothing to find where there is one thread; under emulation the whole model is compared once, by its bits.
tsan_folders=(base model engine http)
tsan_tests='ThreadPool|Progress|Log\.|Engine|HttpServer|HttpConnection|SameBitsOnOneTwoAndThreeThreads/tinyhash|SameBitsInABatch.*/tinyhash'
# These take long then, and others do what their threads do.
tsan_left_out=()
[[ -n ${FATHOM_LONG_TESTS-} ]] || tsan_left_out=(-E 'WhatFoundNoRoom|ASharedBeginningIsKept|AFollowUpReadsOnly')
aarch64_folders=(numeric kernels)
train_folders=(train_torch)
# What touches memory by hand, and the connection. What reads what others wrote is in the fuzzers, under the same
# sanitizers; its tests, the commands' and the corpus's join with --all.
asan_folders=(base numeric kernels cache model engine http)
# Patterns of GoogleTest. Each kernel table has tests of its own; the ways to a hit are the same under each policy; two of
# the recorded models have every kind of layer; and others do at length what their neighbours do once.
asan_left_out='*SameBitsOnEveryInstructionSet*:*PrefixBits*/Full*:*PrefixBits*/PeriodicThreads3*:KillTest*'
asan_left_out+=':ServingTest.TwoHundredRequests*:StateMemory.WhatIsKept*:*Replay.*/nano*:*PrefixBits*.InABatch*'
asan_left_out+=':*PrefixBits*.FromDiskAfterItLeftRam*:*DiskWriting*.WhatFoundNoRoom*:*DiskWriting*/Recompute'
asan_left_out+=':*CacheMemory*.SequencesWithOneLong*'
asan_left_out+=':*AStandingDiskCosts*:*PrefixBits*FromRam/Periodic:*PrefixBits*FromDiskAfterA*/Recompute'
asan_left_out+=':*PrefixBits*FromWhere*:*PrefixBits*After*/Recompute:*PrefixBits*Choice*/Recompute'
# Minutes of plain loops over large memory, whose edges shorter tests beside them reach.
asan_left_out+=':TopRows.TiesGo*:TopRows.WhatTheSample*:MatMul.ModelShapes:StateMemory.StatesDoNot*:Bandwidth.IsARate*'
asan_left_out+=':*Determinism.*/nano'
for preset in full csa swa wide; do asan_left_out+=":*Replay.*/tiny_$preset:*Determinism.*/tiny$preset"; done
cmake_options=()  # for every variant
logs=$root/build/test-logs
passed=0 failed=0
rows=()  # of the closing table
trap 'clear_live; say stopped; exit 130' INT TERM

# --- building blocks of the stages -----------------------------------------------------------------------------------

# A single check that is not a ctest run.
count_check() { (($1 == 0)) && passed=$((passed + 1)) || failed=$((failed + 1)); }

# count_summary PASSED FAILED: what a test program says at its end. One that does not say it has failed.
count_summary() {
  passed=$((passed + ${1:-0}))
  failed=$((failed + ${2:-1}))
}

# step NAME WHAT COMMAND...: one logged command that counts only when it fails.
step() {
  local log=$logs/$1.log what=$2
  shift 2
  run_logged "$log" "$what" "$@" && return
  show_failure "$log"
  failed=$((failed + 1))
  return 1
}

# build_variant PRESET TARGET...: configures with tests and builds. `all` is everything. ./fathom builds in one of the
# directories, too: one at a time.
build_variant() {
  local dir=$root/build/$1
  mkdir -p "$dir"
  (
    flock 9
    configure "$dir" "$1" -DFATHOM_TESTS=ON -DFATHOM_TRAIN=OFF "${cmake_options[@]}" && ninja -C "$dir" -j "$(jobs)" "${@:2}"
  ) 9>"$dir/fathom.lock"
}

# The ctest label of each test is its folder in tests/.
only_folders() {
  local IFS='|'
  printf '^(%s)$' "$*"
}

# count_shards DIR: a test of ctest that is a shard of a program counts as what GoogleTest says it ran. One that died left
# no file and stays one failed test. Changes tests, failures and skipped of the caller.
count_shards() {
  local file ran bad
  for file in "$1"/*.xml; do
    [[ -e $file ]] || return 0
    read -r ran bad < <(sed -n 's/^<testsuites tests="\([0-9]*\)" failures="\([0-9]*\)".*/\1 \2/p' "$file")
    tests=$((tests + ran - 1))
    failures=$((failures + (bad > 0 ? bad - 1 : 0)))
    skipped=$((skipped + $(grep -c 'result="skipped"' "$file")))
  done
}

# run_ctest PRESET [ctest arguments]: counts the tests and prints ctest's closing lines.
run_ctest() {
  local preset=$1 log=$logs/$1-tests.log junit=$logs/$1-tests.xml status=0 counts
  shift
  rm -rf "$junit" "$root/build/$preset/test-shards"
  run_logged "$log" "$preset: testing" ctest --test-dir "$root/build/$preset" -j "$(jobs)" --output-on-failure \
    --no-tests=error --output-junit "$junit" "${filter[@]}" "$@" || status=$?
  if ((status != 0)); then
    grep -vE '^ *Start +[0-9]+: |^ *[0-9]+/[0-9]+ Test +#.* Passed ' "$log" | tail -n 150 || true
  else
    grep -E '^[0-9]+% tests passed|^Total Test time' "$log" || true
  fi
  counts=$(sed -n 's/^[[:space:]]*\(tests\|failures\|skipped\|disabled\)="\([0-9]*\)".*/\1=\2/p' "$junit" 2>/dev/null) || true
  local tests=0 failures=0 skipped=0 disabled=0
  [[ -z $counts ]] || eval "${counts//$'\n'/;}"
  count_shards "$root/build/$preset/test-shards"
  ((status != 0 && failures == 0)) && failures=1
  ((skipped + disabled > 0)) && say "$preset: $skipped tests skipped, $disabled disabled"
  passed=$((passed + tests - failures - skipped - disabled))
  failed=$((failed + failures))
  return "$status"
}

# --- stages ----------------------------------------------------------------------------------------------------------

stage_format() {
  local status=0
  "$root/tools/check_format.sh" || status=1
  count_check "$status"
  return "$status"
}

stage_data() { step data 'data: fetching the tokenizer' "$root/tools/fetch_test_tokenizer.sh"; }

stage_release() {
  step release 'release: building' build_variant release all || return
  run_ctest release
}

# The clients' packages come from npm once, at the versions of the lock file.
install_sdks() {
  cd "$root/tests/sdk"
  [[ node_modules/.package-lock.json -nt package-lock.json ]] || npm ci --no-audit --no-fund
}

stage_sdk() {
  local log=$logs/sdk-tests.log status=0
  step sdk-program 'sdk: building the program' build_variant release fathom || return
  step sdk 'sdk: fetching the packages' install_sdks || return
  FATHOM_BINARY=$root/build/release/bin/fathom run_logged "$log" 'sdk: testing' node --test --test-reporter=tap \
    --test-timeout=300000 "$root"/tests/sdk/*.test.mjs || status=$?
  ((status == 0)) || grep -A12 -E '^ *not ok' "$log" | head -n 150
  count_summary "$(sed -n 's/^# pass //p' "$log")" "$(sed -n 's/^# fail //p' "$log")"
  return "$status"
}

# One file after the other: each needs the machine for itself. What they measured is printed.
stage_load() {
  local log=$logs/load-tests.log status=0
  step load-program 'load: building the program' build_variant release fathom || return
  FATHOM_BINARY=$root/build/release/bin/fathom run_logged "$log" 'load: testing' node --test --test-reporter=tap \
    --test-concurrency=1 --test-timeout=1200000 "$root"/tests/load/*.test.mjs || status=$?
  ((status == 0)) || grep -A12 -E '^ *not ok' "$log" | head -n 150
  sed -n 's/^ *# \([0-9].*[a-z%B)].*\)$/\1/p' "$log"
  count_summary "$(sed -n 's/^# pass //p' "$log")" "$(sed -n 's/^# fail //p' "$log")"
  return "$status"
}

# In the directory of the release stage: what the trainer shares with the program is compiled once.
stage_train() {
  cmake_options=(-DFATHOM_TRAIN=ON)
  step train 'train: building' build_variant release "${train_folders[@]/%/_test}" || return
  cmake_options=()
  run_ctest release -L "$(only_folders "${train_folders[@]}")"
}

# Without a filter in few processes: the start of one takes a third of a second with these sanitizers.
stage_asan() {
  local targets=("${asan_folders[@]/%/_test}") selection=(-L "$(only_folders "${asan_folders[@]}")")
  local left_out=$asan_left_out status=0
  [[ -z ${FATHOM_LONG_TESTS-} && ${#filter[@]} == 0 ]] || targets=(all) selection=() left_out=
  cmake_options=(-DFATHOM_TEST_SHARDS=$((${#filter[@]} ? 0 : 6)))
  step asan-ubsan 'asan: building' build_variant asan-ubsan "${targets[@]}" || status=1
  cmake_options=()
  ((status == 0)) || return 1
  GTEST_FILTER="-$left_out" ASAN_OPTIONS=strict_string_checks=1:detect_stack_use_after_return=1 \
    UBSAN_OPTIONS=print_stacktrace=1 run_ctest asan-ubsan "${selection[@]}"
}

stage_tsan() {
  step tsan 'tsan: building' build_variant tsan "${tsan_folders[@]/%/_test}" || return
  ((${#filter[@]})) && tsan_tests=${filter[1]}
  TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 run_ctest tsan -L "$(only_folders "${tsan_folders[@]}")" -R "$tsan_tests" \
    "${tsan_left_out[@]}"
}

# fuzz_one PROGRAM: new inputs stay in build/fuzz-corpus/, crashes in build/fuzz-findings/.
fuzz_one() {
  local program=$1 name=${1%_fuzz} seeds=() dictionary=()
  mkdir -p "$root/build/fuzz-corpus/$name" "$root/build/fuzz-findings"
  [[ -d $root/fuzz/corpus/$name ]] && seeds=("$root/fuzz/corpus/$name")
  [[ -e $root/fuzz/corpus/$name.dict ]] && dictionary=(-dict="$root/fuzz/corpus/$name.dict")
  "$root/build/asan-ubsan/fuzz/$program" -max_total_time="$fuzz_seconds" -timeout=20 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$root/build/fuzz-findings/$name-" "${dictionary[@]}" \
    "$root/build/fuzz-corpus/$name" "${seeds[@]}" >"$logs/fuzz-$name.log" 2>&1
}

stage_fuzz() {
  local programs program name pid result=0
  step fuzz 'fuzz: building' build_variant asan-ubsan fuzzers || return
  mapfile -t programs < <(cd "$root/fuzz" && ls -- *_fuzz.cc 2>/dev/null | sed 's/\.cc$//')
  local width start=$SECONDS index
  width=$(jobs)
  for ((index = 0; index < ${#programs[@]}; index += width)); do
    local group=("${programs[@]:index:width}") pids=()
    progress "fuzz: ${group[*]}, $fuzz_seconds s each"
    for program in "${group[@]}"; do
      fuzz_one "$program" &
      pids+=($!)
    done
    for pid in "${!pids[@]}"; do
      local status=0
      wait "${pids[pid]}" || status=$?
      name=${group[pid]%_fuzz}
      count_check "$status"
      clear_live
      if ((status != 0)); then
        tail -n 40 "$logs/fuzz-$name.log"
        say "${group[pid]} failed (exit $status); the input is in build/fuzz-findings/, its log is $logs/fuzz-$name.log"
        result=1
      else
        printf '%s: %s inputs, clean\n' "${group[pid]}" \
          "$(sed -n 's/^stat::number_of_executed_units: *//p' "$logs/fuzz-$name.log")"
      fi
    done
  done
  return "$result"
}

# logits_hashes COMMAND...: what `verify golden` says about the logits of a recorded model, one line per mode.
logits_hashes() {
  "$@" verify golden "$root/../shared/reference/golden/tiny-full" --mode f32,product --threads "$(jobs)" |
    sed -n 's/.*\(mode .* logits hash .*\)/\1/p'
}

# Kernels on the other architecture; with --all also the bits of a whole model against this machine's.
stage_aarch64() {
  local here there status=0 targets=("${aarch64_folders[@]/%/_test}")
  [[ -z ${FATHOM_LONG_TESTS-} ]] || targets+=(fathom)
  step aarch64 'aarch64: building' build_variant aarch64 "${targets[@]}" || return
  run_ctest aarch64 -L "$(only_folders "${aarch64_folders[@]}")" || return
  [[ -n ${FATHOM_LONG_TESTS-} ]] || return 0
  step release-program 'aarch64: building the program for this machine' build_variant release fathom || return
  progress 'aarch64: comparing bits'
  here=$(logits_hashes "$root/build/release/bin/fathom") || status=1
  there=$(logits_hashes qemu-aarch64-static -L /usr/aarch64-linux-gnu -cpu max "$root/build/aarch64/bin/fathom") || status=1
  clear_live
  [[ -n $here && $here == "$there" ]] || status=1
  printf 'here:    %s\naarch64: %s\n' "${here//$'\n'/; }" "${there//$'\n'/; }"
  count_check "$status"
  return "$status"
}

# The page that the program brings along; tools/test_web.sh ends with "N passed, M failed".
stage_web() {
  local log=$logs/web.log status=0 counts
  step release-program 'web: building the program' build_variant release fathom || return
  run_logged "$log" 'web: testing' "$root/tools/test_web.sh" "$root/build/release" || status=$?
  ((status == 0)) || tail -n 150 "$log"
  counts=$(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p' "$log" | tail -n 1)
  count_summary "${counts% *}" "${counts#* }"
  return "$status"
}

stage_tidy() {
  local status=0
  "$root/tools/check_tidy.sh" || status=1
  count_check "$status"
  return "$status"
}

# --- all of it -------------------------------------------------------------------------------------------------------

[[ -e $root/../shared/reference/golden && -e $root/../shared/spec ]] ||
  fail "the tests compare with the reference and the specification in $(dirname -- "$root")/shared, which are not there."
# Node.js often comes from elsewhere than Debian; any will do.
command -v npm >/dev/null || test_packages+=("${web_packages[@]}")
[[ " ${stages[*]} " != *" train "* ]] || test_packages+=("${train_packages[@]}")
ensure_packages 'testing' "${build_packages[@]}" "${test_packages[@]}"
mkdir -p "$logs"
exec 8>"$logs/lock"
if ! flock -n 8; then
  say 'waiting for other tests of this tree to end'
  flock 8
fi

for stage in "${stages[@]}"; do
  started=$SECONDS result=ok
  cmake_options=()
  before_passed=$passed before_failed=$failed
  printf '== %s\n' "$stage"
  "stage_$stage" || result=FAILED
  # A stage that broke off without a failed test still counts as one.
  [[ $result == FAILED && $failed == "$before_failed" ]] && failed=$((failed + 1))
  rows+=("$(printf '%-9s %-7s %5d passed %4d failed  %s' "$stage" "$result" $((passed - before_passed)) \
    $((failed - before_failed)) "$(duration $((SECONDS - started)))")")
done

printf '\n'
printf '%s\n' "${rows[@]}"
printf '%-9s %s\n\n%d passed, %d failed\n' total "$(duration "$SECONDS")" "$passed" "$failed"
((failed == 0))
