#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an application can do while the SYN with its proposal is lost, or while its own
# host cannot send it: timeouts, signals, shutdown(2), connect(2) to no address, closing.
# Each system call answers as on a socket of TCP in the same situation, and connections
# that come after it work.
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

CASES="timeout signal restart queues writer shutdown half other unspec elsewhere thread expired close kill"
# Of which so many have a connection in the end.
CONNECTIONS=12

# Each connection has a server: some of them wait long for their client.
servers() {
	on server "for p in $1 $2; do swarm server $3 0 \$p 8 > /run/swarm.\$p 2>&1 & wait_listen \$p; done"
}
# A SYN that its own host drops is sent again every half second: the usual six are over
# before a slow host is ready.
prepare() {
	both 'sysctl -q -w net.ipv4.tcp_syn_retries=60' && ready && servers 5000 5001 43 && servers 5002 5003 2 && known 5000 && known 5001
}

# Classic BPF that drops a packet of IPv4, TCP, with SYN and no ACK.
SYNS='9,40 0 0 12,21 0 5 2048,48 0 0 23,21 0 3 6,48 0 0 47,84 0 0 18,21 1 0 2,6 0 0 0,6 0 0 2'
# no_syns HOST ingress|egress
no_syns() {
	on "$1" "tc qdisc add dev eth0 clsact && tc filter add dev eth0 $2 bpf \
		bytecode '1,6 0 0 4294967295' action bpf bytecode '$SYNS'"
}
syns() { on "$1" 'tc qdisc del dev eth0 clsact'; }

# all_out HOST ingress|egress: all cases on both kinds of sockets at once, each with a
# proposal in its SYN if it may have one; what they say is in tcp and smc
all_out() {
	local n before status
	n=$(wc -w <<< "$CASES") before=$(counted client SENT)
	no_syns "$1" "$2" && on -t 100 client "
		rm -f /run/go
		synout 43 0 \$PEER 5000 5001 /run/go $CASES > /run/smc 2> /run/smc.out &
		synout 2 0 \$PEER 5002 5003 /run/go $CASES > /run/tcp 2> /run/tcp.out &
		all() { [ \$(grep -c ^out /run/smc.out) = $n ] && [ \$(grep -c ^out /run/tcp.out) = $n ]; }
		wait_for 60 all || { head -v -n 50 /run/smc.out /run/tcp.out; exit 1; }" &&
		counters client 'SENT=[0-9]+' && [ $(($(counted client SENT) - before)) -ge "$n" ]
	status=$?
	syns "$1"
	on -t 100 client 'touch /run/go; gone() { ! pgrep -x synout; }; wait_for 90 gone; grep -hv ^out /run/tcp.out /run/smc.out'
	on client 'cat /run/tcp' > "$SMC_RS_TEST_OUT/tcp"
	on client 'cat /run/smc' > "$SMC_RS_TEST_OUT/smc"
	[ $status = 0 ] && [ "$(grep -c ': hello$' "$SMC_RS_TEST_OUT/tcp")" -ge $CONNECTIONS ]
}
lost() { all_out server ingress; }
refused() { on client 'smcnl peers-flush' && known 5000 && known 5001 && all_out client egress; }
same() { diff <(grep "^$1:" "$SMC_RS_TEST_OUT/tcp") <(grep "^$1:" "$SMC_RS_TEST_OUT/smc") && grep "^$1:" "$SMC_RS_TEST_OUT/smc"; }
each() { for c in $CASES; do check "$1: $c" same "$c"; done; }

counts() { counters client BROKEN=0 NOT_SMC=0 FAILED=2 'LOST=[1-9][0-9]*' && counters server 'RECEIVED=[1-9][0-9]*'; }

plan $((2 * $(wc -w <<< "$CASES") + 5))
check "servers of SMC that are known, and of TCP" prepare
check "SYNs are lost, those with proposals too" lost
each "SYNs are lost"
check "SYNs are not sent" refused
each "SYNs are not sent"
check "and counted" counts
check "nothing is left of them" idle
finish
