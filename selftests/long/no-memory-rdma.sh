#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# An allocation of the module fails, at either end, each in turn: of a connection's life
# over RDMA, in a link group that is there and in one that is made for it. A connection
# works or fails with an error, soon; the next one works; nothing is lost and nothing is
# stuck.
#
# hosts: server=smc_rs client=smc_rs
# kernel: debug
# limit: 240
. "$SMC_RS_SELFTESTS/lib/lib.sh"

count() { on "$1" 'smcnl dump stats' | sed -n "s/.* SMCR\.$2=\([0-9]*\).*/\1/p"; }

prepare() {
	both 'rxe_up; [ -d /sys/kernel/debug/failslab ] && [ -d /sys/kernel/debug/fail_page_alloc ]' &&
		on server 'nomem server 5000 > /run/nomem.server 2>&1 & wait_listen 5000 && wait_listen 5001'
}

# sweep WHERE KIND IDLE: link groups live so many seconds without connections
sweep() {
	local log=$SMC_RS_TEST_OUT/sweep c status
	c=$(count client CLNT_V2_SUCC)
	both 'rdma link delete rxe0; rxe_up' && on server "sysctl -q -w net.smc.lgr_idle_time=$3" &&
		on -t 400 client "time nomem client \$PEER 5000 $1 $2" > "$log" 2>&1
	status=$?
	c=$(($(count client CLNT_V2_SUCC) - c))
	cat "$log"
	echo "$c connections over RDMA"
	[ $status = 0 ] && [ $c -ge "$(sed -n 's/^\([0-9]*\) with all memory$/\1/p' "$log")" ]
}
tell() { sed 's/^/# /' "$SMC_RS_TEST_OUT/sweep"; }

nothing_left() {
	both 'pkill -x nomem; quiet() { ! smcnl dump lgr-smcr | grep "CONNS_NUM=[1-9]" && ! smcnl sockets | grep .; }
		wait_for 60 quiet || { smcnl dump lgr-smcr; smcnl sockets; exit 1; }' &&
		both 'wait_for 30 modules_out'
}

plan 8
check "devices that can run out of memory" prepare
for where in here there; do
	# A connection in a group that is there takes no pages of its own.
	check "failslab $where, in a link group that is there" sweep $where failslab 600
	tell
	for kind in failslab fail_page_alloc; do
		check "$kind $where, in one that is new" sweep $where $kind 0
		tell
	done
done
check "nothing is left" nothing_left
finish
