#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How the C module fares with the cases of the socket API that TCP and this module
# pass: which of them fail is told, and is no failure of this test.
#
# hosts: client=none
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/api/lib.bash"

# Much of what it fails at would wait for ever.
ask() { run client smc "$1" "-v smc" 3; grep -acE '^(not )?ok [0-9]' "$SMC_RS_TEST_OUT/$1-smc"; }

tell() {
	local p failed cases
	cd "$SMC_RS_TEST_OUT" || return
	failed=$(for p in $programs; do sed -n "s/^not ok [0-9]* api\.smc\./${p#api_}./p" "$p-smc"; done | xargs)
	cases=$(cat api_*-smc | grep -acE '^(not )?ok [0-9]')
	echo "# C module: $(wc -w <<< "$failed") of $cases cases fail: $failed"
}

plan $((1 + $(wc -w <<< "$programs")))
check "the C module" prepare client smc
for p in $programs; do check "$p" ask "$p"; done
tell
finish
