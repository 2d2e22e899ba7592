# shellcheck shell=bash
# Functions of ./fathom and tools/test.sh, for `source`. Everything said here goes to stderr: stdout belongs to the
# program. Callers set `root`; build_program also needs `preset`, `target`, `build` and `stamp`.

build_packages=(g++ cmake ninja-build rapidjson-dev libcli11-dev libedit-dev libssl-dev libxxhash-dev libboost-dev libzstd-dev zlib1g-dev)
web_packages=(nodejs npm)  # unless there is an npm
train_packages=(libtorch-dev libdnnl-dev)  # the trainer's, beside those
test_packages=(libgtest-dev libgmock-dev libpcre2-dev libicu-dev clang libclang-rt-14-dev clang-format-14 clang-tidy-14
               g++-aarch64-linux-gnu qemu-user-static chromium)

say() { printf 'fathom: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

# --- the live line -------------------------------------------------------------------------------------------------

[[ -t 2 && ${TERM-dumb} != dumb ]] && on_terminal=1 || on_terminal=0
plain_period_s=20  # off a terminal, progress is a line this often

clear_live() { ((on_terminal)) && printf '\r\033[K' >&2 || true; }

# progress TEXT: the live line on a terminal; elsewhere a plain line if the last one is old enough.
progress() {
  if ((on_terminal)); then
    local columns
    columns=$(tput cols 2>/dev/null) || columns=80
    printf '\r\033[K%s' "${1:0:columns-1}" >&2
  elif ((SECONDS >= ${next_plain_line:-0})); then
    next_plain_line=$((SECONDS + plain_period_s))
    say "$1"
  fi
}

duration() {
  local seconds=$1
  if ((seconds < 60)); then
    printf '%d s' "$seconds"
  else
    printf '%d min %02d s' $((seconds / 60)) $((seconds % 60))
  fi
}

# follow WHAT: copies nothing, shows how far the command has come whose output is on stdin. Ninja's "[3/40] ..." and
# ctest's "3/40 Test ..." lines become a share with the time left.
follow() {
  local what=$1 start=$SECONDS line partial='' note='' status
  next_plain_line=$((SECONDS + plain_period_s))
  while :; do
    status=0
    IFS= read -r -t 1 line || status=$?
    if ((status > 128)); then  # nothing new for a second
      partial+=$line
      progress "$what${note:-, $(duration $((SECONDS - start)))}"
      continue
    fi
    ((status == 0)) || return 0
    line=$partial$line partial=''
    if [[ $line =~ ^[[:space:]]*\[?([0-9]+)/([0-9]+)[]\ ] ]]; then
      local done=${BASH_REMATCH[1]} total=${BASH_REMATCH[2]} elapsed=$((SECONDS - start))
      note=" [$done/$total]"
      if ((done > 1 && elapsed > 3)); then note+=", about $(duration $((elapsed * (total - done) / done))) left"; fi
    fi
    progress "$what${note:-, $(duration $((SECONDS - start)))}"
  done
}

# run_logged LOG WHAT COMMAND...: runs COMMAND with its output in LOG and progress on stderr. Returns its exit status.
# A pipeline in the foreground, so that Ctrl-C reaches the command.
run_logged() {
  local log=$1 what=$2 status=0
  shift 2
  rm -f "$log.status"  # of a run that was stopped
  { "$@" 2>&1 || printf '%s\n' $? >"$log.status"; } </dev/null | tee "$log" | follow "$what" || true
  clear_live
  if [[ -e $log.status ]]; then
    status=$(<"$log.status")
    rm -f "$log.status"
  fi
  return "$status"
}

# What a reader needs of a failed command's log: from the first error on, at most 60 lines.
show_failure() {
  local log=$1 lines
  lines=$(grep -m1 -A59 -E '^FAILED: |^CMake Error|^ninja: error|^E: ' "$log") || lines=$(tail -n 60 "$log")
  printf '%s\n' "$lines" >&2
  say "the whole output is in $log"
}

# --- Debian packages -------------------------------------------------------------------------------------------------

# Prints those of its arguments that are not installed.
missing_packages() {
  local installed package
  installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null) || true
  for package in "$@"; do
    grep -qxF -- "$package installed" <<<"$installed" || printf '%s\n' "$package"
  done
}

# The machine's own updates may hold dpkg's lock for a while.
install_once() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "$@"
}

# ensure_packages WHY PACKAGE...: installs the missing ones, saying which.
ensure_packages() {
  local why=$1 missing log
  shift
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    command -v g++ >/dev/null && command -v cmake >/dev/null && command -v ninja >/dev/null && return
    fail "this is not a Debian system; install what these Debian packages contain and start again: $*"
  fi
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]})) || return 0
  local as_root=()
  if ((EUID != 0)); then
    local by_hand="as root: apt-get install ${missing[*]}"
    command -v sudo >/dev/null || fail "$why needs packages that are not installed, and there is no sudo. Run $by_hand"
    say "$why needs packages that are not installed: ${missing[*]}. sudo may ask for your password to install them."
    sudo -v || fail "no administrator rights, so nothing was installed. Run $by_hand"
    as_root=(sudo)
  fi
  say "installing ${missing[*]}"
  mkdir -p "${build:-$root/build}"
  log=${build:-$root/build}/apt.log
  # The package lists of a fresh container are empty, those of an old one out of date.
  run_logged "$log" 'installing' install_once "${missing[@]}" && return
  run_logged "$log" 'updating the package lists' "${as_root[@]}" apt-get update || true
  run_logged "$log" 'installing' install_once "${missing[@]}" && return
  show_failure "$log"
  fail "apt-get could not install ${missing[*]}"
}

# --- building --------------------------------------------------------------------------------------------------------

# As many compilers as there are cores and gigabytes, a container's limits among them: the largest source files take about
# 1 GB each.
jobs() {
  local count limit period used
  count=$(nproc)
  limit=$(awk '/^MemAvailable/ {print int($2 / 1000000)}' /proc/meminfo 2>/dev/null) || limit=$count
  ((limit < count)) && count=$limit
  if read -r limit period 2>/dev/null </sys/fs/cgroup/cpu.max && [[ $limit =~ ^[0-9]+$ && $period =~ ^[1-9][0-9]*$ ]]; then
    limit=$(((limit + period - 1) / period))
    ((limit < count)) && count=$limit
  fi
  if read -r limit 2>/dev/null </sys/fs/cgroup/memory.max && [[ $limit =~ ^[0-9]+$ ]]; then
    read -r used 2>/dev/null </sys/fs/cgroup/memory.current || used=0
    limit=$(((limit - used) / 1000000000))
    ((limit < count)) && count=$limit
  fi
  printf '%d' $((count < 1 ? 1 : count))
}

# Whether build directory DIR was configured for this tree, and not for one that was copied or moved here.
configured_here() {
  local home
  home=$(sed -n 's/^CMAKE_HOME_DIRECTORY:INTERNAL=//p' "$1/CMakeCache.txt" 2>/dev/null) || return
  [[ -n $home && $home -ef $root ]]
}

# configure DIR PRESET [cmake arguments]. Unity builds: less to compile for who builds the whole.
configure() {
  local dir=$1 preset=$2 fresh=()
  shift 2
  configured_here "$dir" || fresh=(--fresh)
  cd "$root"
  cmake --preset "$preset" -B "$dir" "${fresh[@]}" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=10 "$@"
}

configure_and_build() {
  local started
  started=$(mktemp "$build/fathom.stamp.XXXXXX")  # before the compiler reads anything: later edits are newer
  # An earlier configuration keeps its tests; otherwise they are off, since they need more packages.
  if ! configured_here "$build" || [[ ! -e $build/build.ninja ]]; then
    configure "$build" "$preset" -DFATHOM_TESTS=OFF || return
  fi
  ninja -C "$build" -j "$(jobs)" "$target" || return
  mv -f -- "$started" "$stamp"
}

# Builds $target into $build. One at a time: whoever comes later waits and finds it built.
build_program() {
  local log=$build/fathom.log
  mkdir -p "$build" 2>/dev/null || fail "cannot create $build; FATHOM_BUILD_DIR can name another place to build in."
  [[ -w $build ]] || fail "cannot write to $build; FATHOM_BUILD_DIR can name another place to build in."
  exec 9>"$build/fathom.lock"
  if ! flock -n 9; then
    say 'waiting for another build to end'
    flock 9
  fi
  trap 'clear_live; say "stopped; the next start goes on from here."; exit 130' INT TERM
  if ! up_to_date; then
    if [[ $preset == train ]]; then
      ensure_packages 'building' "${build_packages[@]}" "${train_packages[@]}"
    else
      ensure_packages 'building' "${build_packages[@]}"
      # Node.js often comes from elsewhere than Debian; any will do, and the program can do without.
      npm --version >/dev/null 2>&1 || (ensure_packages 'the web page' "${web_packages[@]}") ||
        say 'without npm the web page of `fathom serve` is left out'
    fi
    rm -f "$build"/fathom.stamp.*
    say "building into $build"
    local start=$SECONDS
    if ! run_logged "$log" 'building' configure_and_build; then
      show_failure "$log"
      fail 'the build failed.'
    fi
    say "built in $(duration $((SECONDS - start)))"
    if grep -q 'npm could not fetch' "$log"; then say "npm could not fetch the web page's libraries, so it is left out; see $log"; fi
  fi
  trap - INT TERM
  exec 9>&-
}
