#!/usr/bin/env bash
# Makes the program as it is shipped, and prints its path: built once with counters, put under the
# loads that people run, built again with what was counted (profile-guided optimisation, PGO).
#   ./dist.sh          all of it: two builds of some minutes, a training of one or two
#   ./dist.sh --check  only whether all that it takes is here; prints which llvm-profdata
# Without a profile it is `cargo build --locked --profile dist --bin tallyho`.
set -euo pipefail
cd "$(dirname "$0")"
export PATH="$PATH:/usr/sbin:/usr/local/sbin"
fail() { echo "error: $*" >&2; exit 1; }
step() { printf '== %s\n' "$*" >&2; }

host=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')

# A profile is read by the LLVM that the compiler is made with, and by no other for certain.
find_profdata() {
  local own
  own=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
  if [ -n "${LLVM_PROFDATA:-}" ]; then
    command -v "$LLVM_PROFDATA" || fail "LLVM_PROFDATA is $LLVM_PROFDATA, which is no program"
  elif [ -x "$own" ]; then
    echo "$own"
  else
    command -v "llvm-profdata-$llvm" || fail "there is no llvm-profdata of LLVM $llvm:" \
      "rustup component add llvm-tools, or install llvm-$llvm, or name it in LLVM_PROFDATA"
  fi
}

profdata=$(find_profdata)
# What was not trained is taken for rare, and is made small instead of fast: no TLS without nginx.
command -v nginx >/dev/null || fail "nginx is missing, without which TLS is not trained:" \
  "install nginx-light"
taskset -c 0,1 taskset -c 1 true 2>/dev/null || fail "training takes cores 0 and 1"
[ "${1:-}" != --check ] || { echo "$profdata"; exit 0; }

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
pgo=$target/pgo
[[ $pgo != *' '* ]] || fail "compiler flags hold no path with a blank: $pgo"
made=$pgo/tallyho
compare=$target/release/tallyho-compare
log=$pgo/training.log

# With --target the flag is for the program alone, not for build scripts and macros.
build() {
  RUSTFLAGS="${RUSTFLAGS:-} $1" cargo build --locked --profile dist --bin tallyho \
    --target "$host" --target-dir "$2" >&2
}

# The comparison plays plain and TLS, flows, forms, rates, replay and TallyUp, on io_uring only
# where that is allowed. The scenarios play what bots do with an API that answers with much JSON.
train() {
  timeout 300 "$compare" --smoke --no-install --tallyho "$1" || return
  local driver scenario
  for driver in auto epoll; do
    for scenario in tallyup tallyup-lite live-match; do
      # 99: a threshold that so short a run does not meet.
      timeout 120 "$1" run "scenarios/$scenario.json" -c 100 -d 3s --delay-scale 0.1 --quiet \
        --io-driver "$driver" --allow-degraded --out "$pgo/run" || [ $? = 99 ] || return
    done
  done
}

step "tallyho with counters"
build "-Cprofile-generate=$pgo/raw" "$pgo/instrumented"
counting=$pgo/instrumented/$host/dist/tallyho
step "what trains it"
cargo build --locked --release -p tallyho-compare --target-dir "$target" >&2
if [ "$made" -nt "$counting" ] && [ "$made" -nt "$compare" ] && [ "$made" -nt dist.sh ]; then
  step "nothing has changed"
else
  step "training"
  rm -rf "$pgo/raw" "$pgo/run"
  train "$counting" >"$log" 2>&1 || { tail -n 20 "$log" >&2; fail "the training failed: $log"; }
  step "tallyho with the profile"
  "$profdata" merge -o "$pgo/tallyho.profdata" "$pgo"/raw/*.profraw >&2
  # cargo does not look into the profile, so that it would take the last build for a fresh one.
  rm -rf "$pgo/profiled"
  build "-Cprofile-use=$pgo/tallyho.profdata" "$pgo/profiled"
  cp "$pgo/profiled/$host/dist/tallyho" "$made"
fi
echo "$made"
