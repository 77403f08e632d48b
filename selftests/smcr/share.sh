#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link is one queue: a connection that has much to send, and rings of a megabyte, does
# not put all of it in front of what others send. How many bytes do messages wait for
# that are sent there and back beside it: their time, by the rate of the other. Many
# connections do not put all of theirs there either, where they are slow. And a reader
# says more seldom what it has read where others send, too: its host's messages are
# counted. Of a stream on a slow wire it says so at the end of each half of the ring.
#
# hosts: server=smc_rs client=smc_rs
# limit: 150
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

RING=1048576
# A message finds half of a ring before it where nobody has a share, and 128 KiB with one.
MOST=$((RING / 3))
# It is the wire that all of it waits for, and not a slow host.
MBIT=10 STREAM_MS=2000
! on_debug_kernel server || MBIT=2 STREAM_MS=10000

prepare() {
	devices && both "sysctl -q -w net.smc.rmem=$RING net.smc.wmem=$RING
		tc qdisc replace dev eth0 root netem rate ${MBIT}mbit limit 100000" &&
		on server "datarate server 43 5000 > /run/datarate.log 2>&1 & wait_listen 5000" &&
		on client "datarate pingpong 43 \$PEER 5000 100 100"
}
# beside PORT STREAMS MOST: how long a message takes, by the rate at which frames leave
# meanwhile.
beside() {
	local us bytes start end
	read -r us bytes start end < <(on -t 60 client "
		sent() { cat /sys/class/net/eth0/statistics/tx_bytes; }
		datarate bulk 43 \$PEER $1 $2 65536 60000 & bulk=\$!
		sleep 4
		before=\$(sent) start=\$EPOCHREALTIME
		us=\$(datarate pingpong 43 \$PEER $1 100 5000)
		echo \$us \$((\$(sent) - before)) \$start \$EPOCHREALTIME
		kill \$bulk")
	awk -v us="$us" -v bytes="$bytes" -v time="$(awk "BEGIN {print $end - $start}")" -v most="$3" -v least=$((MBIT * 50000)) 'BEGIN {
		rate = bytes / time
		printf "'"$2 streams: "'%.0f bytes/s leave, a message there and back takes the time of %.0f\n", rate, rate * us / 1e6
		exit !(us > 0 && rate > least && rate * us / 1e6 < most)
	}' | tee -a "$SMC_RS_TEST_OUT/figures"
	return "${PIPESTATUS[0]}"
}
large_rings() {
	on client "datarate idle 43 \$PEER 5000 1 2 > /run/idle & wait_for 20 grep idle /run/idle
		smcnl sockets | tee /dev/stderr | grep -q 'MODE=SMCR .* SNDBUF=$RING RMBE=$RING PEER_RMBE=$RING '"
}
TURNS=40 SMALL_RING=65536
# Their rings are more than twice as much as a message may find before it.
STREAMS=24 MOST_OF_MANY=$((STREAMS * SMALL_RING * 2 / 5))
small_rings() {
	# The connection that was killed has things to send until it is over; and soft-RoCE
	# takes a frame that goes with the queue of its own host for the end of the link.
	both "none() { ! smcnl dump lgr-smcr | grep 'CONNS_NUM=[1-9]'; }
		wait_for 60 none && sysctl -q -w net.smc.rmem=$SMALL_RING net.smc.wmem=$SMALL_RING" &&
		on server "for port in 5001 5002; do datarate server 43 \$port > /run/datarate.log 2>&1 & wait_listen \$port; done"
}
SENDS=/sys/class/infiniband/rxe0/ports/1/hw_counters/rdma_sends
# Messages of the server while a connection has its turns, without those of the other.
messages() {
	local before
	before=$(on server "cat $SENDS") &&
		on -t 60 client "datarate turns 43 \$PEER 5001 $((SMALL_RING - 4096)) $TURNS $1" &&
		echo $(($(on server "cat $SENDS") - before - $1 * TURNS))
}
# All of the ring is read at a time: in four steps where nobody else sends, and it is said
# after two of these; in one where somebody does.
seldom() {
	local alone shared
	both "none() { ! smcnl dump lgr-smcr | grep 'CONNS_NUM=[1-9]'; }
		wait_for 60 none && tc qdisc del dev eth0 root" &&
		alone=$(messages 0) && shared=$(messages 1) || {
		echo "$alone $shared"
		return 1
	}
	echo "messages for $TURNS rings, with their answers: $alone alone, $shared beside others" |
		tee "$SMC_RS_TEST_OUT/figures"
	[ "$alone" -ge $((TURNS * 3)) ] && [ "$shared" -ge $((TURNS * 2)) ] && [ "$shared" -lt $((TURNS * 5 / 2)) ]
}
# A ring takes ten milliseconds of this wire, or more: one half of it is read and reported
# while the other one is on its way.
slow_wire() {
	local before mbit
	both "tc qdisc replace dev eth0 root netem rate 50mbit limit 100000" &&
		before=$(on server "cat $SENDS") &&
		mbit=$(on -t 60 client "datarate bulk 43 \$PEER 5001 1 $SMALL_RING $STREAM_MS") || return 1
	awk -v mbit="$mbit" -v ms=$STREAM_MS -v ring=$SMALL_RING -v sends=$(($(on server "cat $SENDS") - before)) 'BEGIN {
		rings = mbit * ms * 1000 / 8 / ring
		printf "%.1f Mbit/s, %.2f reports for a ring\n", mbit, sends / rings
		exit !(rings > 20 && sends > 1.5 * rings && sends < 2.5 * rings)
	}' | tee "$SMC_RS_TEST_OUT/figures"
	return "${PIPESTATUS[0]}"
}
all_rdma() {
	both '! smcnl dump fback-stats | grep "CNT=[1-9]"' &&
		[ "$(on client 'smcnl dump lgr-smcr' | grep -c '^lgr-smcr ')" = 1 ]
}

plan 8
check "devices, a slow wire, rings of a megabyte" prepare
check "connections have such rings" large_rings
told "messages beside a connection that never stops" beside 5000 1 $MOST
check "rings of 64 KiB" small_rings
told "messages beside $STREAMS of them" beside 5002 $STREAMS $MOST_OF_MANY
told "what has been read is said more seldom beside others" seldom
told "what has been read of a stream on a slow wire is said twice for each ring" slow_wire
check "in one link group, and none over TCP" all_rdma
finish
