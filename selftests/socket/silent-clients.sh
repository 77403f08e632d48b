#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Clients that offer SMC and then say nothing cost a listener memory for the
# time of a CLC message, and no thread; others are served meanwhile.
#
# hosts: server=smc_rs client=smc_rs
# limit: 180
. "$SMC_RS_SELFTESTS/lib/lib.sh"

N=10000
! on_debug_kernel server || N=5000

# The backlog has room for more handshakes of TCP than there are at a time, also if
# the machine is slow to take them out: SYN cookies have no room for the SMC option,
# and a silent client without it is one that the application waits for.
#
# The silent ones live in 10.98.0.0/16, where nobody answers for them but halfopen.
prepare() {
	on server '
		ip route replace 10.98.0.0/16 via $PEER dev eth0 &&
		sysctl -q -w net.ipv4.tcp_max_syn_backlog=4096 net.core.somaxconn=4096 \
			net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 &&
		ip link set eth0 txqueuelen 20000 &&
		stream server 43 0 5000 100000 > /dev/null & wait_listen 5000'
}

# Every now and then: TCP sockets, and threads of the whole machine.
watch() {
	on -t 170 server '
		while sleep 0.1; do
			read -r _ _ inuse _ < <(grep ^TCP: /proc/net/sockstat)
			read -r _ _ _ threads _ < /proc/loadavg
			echo "$inuse ${threads#*/}"
		done > /run/watch &'
}

# One before: what a well-behaved client takes in peace.
alone() { on client 'stream client 43 0 $PEER 5000 1 1000'; }

# Others come all the while, from the first silent one to the last that goes.
flood() {
	on -t 170 client "
		halfopen eth0 10.98.0.1 02:53:4d:43:00:02 \$PEER \$PEER_MAC 5000 $N 64 > /run/halfopen 2>&1 &
		sleep 1
		served=0
		while kill -0 \$! 2> /dev/null; do
			stream client 43 0 \$PEER 5000 1 1000 || exit 1
			! kill -0 \$! 2> /dev/null || served=\$((served + 1))
		done
		echo \"\$served served\"
		[ \$served -ge 20 ]"
}

# With the most connections there were no more threads than in peace, but for
# those that come and go with all other work of the kernel.  How many there are at
# a time is a matter of how many a slow machine makes in the six seconds of each;
# they must be more than a workqueue has threads (256).
no_threads() {
	local peace inuse threads
	read -r _ peace < <(on server 'head -1 /run/watch')
	read -r inuse threads < <(on server 'sort -n /run/watch | tail -1')
	echo "$inuse sockets and $threads threads, $peace in peace"
	[ "$inuse" -ge 600 ] && [ "$threads" -le $((peace + 16)) ]
}

all_offered() { on client 'cat /run/halfopen' | tee /dev/stderr | grep -x "established $N with_option $N"; }
all_ended() { on client 'cat /run/halfopen' | tee /dev/stderr | grep -x "ended $N"; }
nothing_left() { on server 'wait_for 20 sh -c "! ss -tan | grep -q :5000.*10.98" || { ss -tan | head; exit 1; }'; }

plan 7
check "a listener" prepare
check "serves a client" alone
check "serves others while $N say nothing" eval "watch && flood"
check "needs no threads for those" no_threads
check "has offered SMC to all of those" all_offered
check "has ended all of their connections" all_ended
check "keeps nothing of them" nothing_left
finish
