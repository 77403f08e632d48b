#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The socket API, call by call: without an RDMA device a socket of the module is
# in all respects a TCP socket.  What each case asks for is what TCP does: the
# same cases pass there.  How the C module fares: long/api-c.sh.
#
# This module is on one host, TCP on the other at the same time; all of it is by
# loopback.
#
# hosts: server=none client=none
# limit: 1200
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/api/lib.bash"

# In the debug kernel it is about splats and leaks: a family of each kind.
if on_debug_kernel server; then
	tcp="-v tcp" smc="-v smc -v ipproto6"
else
	tcp="-v tcp -v tcp6 -v tcp_dual -v tcp_mapped"
	smc="-v smc -v smc_client -v smc_server -v ipproto -v ipproto6 -v smc_dual -v ipproto_mapped"
fi

# passed MODULE PROGRAM: every case has; what has not is shown.
passed() {
	local log=$SMC_RS_TEST_OUT/$2-$1
	grep -aE '^not ok|Expected|unexpectedly|SKIP' "$log"
	grep -aq '^# Totals: pass:[1-9]' "$log" || tail -n 5 "$log"
	[ "$(cat "$log.status")" -eq 0 ]
}

ours() { prepare server smc_rs && run_all server smc_rs "$smc" && on server 'wait_for 20 rmmod tls && wait_for 20 rmmod smc_rs'; }
others() { prepare client none && run_all client none "$tcp" && on client 'wait_for 20 rmmod tls'; }

plan $((2 + 2 * $(wc -w <<< "$programs")))
{ others; echo $?; } > "$SMC_RS_TEST_OUT/others" 2>&1 &
check "all programs, and the module goes" ours
wait
check "the same with TCP" eval 'cat "$SMC_RS_TEST_OUT/others"; (exit "$(tail -n 1 "$SMC_RS_TEST_OUT/others")")'
for p in $programs; do
	check "$p" passed smc_rs "$p"
	check "$p, TCP" passed none "$p"
done
finish
