#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Routing by policy: which way a connection goes depends on its mark, its user, its
# source address, its port. The proposal in the SYN is made for the RoCE port of that
# way, and what is known of the listener is known for that way. By all other ways there
# is no such host.
#
# The server's address is on VLAN 6. The client's own routes lead to VLAN 5, where
# nobody is; only its rules know better. Soft-RoCE looks for its way by the address and
# interface of the port alone: for that there is a route of a higher metric.
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

THERE=10.97.0.1

vlans() {
	on server 'ip link add link eth0 name eth0.6 type vlan id 6 && ip link set eth0.6 up &&
			ip addr add 10.97.0.1/24 dev eth0.6 &&
			ip neigh replace 10.97.0.2 lladdr $PEER_MAC dev eth0.6 nud permanent' &&
		on client 'for v in 5 6; do
				ip link add link eth0 name eth0.$v type vlan id $v && ip link set eth0.$v up &&
					ip neigh replace 10.97.0.1 lladdr $PEER_MAC dev eth0.$v nud permanent || exit
			done
			ip addr add 10.97.0.2/32 dev eth0.6 && ip addr add 10.97.0.3/32 dev eth0.6 &&
				ip route add 10.97.0.0/24 dev eth0.5 src 10.97.0.2 &&
				ip route add 10.97.0.0/24 dev eth0.6 src 10.97.0.2 metric 500 &&
				ip route add 10.97.0.0/24 dev eth0.6 src 10.97.0.2 table 106' &&
		ready && serve 5000 43 && serve 5001 43
}
rule() { on client "ip rule add $1 table 106"; }
no_rule() { on client 'ip rule del table 106'; }

# way RULE PORT COMMAND: by that rule the command gets there; from the second connection
# on with the proposal in the SYN, on that VLAN, and over RDMA
way() {
	local saved payloads
	saved=$(counted client SAVED) payloads=$(syns 6 "$2")
	rule "$1" && on client "for i in 1 2 3; do $3 || exit; done"
	local status=$?
	no_rule
	[ $status = 0 ] && [ "$(counted client SAVED)" -gt "$saved" ] && [ "$(syns 6 "$2")" -gt "$payloads" ] &&
		[ "$(syns 5 "$2")" = 0 ]
}
# Payloads in SYNs to a port on a VLAN.
syns() {
	wire "vlan.id == $1 && tcp.dstport == $2 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0" tcp.len | wc -l
}

nobody() { on client "timeout 3 nonblock 43 0 $THERE 5000; [ \$? = 124 ]"; }
mark() { way 'fwmark 6' 5000 "nonblock 43 0 $THERE 5000 mark=6"; }
source_address() { way 'from 10.97.0.3' 5000 "nonblock 43 0 $THERE 5000 from=10.97.0.3"; }
user() { way 'uidrange 1006-1006' 5000 "setpriv --reuid 1006 nonblock 43 0 $THERE 5000"; }
port() { way 'ipproto tcp dport 5001' 5001 "nonblock 43 0 $THERE 5001"; }
device() { way 'fwmark 7' 5000 "nonblock 43 0 $THERE 5000 dev=eth0.6"; }
mapped() { way 'fwmark 0' 5000 "nonblock 43 1 ::ffff:$THERE 5000"; }
known_there() {
	local six
	six=$(on client 'cat /sys/class/net/eth0.6/ifindex') && peers client "IF=$six .*PORT=5000 STATE=1" &&
		! peers client "IF=$(on client 'cat /sys/class/net/eth0.5/ifindex') "
}
# By either VLAN the server can be reached now; its answers come by VLAN 6.
both_ways() {
	on server 'ip link add link eth0 name eth0.5 type vlan id 5 && ip link set eth0.5 up &&
			ip addr add 10.96.0.1/24 dev eth0.5' &&
		on client 'sysctl -q -w net.ipv4.conf.{all,eth0/6}.rp_filter=0'
}
# The route is another one for the SYN than for the lookup that the proposal was made by,
# each time: there is no port of the client's before TCP has chosen one. The proposal goes
# the way of the SYN, and RDMA that of the proposal.
other_way() {
	local before saved status
	rule 'prio 200' && on client 'ip rule add prio 100 ipproto tcp sport 1024-65534 table main' &&
		before=$(syns 5 5000) saved=$(counted client SAVED) &&
		on client "stream client 43 0 $THERE 5000 50 20 > /run/many && nonblock 43 0 $THERE 5000" &&
		[ $(($(syns 5 5000) - before)) -ge 49 ] && [ $(($(counted client SAVED) - saved)) -ge 49 ] &&
		counters client BROKEN=0 NOT_SMC=0
	status=$?
	on client 'ip rule del prio 100; ip rule del prio 200'
	return $status
}
gone() {
	on client 'ip link del eth0.5; ip link del eth0.6' && on server 'ip link del eth0.5; ip link del eth0.6' && known 5000
}

# A VRF. Soft-RoCE gets the packets of a VRF only on the VRF's own interface, so the
# RoCE port is there, with an address of its own, and the PNET table tells whose it is.
# That the peer is a neighbour is looked up without the VRF.
vrf() {
	local saved
	saved=$(counted client SAVED)
	on client 'rdma link delete rxe0; ip link add blue type vrf table 101 && ip link set blue up &&
		ip link set eth0 master blue && ip addr add $ADDR/32 dev blue &&
		ip route replace 10.99.0.0/24 dev eth0 src $ADDR table 101 && ip route add 10.99.0.0/24 dev eth0 &&
		ip neigh replace $PEER lladdr $PEER_MAC dev eth0 nud permanent &&
		sysctl -q -w net.ipv4.udp_l3mdev_accept=1 && rdma link add rxe1 type rxe netdev blue &&
		smcnl pnet-add name=BLUE eth=eth0 ib=rxe1 port=1 &&
		wait_for 10 grep -qi :0a63:0002 /sys/class/infiniband/rxe1/ports/1/gids/* &&
		wait_for 10 grep -q ACTIVE /sys/class/infiniband/rxe1/ports/1/state &&
		for i in 1 2 3; do nonblock 43 0 $PEER 5001 dev=blue || exit; done; smcnl dump fback-stats'
	local status=$?
	[ $status = 0 ] && [ "$(counted client SAVED)" -gt "$saved" ]
	status=$?
	on client 'rdma link delete rxe1; ip link set eth0 nomaster; ip link del blue
		sysctl -q -w net.ipv4.udp_l3mdev_accept=0'
	return $status
}

plan 13
check "two VLANs, and a server on one of them" vlans
check "without a rule there is nobody" nobody
check "a mark" mark
check "a source address" source_address
check "a user" user
check "a port" port
check "a device that the application names" device
check "a mapped address of IPv4" mapped
check "the listener is known by that way, and by no other" known_there
check "the server can be reached by either VLAN" both_ways
check "the SYN goes another way than the one that was looked up" other_way
check "the VLANs go, and the other way works" gone
check "a VRF, with a RoCE port" vrf
finish
