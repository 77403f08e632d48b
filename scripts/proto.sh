#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Work on the protocol crate that `make check` leaves out for its length:
#
#   proto.sh coverage            line coverage of the crate by its tests
#   proto.sh fuzz [SECONDS [TARGET]]
#   proto.sh miri                unit tests under Miri, where nightly has it
#   proto.sh bench-proto         ns for parse and emit of each message
#
# What each needs is installed by cargo or rustup if it is missing.
. "$(dirname "$0")/env.sh"

cd "$TOP/rust/proto"
export CARGO_TARGET_DIR=$CACHE/cargo

need_cargo_tool() {
	command -v "$1" >/dev/null && return
	say "building $1 $2 (a minute or two)"
	quietly cargo install --locked --version "$2" "$1" || die "cargo could not install $1 $2"
}

need_nightly() {
	command -v rustup >/dev/null && rustup toolchain list | grep -q '^nightly' ||
		die "this needs a nightly toolchain: rustup toolchain install nightly"
}

coverage() {
	need_cargo_tool cargo-llvm-cov 0.9.1
	[ -e "$(rust_sysroot)/lib/rustlib/x86_64-unknown-linux-gnu/bin/llvm-cov" ] ||
		quietly rustup component add llvm-tools || die "llvm-tools of this rustc are missing: rustup component add llvm-tools"
	# Not the exhaustive searches: instrumented they take an hour, and reach
	# nothing that the others do not.
	cargo llvm-cov --locked --features sim --lib --test main --summary-only \
		--ignore-filename-regex '/(tests|fuzz|sim|benches|examples)/' -- --skip _explore:: 2>&1 |
		awk '/^Filename|\.rs +[0-9]|^TOTAL/ { print $1, "lines", $8, "missed", $9, $10 }
		     /FAILED|^error/ { print; bad = 1 } END { exit bad }' | column -t
}

fuzz() {
	local seconds=${1:-60} targets=(${2:-cdc clc ext handshake llc group ring}) t log
	need_nightly
	need_cargo_tool cargo-fuzz 0.13.2
	for t in "${targets[@]}"; do
		say "fuzzing $t for $seconds s"
		log=$BUILD/fuzz/$t.log
		mkdir -p "$BUILD/fuzz/$t"
		# No sanitizer: it costs a factor of six, and there is no unsafe code in
		# which it could find anything.
		CARGO_TARGET_DIR=$CACHE/cargo-fuzz cargo +nightly fuzz run -s none "$t" "$BUILD/fuzz/$t" "fuzz/corpus/$t" -- \
			-max_total_time="$seconds" -print_final_stats=1 > "$log" 2>&1 || {
			grep -E '^error|panicked|SUMMARY|artifact|ERROR' "$log" || tail -n 20 "$log"
			die "$t: see $log; what made it fail is in rust/proto/fuzz/artifacts/$t"
		}
		grep -E 'stat::(number_of_executed_units|average_exec|peak_rss)' "$log" || die "$t: ran nothing, see $log"
	done
}

miri() {
	if ! { need_nightly; } 2>/dev/null || ! quietly rustup +nightly component add miri; then
		say "skipped: no nightly toolchain with Miri here"
		return
	fi
	MIRIFLAGS=-Zmiri-disable-isolation CARGO_TARGET_DIR=$CACHE/cargo-miri cargo +nightly miri test --locked --lib
}

case ${1:-} in
coverage)    coverage ;;
fuzz)        fuzz "${@:2}" ;;
miri)        miri ;;
bench-proto) cargo bench --locked ;;
*)           die "usage: proto.sh coverage|fuzz|miri|bench-proto" ;;
esac
