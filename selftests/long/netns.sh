#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Network namespaces that share a RoCE port, and that end: with connections that are
# open, with bytes on their way, with connections that come and go, and with a listener.
# To the other host each is a peer of its own. Its link groups end with it, at both
# hosts, and nobody else's.
#
# Soft-RoCE is in the first namespace only. The others have their TCP by way of the
# first, and the PNET table says that their interface is on the network of the RoCE port.
# The end of that interface in the first namespace goes with the other one, when that
# has really gone.
#
# What is known of listeners, and whether proposals go with SYNs, is each namespace's own.
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

# In a guest: a namespace NAME with the addresses NET.1 in the first one and NET.2, and
# its end.
GUEST='
gone() { ! ip link show $1; }
begins() {
	ip netns add $1 && ip link add $1 type veth peer name eth netns $1 &&
		ip link set $1 up && ip addr add $2.1/24 dev $1 &&
		ip -n $1 link set lo up && ip -n $1 addr add $2.2/24 dev eth && ip -n $1 link set eth up &&
		ip -n $1 route add default via $2.1 && ip netns exec $1 smcnl pnet-add name=WIRE eth=eth
}
# Everybody is killed, and nobody waited for.
ends() {
	ip netns pids $1 | xargs -r kill -9
	ip netns del $1 && wait_for 40 gone $1 || { ps ax; cat /proc/net/dev; return 1; }
}
'
in_guest() { on -t "${3:-60}" "$1" "$GUEST$2"; }
BLUE='blue 10.95.0' RED='red 10.94.0' GREEN='green 10.93.0'

prepare() {
	both 'rxe_up && smcnl pnet-add name=WIRE ib=rxe0 port=1 && sysctl -q -w net.ipv4.ip_forward=1' &&
		on client 'ip route replace 10.93.0.0/24 via $PEER dev eth0' &&
		on server 'ip route replace 10.95.0.0/24 via $PEER dev eth0; ip route replace 10.94.0.0/24 via $PEER dev eth0
			stream server 43 0 5000 100000 > /run/stream 2>&1 & swarm server 43 0 5001 20 > /run/swarm 2>&1 &
			wait_listen 5000 && wait_listen 5001'
}
enter() { in_guest client "begins $1"; }
leave() { in_guest "$1" "ends $2"; }

# rdma NAME: a connection out of the namespace, and what it is
rdma() {
	on client "ip netns exec $1 "'stream client 43 0 $PEER 5000 1 1000 3 > /run/rdma 2>&1 &
		wait_for 20 grep connect /run/rdma && ip netns exec '"$1"' smcnl sockets; wait $!; cat /run/rdma' | tee /dev/stderr |
		grep -q "MODE=SMCR LOCAL=$2.2:.* PEER=10.99.0.1:5000 "
}
# groups N: that many link groups are left at either host
groups() {
	both "are() { [ \$(smcnl dump lgr-smcr | grep -c CONNS_NUM=) = $1 ]; }; wait_for 20 are || { smcnl dump lgr-smcr; exit 1; }"
}
# told HOST ADDR: no connection with the namespace is left there. One that waits for the
# last ACK gets none from a namespace that has gone, as with any TCP.
told() {
	on "$1" "over() { ! smcnl sockets | grep 'PEER=$2:' && ! ss -Htan 'dst $2' | grep -vE 'TIME-WAIT|LISTEN|LAST-ACK'; }
		wait_for 30 over || { smcnl sockets; ss -Htan 'dst $2'; exit 1; }"
}

# Twenty that wait to be read, of which the server is told that they have ended.
open() {
	on client 'for i in {1..20}; do ip netns exec blue stream client 43 0 $PEER 5001 1 1000 -1000 > /run/open.$i 2>&1 & done
		held() { [ $(cat /run/open.* | grep -c connect) = 20 ]; }
		wait_for 40 held && ip netns exec blue smcnl sockets > /run/sockets
		[ $(grep -c MODE=SMCR /run/sockets) = 20 ] || { cat /run/open.* /run/sockets; exit 1; }' &&
		leave client blue && told server 10.95.0.2 && groups 0
}

# long NAME PORT: a connection that does not come to an end by itself
long() {
	on server "stream server 43 0 $2 1 > /run/long.$2 2>&1 & wait_listen $2" &&
		on client "ip netns exec $1 stream client 43 0 \$PEER $2 1 1000000000000 > /run/long.$2 2>&1 &
			up() { ip netns exec $1 smcnl sockets | grep ':$2 ' | grep 'STATE=1 MODE=SMCR'; }
			wait_for 20 up" && goes_on "$1" "$2"
}
# goes_on NAME PORT: such a connection is up, and its ring turns
goes_on() {
	on client "rx() { ip netns exec $1 smcnl dump stats | sed -n 's/.*SMCR.RX_BYTES=\([0-9]*\).*/\1/p'; }
		before=\$(rx)
		on() { [ \"\$(rx)\" -gt \$((before + 1000000)) ]; }
		wait_for 20 on && ip netns exec $1 smcnl sockets | grep ':$2 ' | grep 'STATE=1 MODE=SMCR'"
}
two() { enter "$BLUE" && long blue 5002 && enter "$RED" && long red 5003 && goes_on blue 5002 && groups 2; }
# Bytes are on their way.
one_of_two() {
	leave client blue && told server 10.95.0.2 &&
		on server 'wait_for 20 sh -c "! pgrep -xf \"stream server 43 0 5002 1\""' &&
		groups 1 && goes_on red 5003 && leave client red && told server 10.94.0.2 && groups 0
}

# At any moment of connections that come and go.
busy() {
	in_guest client '
		for i in {1..8}; do
			begins '"$BLUE"' || exit
			ip netns exec blue swarm client 43 0 $PEER 5001 100000 16 100 > /run/busy 2>&1 &
			sleep 1.$((i * 13 % 10))
			ip netns exec blue smcnl dump stats | grep -o "CLNT_V2_SUCC=[0-9]*"
			ends blue || exit
		done' 200 | tee /dev/stderr | grep -c 'SUCC=[1-9]' | grep -qx 8 && told server 10.95.0.2 && groups 0
}

# The way from the RoCE port to the client's is the first namespace's: the other one has
# no address and no route of the port's.
listener() {
	in_guest server "begins $GREEN"' || exit
		! ip -n green addr | grep $ADDR && ! ip -n green route | grep $PEER || exit
		ip netns exec green stream server 43 0 5004 1 > /run/green 2>&1 & wait_for 20 grep listening /run/green' &&
		on client 'stream client 43 0 10.93.0.2 5004 1 1000000000000 > /run/green 2>&1 &
			up() { smcnl sockets | grep "STATE=1 MODE=SMCR .* PEER=10.93.0.2:5004 "; }
			wait_for 20 up || { cat /run/green; smcnl sockets; exit 1; }' && groups 1 &&
		leave server green && told client 10.93.0.2 && groups 0
}

# Two namespaces, of which one may not put proposals into SYNs for now.
three() { on client "for i in 1 2 3; do ip netns exec $1 stream client 43 0 \$PEER 5000 1 100 || exit; done"; }
# has NAME PEERS COUNTER...: so many listeners it knows, and this it has counted
has() {
	local name=$1 peers=$2 line c
	shift 2
	line=$(on client "ip netns exec $name smcnl dump fastopen")
	echo "$name: $line"
	[ "$(on client "ip netns exec $name smcnl dump peers" | tee /dev/stderr | grep -c 'PORT=5000 STATE=1')" = "$peers" ] || return
	for c; do
		grep -qw "$c" <<< "$line" || return
	done
}
# payloads NET: in SYNs from there
payloads() { wire "ip.src == $1.2 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0" tcp.len | wc -l; }
switch() { on client "ip netns exec $1 sysctl -q -w net.smc.fastopen=$2"; }
apart() {
	on server 'sysctl -q -w net.ipv4.tcp_fastopen=3' && on client 'smcnl peers-flush' &&
		enter "$BLUE" && enter "$RED" && switch red 2 &&
		on client 'for n in "" "ip netns exec blue"; do [ "$($n sysctl -n net.smc.fastopen)" = 3 ] || exit; done' &&
		three red && three blue && has red 0 UNKNOWN=0 NO_COOKIE=0 SENT=0 && has blue 1 UNKNOWN=1 NO_COOKIE=1 TAKEN=1 &&
		[ "$(payloads 10.94.0)" = 0 ] && [ "$(payloads 10.95.0)" = 1 ]
}
own() {
	switch red 1 && switch blue 0 && three red && three blue && has red 1 UNKNOWN=1 NO_COOKIE=1 TAKEN=1 &&
		has blue 1 TAKEN=1 && [ "$(payloads 10.94.0)" = 1 ] && [ "$(payloads 10.95.0)" = 1 ] &&
		on client '[ -z "$(smcnl dump peers)" ] && ip netns exec blue smcnl peers-flush' &&
		has blue 0 && has red 1 && three red && has red 1 UNKNOWN=1 NO_COOKIE=1 TAKEN=4
	local status=$?
	leave client blue && leave client red && told server 10.95.0.2 && told server 10.94.0.2 && groups 0 && return $status
}

gone() {
	both 'sysctl -q -w net.ipv4.ip_forward=0'
	both 'pkill -x "stream|swarm"; quiet() { ! smcnl dump lgr-smcr | grep "CONNS_NUM=[1-9]" && ! smcnl sockets | grep .; }
		wait_for 30 quiet || { smcnl dump lgr-smcr; smcnl sockets; exit 1; }' &&
		both 'wait_for 30 modules_out'
}

plan 10
check "a namespace beside the first one" prepare
check "its connections have RDMA" eval 'enter "$BLUE" && rdma $BLUE'
check "it ends with twenty that are open" open
check "of two at a time both have RDMA" two
check "one of them ends, and nothing of the other one" one_of_two
check "eight more end while connections come and go" busy
check "one with a listener ends" listener
check "of two that connect to a listener one remembers it, the other may not" apart
check "each has its memory, its switch, its cookies and its counters" own
check "nothing is left" gone
finish
