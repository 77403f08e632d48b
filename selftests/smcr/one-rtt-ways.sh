#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Proposals in SYNs by whatever way the connection goes: mapped addresses, devices and
# VRFs that the application names, policy routes; and what is lost on that way.
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

N=500

prepare() {
	ready && serve 5000 43 &&
		on server 'stream server 43 1 5006 1000 > /dev/null 2>&1 & wait_listen 5006' &&
		talk 5000 && talk 5000 && talk 5000 && counters client TAKEN=1
}
mapped() { on client 'stream client 43 1 ::ffff:10.99.0.1 5000 1 100' && counters client TAKEN=2; }
# SMC-R is over IPv4.
ipv6() { on client 'stream client 43 1 $PEER6 5006 2 100' && counters client SENT=2 UNKNOWN=1; }
device() { on client 'nonblock 43 0 $PEER 5000 dev=eth0' && counters client TAKEN=3; }
# The rule is about the type of service, which only this socket has.
policy() {
	on client 'ip route add 10.99.0.0/24 dev eth0 table 100 && ip rule add tos 0x10 table 100 &&
		nonblock 43 0 $PEER 5000 tos=16' && counters client TAKEN=4
}
# no_way COMMAND: connect() says the same as on a socket of TCP
no_way() {
	on client "$1; for f in 2 43; do nonblock \$f 0 \$PEER 5000 tos=16 2>&1; done | sort | uniq -c |
		tee /dev/stderr | grep '^ *2 connect: [1-9]'"
}
unreachable() {
	no_way 'ip route replace unreachable 10.99.0.0/24 table 100' &&
		no_way 'ip route replace prohibit 10.99.0.0/24 table 100' &&
		on client 'ip rule del tos 0x10 table 100' && counters client SENT=4
}
# Its sockets are of IPv6, and so are those of its connections.
listener_of_ipv6() { known 5006 && on client 'nonblock 43 1 ::ffff:$PEER 5006' && [ "$(syn_payloads 5006)" -ge 2 ]; }
# Soft-RoCE knows nothing of VRFs: what is asked for is that the bytes come back.
vrf() {
	on client 'ip link add blue type vrf table 101 && ip link set blue up && ip link set eth0 master blue &&
		ip route replace 10.99.0.0/24 dev eth0 table 101 &&
		ip neigh replace $PEER lladdr $PEER_MAC dev eth0 nud permanent &&
		nonblock 43 0 $PEER 5000 dev=blue && nonblock 43 0 $PEER 5000 dev=blue'
	local status=$?
	on client 'ip link set eth0 nomaster; ip link del blue'
	return $status
}
# One SYN in fifty does not arrive: classic BPF that says so of a packet of IPv4, TCP,
# with SYN and no ACK, when the random number wants it.
LOSSY='12,40 0 0 12,21 0 8 2048,48 0 0 23,21 0 6 6,48 0 0 47,84 0 0 18,21 0 3 2,32 0 0 4294963256,148 0 0 50,21 1 0 0,6 0 0 0,6 0 0 2'
loss() {
	on server "tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress bpf \
			bytecode '1,6 0 0 4294967295' action bpf bytecode '$LOSSY'" &&
		on -t 200 client "stream client 43 0 \$PEER 5000 $N 20 > /run/many"
	local status=$?
	on server 'tc -s filter show dev eth0 ingress | grep dropped; tc qdisc del dev eth0 clsact'
	[ $status = 0 ] && counters client 'LOST=[1-9][0-9]*' 'BROKEN=0' 'NOT_SMC=0'
}
nothing_left() {
	on server 'wait_for 20 sh -c "! ss -Htan state all | grep -v LISTEN | grep -v TIME-WAIT | grep :5000" &&
		smcnl dump lgr-smcr' | tee /dev/stderr | grep -c 'CONNS_NUM=0' | grep -x 1
}

plan 11
check "a server that is known" prepare
check "an address of IPv4 in one of IPv6" mapped
check "IPv6: TCP, without a proposal" ipv6
check "a device that the application names" device
check "a route by policy" policy
check "no way there: the errors of TCP" unreachable
check "$N connections, of whose SYNs two in a hundred are lost" loss
check "nothing is left of them" nothing_left
check "and all is as before" talk 5000
check "a listener of IPv6, by IPv4" listener_of_ipv6
check "a VRF" vrf
finish
