#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A firewall that drops SYNs with the SMC option, or with that of Fast Open: connections
# work, without SMC in the one case and over RDMA in the other, and those that come after
# them lose no time. A host that is down gets what it gets from TCP, and teaches nothing.
# What is remembered of link-local addresses is so for their link.
#
# hosts: server=smc_rs client=smc_rs
# limit: 200
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"
. "$SMC_RS_SELFTESTS/smcr/lost-options.bash"

DOWN=10.99.0.9
PORTS="5000 5001 5002 5003 5004"

# The connections to the host that is down go on until they are looked at.
prepare() {
	ready && on server 'for p in 5000 5001 5004; do stream server 43 0 $p 1000 > /dev/null 2>&1 & done
		for p in 5002 5003; do stream server 43 1 $p 1000 > /dev/null 2>&1 & done
		for p in 5000 5001 5002 5003 5004; do wait_listen $p; done' &&
		on client "sysctl -q -w net.ipv4.tcp_syn_retries=2 net.ipv4.tcp_syn_linear_timeouts=2 &&
			ip neigh replace $DOWN lladdr \$PEER_MAC dev eth0 nud permanent
			stream client 43 0 $DOWN 5000 1 100 > /run/down.smc 2>&1 &
			stream client 2 0 $DOWN 5001 1 100 > /run/down.tcp 2>&1 &
			stream client 43 0 \$PEER 5004 3 100" && counters client TAKEN=1
}

# One of each kind; 5003 is one of IPv6, which there is no way over RDMA for, 5004 has its
# proposal in the SYN.
connections() {
	on client '
		stream client 43 0 $PEER 5000 1 100 & pids=$!
		nonblock 43 0 $PEER 5001 & pids+=" $!"
		stream client 43 1 ::ffff:$PEER 5002 1 100 & pids+=" $!"
		stream client 43 1 $PEER6 5003 1 100 & pids+=" $!"
		stream client 43 0 $PEER 5004 1 100 & pids+=" $!"
		for pid in $pids; do wait $pid || exit; done'
}
dropped() {
	local port
	drop_smc && connections && counters client OPTION_LOST=5 LEFT_OUT=0 SENT=2 LOST=1 && watch || return 1
	for port in $PORTS; do
		echo "port $port: $(syns "^$port.*$OPTION") of $(syns "^$port") SYNs with the option"
		[ "$(syns "^$port.10.99.0.1.*$OPTION|^$port..0204.*$OPTION")" -ge 2 ] || return
		[ "$(syns "^$port.10.99.0.1|^$port..0204")" -gt "$(syns "^$port.10.99.0.1.*$OPTION|^$port..0204.*$OPTION")" ] || return
	done
	# The one with its proposal in the SYN was known before.
	! clc '5000|5001|5002|5003'
}
tcp() { [ "$(fallbacks client)" = 5 ] && [ "$(fallbacks server)" = 5 ]; }
learnt() {
	[ "$(peers client 'PORT=500[0-4] STATE=3 LEFT=[0-9]+ .*OPTIONS_LOST=1( |$)' | wc -l)" = 5 ]
}
again() {
	local options
	options=$(syns "$OPTION")
	connections && watch && counters client OPTION_LOST=5 LEFT_OUT=5 && [ "$(syns "$OPTION")" = "$options" ]
}
down() {
	on client 'wait_for 40 grep out /run/down.smc && wait_for 40 grep out /run/down.tcp && cmp /run/down.smc /run/down.tcp' &&
		! peers client "ADDR=$DOWN" && watch || return 1
	echo "$(syns "^5000.$DOWN") SYNs, $(syns "^5000.$DOWN.*$OPTION") with the option, $(syns "^5001.$DOWN") of TCP"
	[ "$(syns "^5000.$DOWN")" = "$(syns "^5001.$DOWN")" ] && [ "$(syns "^5001.$DOWN")" -ge 4 ]
}
tried_again() {
	pass server && on client 'smcnl peers-flush' && talk 5000 && talk 5000 && talk 5004 &&
		[ "$(fallbacks client)" = 10 ] && ! peers client STATE=3
}
# Where only requests for cookies are dropped they are left out in the end, and SMC stays.
no_fastopen() {
	on client 'ip tcp_metrics flush' && drop_fastopen && on client 'stream client 43 0 $PEER 5000 3 100' &&
		counters client LOST=3 SUSPENDED=1 && peers client 'PORT=5000 STATE=2 LEFT=[0-9]+ FAILURES=1$' &&
		[ "$(fallbacks client)" = 10 ] && watch && [ "$(syns "^5000.*2202.*$OPTION")" = 2 ]
}
# What destroys a socket ends its connect(2), as TCP's, also when its SYN had its proposal
# first and no option in the end.
destroyed() {
	local sent failed
	pass server && known 5004 && sent=$(counted client SENT) failed=$(counted client FAILED) &&
		drop server "$SYN and tcp dst port 5004" && on -t 90 client '
			for f in 43 2; do
				stream client $f 0 $PEER 5004 1 100 > /run/destroyed.$f 2>&1 & pid=$!
				# Nothing follows window scaling: a header of 40 bytes.
				timeout 40 tcpdump -i eth0 -c 1 "tcp dst port 5004 and tcp[tcpflags] = tcp-syn and tcp[12] & 0xf0 = 0xa0" &&
					ss -HtK dport = :5004 || exit
				over() { ! kill -0 $pid; }
				wait_for 15 over || { ss -Htn dport = :5004; exit 1; }
			done 2> /dev/null
			cat /run/destroyed.43
			grep abort /run/destroyed.2 && cmp /run/destroyed.43 /run/destroyed.2' &&
		counters client "SENT=$((sent + 1))" "FAILED=$((failed + 1))" && pass server && known 5004
}

# By VLAN 5 and by VLAN 6 there is a host with the same address, and only on the way to the
# one SYNs with the option are dropped.
vlans() {
	both 'for v in 5 6; do
			ip link add link eth0 name eth0.$v type vlan id $v && ip link set eth0.$v addrgenmode none up &&
				ip addr add fe80${ADDR6#fd99}/64 dev eth0.$v nodad &&
				ip neigh replace fe80${PEER6#fd99} lladdr $PEER_MAC dev eth0.$v nud permanent || exit
		done' && on server 'ip addr add fd96::1/64 dev eth0.5 nodad' &&
		on client 'ip addr add fd96::2/64 dev eth0.5 nodad &&
			ip neigh replace fd96::1 lladdr $PEER_MAC dev eth0.5 nud permanent'
}
# learns ADDR: one connection, from which something is learnt
learns() {
	local lost
	lost=$(counted client OPTION_LOST)
	on client "stream client 43 1 $1 5003 1 100" && counters client "OPTION_LOST=$((lost + 1))"
}
# leaves_out N COMMAND: its connections work, and so many of them do without the option
leaves_out() {
	local lost out
	lost=$(counted client OPTION_LOST) out=$(counted client LEFT_OUT)
	on client "$2" && counters client "OPTION_LOST=$lost" "LEFT_OUT=$((out + $1))"
}
link_local() {
	local five
	five=$(on client 'cat /sys/class/net/eth0.5/ifindex') && DEVICE=eth0.5 drop_smc &&
		learns fe80::1%eth0.5 && peers client "IF=$five ADDR=fe80::1 PORT=5003 STATE=3 " &&
		leaves_out 0 'stream client 43 1 fe80::1%eth0.6 5003 1 100' &&
		leaves_out 2 'stream client 43 1 fe80::1%eth0.5 5003 1 100 && nonblock 43 1 fe80::1 5003 dev=eth0.5'
}
# An address that is not one of a link's is the same by whatever way.
global() {
	learns fd96::1 && peers client 'IF=0 ADDR=fd96::1 PORT=5003 STATE=3 ' &&
		leaves_out 1 'nonblock 43 1 fd96::1 5003 dev=eth0.5' && both 'ip link del eth0.5; ip link del eth0.6'
}

plan 13
check "servers, of which one is known" prepare
check "SYNs with the SMC option are dropped: connections work" dropped
check "they are TCP's, at both ends" tcp
check "that is remembered" learnt
check "the next connections do not try it" again
check "a host that is down has got as many SYNs as from TCP, and is not remembered" down
check "what was remembered is flushed: SMC" tried_again
check "SYNs that ask for cookies are dropped: SMC, soon without asking" no_fastopen
check "a socket that is destroyed then: the error of TCP" destroyed
check "two VLANs, with the same addresses" vlans
check "the addresses of a link: each link has its own memory" link_local
check "other addresses have one" global
check "nothing is left of them" idle
finish
