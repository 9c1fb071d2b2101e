# Shared by ./run, ./test and tools/tidy: what TinyAI needs from Debian, and how a preset is built.
# Sourced by bash after `set -euo pipefail`, in the repository root.

build_packages=(
  g++ cmake ninja-build pkg-config ccache
  libhwy-dev libfmt-dev libexpected-dev liburing-dev libpcre2-dev libutf8proc-dev libxxhash-dev libabsl-dev
  libcli11-dev nlohmann-json3-dev
  libvulkan-dev libvulkan-volk-dev glslang-dev spirv-tools
)
test_packages=(
  libgtest-dev libgmock-dev librapidcheck-dev libbenchmark-dev
  python3 clang-format
  mesa-vulkan-drivers vulkan-validationlayers
)
fuzz_packages=(clang)
tidy_packages=(clang clang-tidy)

log_folder=build/log
# Never more compilers at once than the machine has memory for: the largest takes about 1 GB.
memory_mb=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
jobs=$(nproc)
if ((memory_mb / 1000 < jobs)); then jobs=$((memory_mb / 1000 > 0 ? memory_mb / 1000 : 1)); fi

say() { printf '== %s\n' "$*" >&2; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# quietly LOG COMMAND...: the command's output goes to build/log/LOG and is shown only if it fails.
quietly() {
  local log=$log_folder/$1
  shift
  mkdir -p "$log_folder"
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    fail "'$*' failed; its output is above and in $log"
  fi
}

as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

is_installed() { [[ $(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]; }

# install_missing PACKAGE...: the versions are those of the Debian release.
install_missing() {
  if ! command -v apt-get >/dev/null; then
    say "no apt-get here; these Debian packages, or what they hold, have to be there: $*"
    return
  fi
  local package missing=()
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  ((${#missing[@]} > 0)) || return 0
  if [[ $(id -u) != 0 ]] && ! command -v sudo >/dev/null; then
    fail "these packages are missing and there is no sudo; as root: apt-get install ${missing[*]}"
  fi
  say "installing ${missing[*]}"
  quietly apt-update.log as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -q -o DPkg::Lock::Timeout=120 update
  quietly apt-install.log as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get -qy -o DPkg::Lock::Timeout=120 install --no-install-recommends "${missing[@]}"
}

# The references that tests compare with (tests/oracle/README.md, tests/onnx/README.md). Tests that
# need one skip without it, so a machine with no way to the npm registry only loses those.
install_reference() {
  local folder=$1 name=$2
  local marker=$folder/node_modules/.package-lock.json
  [[ $(uname -m) == x86_64 ]] || return 0
  if [[ -e $marker && ! $folder/package-lock.json -nt $marker ]]; then return 0; fi
  command -v npm >/dev/null || install_missing npm
  say "fetching $name, a reference of the tests"
  mkdir -p "$log_folder"
  if ! (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund) \
      >"$log_folder/npm.log" 2>&1 </dev/null; then
    say "npm could not fetch it ($log_folder/npm.log); the tests that compare with it will skip"
  fi
}
install_references() {
  install_reference tests/oracle llama.cpp
  install_reference tests/onnx onnxruntime
}

# build PRESET [TARGET...]
build() {
  local preset=$1
  shift
  export CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  say "configuring preset $preset"
  quietly "configure-$preset.log" cmake --preset "$preset"
  say "building preset $preset with $jobs jobs"
  quietly "build-$preset.log" cmake --build --preset "$preset" -j "$jobs" ${1:+--target "$@"}
}
