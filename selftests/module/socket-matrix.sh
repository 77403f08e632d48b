#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# socket(2) answers every (family, type, protocol) as it does with the C module.
#
# hosts: server=none
# limit: 90
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# Module auto-loading would run modprobe for each combination that nobody serves.
matrix() { on -t 60 server "sysctl -q -w kernel.modprobe= && module_in $1 && sockets matrix" > "$SMC_RS_TEST_OUT/matrix-$1"; }

same() {
	cd "$SMC_RS_TEST_OUT" || return 1
	# Neither list may be empty of what the comparison is about.
	for line in '43 1 0 ok' '43 1 1 ok' '2 1 256 ok' '10 1 256 ok' '43 1 2 EPROTONOSUPPORT' '43 2 0 ESOCKTNOSUPPORT'; do
		grep -qx "$line" matrix-smc || { echo "the C module does not say: $line"; return 1; }
	done
	diff matrix-smc matrix-smc_rs
}

# Without either module the list differs, so the test can.
differs() {
	cd "$SMC_RS_TEST_OUT" || return 1
	! diff -q matrix-smc matrix-none
}

plan 5
check "the C module's answers" matrix smc
check "this module's answers" matrix smc_rs
check "they are the same" same
check "the answers of neither" matrix none
check "are others" differs
finish
