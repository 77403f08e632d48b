#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Proposals in SYNs where there are too many of something: handshakes under way at a
# listener that limits them, connections whose third packet has not come, connections
# that were closed a moment ago and have the same ports (TIME_WAIT).
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

# The silent ones live in 10.98.0.0/16.
prepare() {
	ready && on server 'ip route replace 10.98.0.0/16 via $PEER dev eth0 &&
		sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
			net.smc.limit_smc_hs=1 net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=4096' &&
		serve 5000 43 && known 5000
}

# That a connection to PORT has RDMA.
rdma() {
	on client "stream client 43 0 \$PEER $1 1 100 3 > /run/rdma & wait_for 10 grep connect /run/rdma
		smcnl sockets | tee /dev/stderr | grep -q 'MODE=SMCR .*PEER=10.99.0.1:$1 '; s=\$?; wait \$!; exit \$s"
}

# As many say nothing as the listener has handshakes at a time: the next SYN's proposal is
# not taken, and the connection is TCP's; as is one whose SYN has none.
congested() {
	on client 'halfopen eth0 10.98.0.1 02:53:4d:43:00:02 $PEER $PEER_MAC 5000 256 64 > /run/halfopen &
		wait_for 20 grep established /run/halfopen && sleep 0.5 && stream client 43 0 $PEER 5000 2 100; s=$?
		cat /run/halfopen; exit $s' | tee /dev/stderr | grep -x 'established 256 with_option 256' &&
		counters client NOT_SMC=1 SUSPENDED=1 BROKEN=0 &&
		on server 'smcnl dump fback-stats'
}
# What the server has said to both of them.
offered_none() {
	[ "$(wire 'ip.dst == 10.99.0.2 && tcp.srcport == 5000 && tcp.flags.syn == 1 && !(tcp.options contains e2:d4:c3:d9)' tcp.len | wc -l)" = 3 ]
}
over() {
	on client 'wait_for 20 grep -x "ended 256" /run/halfopen' && rdma 5000 &&
		counters client SUSPENDED=2
}

# Two connections of a listener at a time may have taken the payload of a SYN and wait for
# the third packet: a third one waits for the proposal to come once more.
proposal() { wire 'tcp.dstport == 5000 && tcp.len > 50 && tcp.flags.syn == 1' tcp.payload | head -n 1; }
cookie() {
	wire 'tcp.srcport == 5001 && tcp.flags.syn == 1' tcp.options | tr -d : |
		sed -n 's/.*220a\([0-9a-f]\{16\}\).*/\1/p' | tail -n 1
}
queue() {
	local cookie payload bytes
	on server 'sysctl -q -w net.core.somaxconn=2 net.ipv4.tcp_synack_retries=1' && serve 5001 43 &&
		on client 'synraw ask eth0 10.98.0.1 20000 $PEER $PEER_MAC 5001 smc ask' || return 1
	cookie=$(cookie) payload=$(proposal)
	bytes=$((${#payload} / 2))
	[ ${#cookie} = 16 ] && [ $bytes -gt 50 ] && on client "
		ask() { synraw ask eth0 10.98.0.1 \$1 \$PEER \$PEER_MAC 5001 smc cookie=$cookie data=$payload quiet; }
		ask 20001 > /run/ask1 & ask 20002 > /run/ask2 & sleep 0.5; ask 20003 > /run/ask3; wait
		grep . /run/ask?
		grep -q 'acked=$bytes smc=1' /run/ask1 && grep -q 'acked=$bytes smc=1' /run/ask2 &&
			grep -q 'acked=0 smc=1' /run/ask3"
}
queue_over() {
	on server 'wait_for 30 sh -c "! ss -Htan | grep 10.98" && sysctl -q -w net.ipv4.tcp_synack_retries=5' &&
		rdma 5001
}

# ports FIRST LAST: the client's connections have these
ports() { on client "sysctl -q -w net.ipv4.ip_local_port_range='$1 $2' net.ipv4.tcp_tw_reuse=1"; }

# reused PORT N: among the SYNs to that port N have payload and came from a port that
# another had come from.
reused() {
	wire "tcp.dstport == $1 && tcp.flags.syn == 1 && tcp.flags.ack == 0" tcp.srcport tcp.len |
		awk -v want="$2" '$2 > 0 && seen[$1] { n++ } { seen[$1] = 1 }
			END { print n + 0 " proposals from ports that were used before"; exit n < want }'
}
crowd() { on server "swarm server 43 0 $1 4 $2 > /run/swarm.$1 2>&1 & wait_listen $1"; }
swarm() { on -t 120 client "swarm client 43 0 \$PEER $1 $2 4 100"; }

# The client closes first: eight ports, each free again after a second.
client_waits() {
	crowd 5002 && known 5002 && ports 40000 40007 && swarm 5002 64 && reused 5002 40 &&
		on client 'ss -Htan state time-wait | grep -q :4000'
}
# The server does: one port is enough, and each SYN meets what is left of the one before.
server_waits() {
	crowd 5003 100 && known 5003 && ports 40100 40100 && swarm 5003 100 && reused 5003 80 &&
		on server 'ss -Htan state time-wait | grep -q :40100'
}
nothing_left() {
	on client 'sysctl -q -w net.ipv4.ip_local_port_range="32768 60999" net.ipv4.tcp_tw_reuse=2'
	on server 'sysctl -q -w net.core.somaxconn=4096'
	counters client BROKEN=0 NOT_SMC=1 && idle
}

plan 9
check "a listener that limits handshakes is known" prepare
check "256 of them are under way: TCP, whatever the SYN has" congested
check "to which the server has not offered SMC" offered_none
check "when they are over there is RDMA again" over
check "a full queue: the third proposal is not taken out of its SYN" queue
check "when it is empty there is RDMA again" queue_over
check "ports in TIME_WAIT at the client" client_waits
check "a port in TIME_WAIT at the server" server_waits
check "nothing is left of them" nothing_left
finish
