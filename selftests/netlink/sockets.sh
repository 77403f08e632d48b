#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What sock_diag and the statistics say of sockets that are not connected, listen,
# or became TCP sockets: as the C module does.
#
# hosts: server=none client=none
# limit: 300
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# One peer of each kind: an SMC one and a TCP one. On the client an idle socket, a
# client of the TCP server, and both ends' idle ones.
open_all='
	sockets hold 43 1 0 & sockets hold 43 1 1 &
	stream server 43 0 5000 9 > /dev/null & stream server 2 0 5001 9 > /dev/null &
	wait_listen 5000; wait_listen 5001'
connect_all='
	stream client 2 0 $PEER 5000 1 1000 20 > /dev/null & stream client 43 0 $PEER 5001 1 1000 20 > /dev/null &
	wait_for 10 sh -c "[ \$(ss -Htn state established dport 5000 or dport 5001 | wc -l) -eq 2 ]"
	sleep 0.5'

# Ports that the kernel chooses, and inodes, are replaced by whether there are any.
neat='sed -E "s/(10\.99\.0\..):[0-9]{5}/\1:PORT/; s/INODE=[1-9][0-9]*/INODE=N/" | sort'

# collect MODULE: what both hosts say with it on both.
collect() {
	local dir=$SMC_RS_TEST_OUT/$1
	mkdir -p "$dir"
	both "module_in $1" && on server "$open_all" && on client "$connect_all" || return 1
	on server "smcnl sockets | $neat" > "$dir/server-sockets" 2>&1
	on client "smcnl sockets | $neat" > "$dir/client-sockets" 2>&1
	on server 'smcnl dump fback-stats' > "$dir/server-reasons" 2>&1
	on client 'smcnl dump fback-stats; smcnl dump stats' > "$dir/client-reasons" 2>&1
	both 'pkill stream; pkill sockets; sleep 0.3; modules_out'
}

same() {
	local dir=$SMC_RS_TEST_OUT
	cat "$dir/smc/$1" && [ -s "$dir/smc/$1" ] && diff "$dir/smc/$1" "$dir/smc_rs/$1"
}

# A socket of IPPROTO_SMC; the C module does not tell its address.
inet() {
	both 'module_in smc_rs' && on server 'stream server 2 256 5002 9 > /dev/null & wait_listen 5002' &&
		on client 'stream client 2 0 $PEER 5002 1 1000 20 > /dev/null &
			wait_for 10 sh -c "ss -Htn state established dport 5002 | grep -q ."' &&
		on server 'sleep 0.5; smcnl sockets' > "$SMC_RS_TEST_OUT/inet"
	both 'pkill stream; sleep 0.3; modules_out'
	cat "$SMC_RS_TEST_OUT/inet"
	grep -q 'STATE=10 MODE=SMCR LOCAL=0.0.0.0:5002 .* FAMILY=2' "$SMC_RS_TEST_OUT/inet" &&
		grep -q 'STATE=1 MODE=TCP LOCAL=10.99.0.1:5002 PEER=10.99.0.2:.* REASON=0x03010000 .*FAMILY=2' \
			"$SMC_RS_TEST_OUT/inet"
}

# More than fit one buffer, however many short ones come after them, and none of those
# that have been closed.
many() {
	local n
	both 'module_in smc_rs' && on server "LD_PRELOAD=$SMC_RS_PROGS/libpreload.so epoll-echo server \$ADDR 5003 > /dev/null 2>&1 &
			wait_listen 5003" &&
		on client 'for i in {1..400}; do exec {fd}<>/dev/tcp/$PEER/5003; done; sleep 60 &
			for i in {1..200}; do exec {fd}<>/dev/tcp/$PEER/5003; exec {fd}>&-; done; sleep 1'
	n=$(on server 'smcnl sockets | grep -c MODE=TCP')
	on client 'pkill sleep'
	on server 'wait_for 10 sh -c "[ \$(smcnl sockets | grep -c MODE=TCP) -eq 0 ]"' || return 1
	both 'pkill epoll-echo; sleep 0.3; modules_out'
	echo "$n sockets"
	[ "$n" -eq 400 ]
}

# Another namespace sees its own sockets.
netns() {
	on server '
		module_in smc_rs; sockets hold 43 1 0 &
		sleep 0.3; smcnl sockets | wc -l | grep -x 1 && unshare --net sh -c "
			smcnl sockets | wc -l | grep -x 0; ip link set lo up
			sockets hold 43 1 0 & sleep 0.3; smcnl sockets | wc -l | grep -x 1; kill \$!" &&
		smcnl sockets | wc -l | grep -x 1; rc=$?; pkill sockets; sleep 0.3; modules_out; exit $rc'
}

plan 9
check "sockets with the C module" collect smc
check "the same with this one" collect smc_rs
check "sockets of the server" same server-sockets
check "sockets of the client" same client-sockets
check "why they fell back" same server-reasons
check "and those of the client" same client-reasons
check "sockets of IPPROTO_SMC, with their addresses" inet
check "hundreds of them, and none that is closed" many
check "each namespace its own" netns
finish
