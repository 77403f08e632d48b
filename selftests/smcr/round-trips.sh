#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How many round trips a connection takes, and how many frames: between two hosts
# with this module, and with the C module on either.  A delay of the wire makes a
# round trip so long that what the hosts compute in it does not count: an emulated
# one takes a third of a second for the queue pairs of a first contact.
#
# hosts: server=none client=none
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

# So long that what a slow host does in between does not matter. On a link that is
# there, that is little; and where the C module is, which sends again what has no
# acknowledgement within 134 ms, what matters would wait for what is sent again.
FIRST_MS=600 LATER_MS=600 C_MS=120 SLACK=0.9
# Of many messages some take some milliseconds more. Each one that a C module sends twice
# is a risk: soft-RoCE may receive nothing more after it, and what is sent to it has no
# acknowledgement until the link is given up.
MANY_MS=100
! on_debug_kernel server || SLACK=1.9
BYTES=5
# The C module asks about the keys of so many, two round trips each, before the last of
# them comes to its turn: longer than the 6 s that each end waits for a message.
MANY=50

# modules SERVER CLIENT
modules() {
	both "pkill 'stream|swarm'; wait_for 30 modules_out" && on server "module_in $1" && on client "module_in $2" && devices &&
		on server "
			stream server 43 0 5000 1000 > /dev/null 2>&1 &
			swarm server 43 0 5001 $MANY > /dev/null 2>&1 &
			wait_listen 5000 && wait_listen 5001"
}
delay() { both "tc qdisc replace dev eth0 root netem delay $(($1 / 2))ms limit 10000"; }
# Not before the last frames have left: soft-RoCE takes one that goes with the queue of its
# own host for the end of the link. A C client takes its key back after a connection.
no_delay() { sleep 1; both "tc qdisc del dev eth0 root"; }

# trips RTT CONNECT FIRST [N]: of a connection, in round trips: until connect(2) has
# returned, and until the first byte is back; of N the fastest, since the machine may be
# slow.
trips() {
	local out
	delay "$1" || return 1
	out=$(on -t 60 client "stream client 43 0 \$PEER 5000 ${4:-1} $BYTES") || { echo "$out"; return 1; }
	out=$(grep ^connect <<< "$out" | sort -n -k 2 | head -n 1)
	echo "$out" | awk -v slack=$SLACK -v rtt=$(($1 * 1000)) -v connect="$2" -v first="$3" '
		function near(x, n) { return x >= n * 0.99 && x < n + slack }
		{ c = $2 / rtt; f = $4 / rtt
		  printf "connect %.2f round trips, first byte %.2f; expected %d, %d\n", c, f, connect, first
		  ok = near(c, connect) && near(f, first) }
		END { exit !ok }' | tee -a "$SMC_RS_TEST_OUT/figures"
	[ "${PIPESTATUS[1]}" -eq 0 ]
}

# frames MOST: of one connection, on a link group that is there; each is listed.
# What belongs to no connection (tests of the link) does not come so soon; what TCP
# repeats since an emulated host is slower than it expects is left out.
frames() {
	local before port list=$SMC_RS_TEST_OUT/frames-$1
	before=$(wire frame frame.number | tail -n 1)
	on client "stream client 43 0 \$PEER 5000 1 $BYTES" && sleep 2 || return 1
	port=$(wire "frame.number > ${before:-0} && tcp.dstport == 5000 && tcp.flags.syn == 1" tcp.srcport | head -n 1)
	wire "frame.number > ${before:-0} && (udp.port == 4791 ||
		tcp.port == ${port:-0} && !tcp.analysis.retransmission && !tcp.analysis.duplicate_ack)" \
		frame.number ip.src _ws.col.Protocol _ws.col.Info > "$list"
	cat "$list"
	echo "$(wc -l < "$list") frames"
	grep -q RRoCE "$list" || { echo "no RDMA"; return 1; }
	[ "$(wc -l < "$list")" -le "$1" ]
}

count() { on "$1" 'smcnl dump stats' | sed -n "s/.* SMCR\.$2=\([0-9]*\).*/\1/p"; }
# Many at once, all of which have RDMA, though the last ones have to wait.
many() {
	local n before
	before=$(count server SRV_V2_SUCC)
	delay "$MANY_MS" && n=$(date +%s%N) && on -t 100 client "swarm client 43 0 \$PEER 5001 $MANY $MANY 100" || return 1
	n=$((($(date +%s%N) - n) / 1000000)) before=$(($(count server SRV_V2_SUCC) - before))
	echo "$MANY at once: $before over RDMA, in $n ms" | tee -a "$SMC_RS_TEST_OUT/figures"
	no_delay && [ "$before" -eq $MANY ] && [ $n -gt 7000 ]
}

# As many, for which one group is not enough, towards a server or client with the C
# module, which comes to the first contact of the second one when those in the first have
# their keys: none of them is lost, and who has waited too long has TCP.
more() {
	local n
	modules "$1" "$2" && both 'sysctl -q -w net.smc.smcr_max_conns_per_lgr=32' &&
		on client "stream client 43 0 \$PEER 5000 1 $BYTES" && delay "$MANY_MS" &&
		on -t 100 client "swarm client 43 0 \$PEER 5001 $MANY $MANY 100"
	n=$?
	echo "over RDMA: $(count server SRV_V2_SUCC); $(on server 'smcnl dump fback-stats')" | tee -a "$SMC_RS_TEST_OUT/figures"
	no_delay && [ $n -eq 0 ] && [ "$(count server SRV_V2_SUCC)" -gt 33 ]
}

# role SERVER CLIENT FIRST_CONTACT LATER FRAMES
role() {
	local later=$LATER_MS
	[ "$1" = smc_rs ] && [ "$2" = smc_rs ] || later=$C_MS
	check "server $1, client $2" modules "$1" "$2"
	told "$1, $2: the first connection has its link group in $3 round trips" trips "$FIRST_MS" "$3" $(($3 + 1))
	told "$1, $2: a later one takes $4" trips "$later" "$4" $(($4 + 1)) 4
	check "$1, $2: and no more than $5 frames" eval "no_delay && sleep 1 && frames $5"
}

plan 16
role smc_rs smc_rs 3 2 24
role smc smc_rs 3 3 40
told "a C server comes to the last of $MANY after its time" many
told "nor does it lose one where they take two groups" more smc smc_rs
role smc_rs smc 3 3 40
told "a C client does" many
told "nor does that lose one" more smc_rs smc
finish
