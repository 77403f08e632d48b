# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For test scripts: KTAP by the kernel's own helpers, and the two hosts.
#
#   check NAME COMMAND...    one case: ok if COMMAND succeeds; its output becomes
#                            diagnostics if it does not
#   told NAME COMMAND...     the same, and what COMMAND has put into
#                            $SMC_RS_TEST_OUT/figures, also if it succeeds
#   skip NAME REASON
#   on HOST COMMAND          in a guest (see lib/on)
#   finish                   totals and exit status; last line of every test

# shellcheck source=/dev/null
. "$SMC_RS_LINUX/tools/testing/selftests/kselftest/ktap_helpers.sh"

PATH=$SMC_RS_SELFTESTS/lib:$PATH
SERVER=10.99.0.1 CLIENT=10.99.0.2 SERVER6=fd99::1 CLIENT6=fd99::2
export SERVER CLIENT SERVER6 CLIENT6

plan() { ktap_print_header; ktap_set_plan "$1"; }

check() {
	local name=$1 out status
	shift
	out=$("$@" 2>&1)
	status=$?
	if [ $status -eq 0 ]; then
		ktap_test_pass "$name"
	elif [ $status -eq 4 ]; then
		skip "$name" "${out##*$'\n'}"
	else
		printf '%s\n' "$out" | tail -n 40 | sed 's/^/# /'
		echo "# exit status $status"
		ktap_test_fail "$name"
	fi
}

told() {
	rm -f "$SMC_RS_TEST_OUT/figures"
	check "$@"
	sed 's/^/# /' "$SMC_RS_TEST_OUT/figures" 2> /dev/null
}

skip() { echo "# $2"; ktap_test_skip "$1"; }

# skip_all REASON: the whole test, before its plan
skip_all() { ktap_print_header; ktap_skip_all "$1"; exit "$KSFT_SKIP"; }

finish() { ktap_finished; }

# both COMMAND: on both hosts at once; fails if either does
both() {
	local pid
	on server "$1" &
	pid=$!
	on client "$1" && wait $pid
}

# on_debug_kernel HOST: several times slower than the base one
on_debug_kernel() { on "$1" '[ -e /sys/kernel/debug/kmemleak ]'; }

# fields of the packets on the wire since the test began: wire FILTER FIELD...
wire() {
	local filter=$1 args=() f
	shift
	for f in "$@"; do args+=(-e "$f"); done
	on --pcap "$SMC_RS_TEST_OUT/wire.pcap" &&
		tshark -r "$SMC_RS_TEST_OUT/wire.pcap" -Y "$filter" -T fields "${args[@]}" 2>/dev/null
}
