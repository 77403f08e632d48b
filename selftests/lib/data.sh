# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of the data path have in common: bytes in all ways between two hosts
# that have SMC, over RDMA. A case fails if the bytes went over TCP.

# Bytes in TCP of a connection over RDMA, at most: the handshake's.
CLC_BYTES=1000

# One host, or the server, has the C module, which does not do all that is tested.
C_HOST= C_SERVER=

# The UEID is the one that ours has from the start.
devices() { both 'rxe_up && { loaded smc_rs || smcnl ueid-add SMCV2-DEFAULT-UEID; }'; }

# A port of its own for each flow; cases are subshells.
next_port() {
	local last=5000
	[ ! -e "$SMC_RS_TEST_OUT/port" ] || read -r last < "$SMC_RS_TEST_OUT/port"
	PORT=$((last + 1))
	echo $PORT > "$SMC_RS_TEST_OUT/port"
}

# over_rdma PORT CONNECTIONS: what the wire has seen of it
over_rdma() {
	local bytes
	bytes=$(wire "tcp.port == $1" tcp.len | awk '{n += $1} END {print n + 0}')
	echo "$bytes bytes in TCP for $2 connections"
	[ "$bytes" -gt 100 ] && [ "$bytes" -lt $((CLC_BYTES * $2)) ]
}

# flow TEST [ARG]: one connection, client to server
flow() {
	next_port
	on server "${C_HOST:+FLOWS_C=1} ${C_SERVER:+FLOWS_C_SERVER=1} timeout 60 flows server 43 0 $PORT 1 > /run/flows.$PORT 2>&1; echo \$? > /run/flows.$PORT.status" &
	on server "wait_listen $PORT" &&
		on client "${C_HOST:+FLOWS_C=1} timeout 50 flows client 43 0 \$PEER $PORT $*"
	local status=$?
	[ $status -eq 0 ] || echo "the client: $status"
	on server "wait_for 10 test -s /run/flows.$PORT.status; cat /run/flows.$PORT; s=\$(cat /run/flows.$PORT.status); [ \"\$s\" = 0 ] || { echo \"the server: \$s\"; exit 1; }" ||
		status=1
	wait
	over_rdma $PORT 1 && return $status
}

pingpongs() {
	local size
	for size in "$@"; do
		flow pingpong "$size" || { echo "size $size"; return 1; }
	done
}

# so many at once
crowd() {
	next_port
	on server "timeout 60 flows server 43 0 $PORT $1 > /run/flows.$PORT 2>&1; echo \$? > /run/flows.$PORT.status" &
	on server "wait_listen $PORT" && on client "
		for i in {1..$1}; do timeout 50 flows client 43 0 \$PEER $PORT bulk 100000 & pids+=(\$!); done
		for p in \${pids[@]}; do wait \$p || exit 1; done"
	local status=$?
	on server "wait_for 10 test -s /run/flows.$PORT.status; cat /run/flows.$PORT; [ \"\$(cat /run/flows.$PORT.status)\" = 0 ]" || status=1
	wait
	over_rdma $PORT "$1" && return $status
}

# Of what has gone through here buffers were made and used again, calls were larger
# than buffers, and nobody has broken the protocol.
counted() {
	both 'smcnl dump stats > /run/stats; cat /run/stats
		for n in TX_RMB_STATS.{ALLOC,REUSE,SIZE_SM,SIZE_SM_PEER}_CNT RX_RMB_STATS.{ALLOC,REUSE}_CNT; do
			grep -q " SMCR.$n=[1-9]" /run/stats || { echo "no $n"; exit 1; }
		done
		! grep -q ATTR /run/stats'
}

data_tests() {
	plan 19
	check "soft-RoCE devices and a common UEID" devices
	check "messages there and back, small" pingpongs 1 2 1000
	check "messages there and back, around 16 KiB" pingpongs 16383 16384 16385
	check "messages there and back, around 64 KiB" pingpongs 65535 65536 65537
	check "messages there and back, around 128 KiB, and 1 MiB" pingpongs 131071 131072 131073 1048576
	check "both directions at once, 8 MiB" flow bulk 8388608
	check "half close: the other direction goes on" flow half 300000
	check "the client resets the connection" flow abort 1000
	check "the server resets the connection" flow rabort 100000
	check "urgent data" flow urgent
	check "peek, wait for all, timeouts, SO_RCVLOWAT" flow peek
	check "splice(2) there and back" flow splice 1000000
	if [ -n "$C_SERVER" ]; then
		skip "tee(2) of what was spliced" "not with the C module"
	else
		check "tee(2) of what was spliced" flow relay 1000000
	fi
	check "sendfile(2)" flow sendfile 2000000
	check "poll(2), and nothing else that waits" flow poll 2000000
	check "cork, queues, what poll(2) says at the end" flow options
	check "a client that is killed" flow kill
	check "20 connections at once" crowd 20
	check "buffers in the statistics" counted
	finish
}
