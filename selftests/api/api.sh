#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The socket API, call by call: without an RDMA device a socket of the module is
# in all respects a TCP socket.  What each case asks for is what TCP does: the
# same cases pass there first.  How the C module fares is told, and no failure.
#
# hosts: server=none
# limit: 2400
. "$SMC_RS_SELFTESTS/lib/lib.sh"

programs="api_connect api_listen api_data api_flow api_epoll api_options api_fastopen api_life
	api_uring"
tcp="-v tcp -v tcp6 -v tcp_dual -v tcp_mapped"
tls='$SMC_RS_KDIR/net/tls/tls.ko'
smc="-V tcp -V tcp6 -V tcp_dual -V tcp_mapped"

# run MODULE PROGRAM VARIANTS [SECONDS]: its output is kept.
run() {
	on -t 600 server "module_in $1 && { loaded tls || insmod $tls; } &&
		API_LIMIT=${4:-${API_LIMIT:-25}} $2 $3" > "$SMC_RS_TEST_OUT/$2-$1" 2>&1
}

# passes MODULE PROGRAM VARIANTS: every case; what does not is shown.
passes() {
	local status log=$SMC_RS_TEST_OUT/$2-$1
	run "$@"
	status=$?
	grep -aE '^not ok|Expected|unexpectedly|SKIP' "$log"
	grep -aq '^# Totals: pass:[1-9]' "$log" || tail -n 5 "$log"
	return $status
}

# Much of what the C module fails at would wait for ever.
c_module() {
	local p failed cases
	for p in $programs; do run smc "$p" "-v smc" 3; done
	cd "$SMC_RS_TEST_OUT" || return
	failed=$(for p in $programs; do sed -n "s/^not ok [0-9]* api\.smc\./${p#api_}./p" "$p-smc"; done | xargs)
	cases=$(cat api_*-smc | grep -acE '^(not )?ok [0-9]')
	echo "# C module: $(wc -w <<< "$failed") of $cases cases fail: $failed"
}

plan $((2 * $(wc -w <<< "$programs")))
for p in $programs; do check "$p, TCP" passes none "$p" "$tcp"; done
for p in $programs; do check "$p" passes smc_rs "$p" "$smc"; done
c_module
on server 'wait_for 20 rmmod tls'
finish
