#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# RoCE devices that come and go: a device that is used can be taken away, its
# connections are told, and others have TCP until it is there again.
#
# hosts: server=smc_rs client=smc_rs
# limit: 240
. "$SMC_RS_SELFTESTS/lib/lib.sh"

echo_on() { on server "stream server 43 0 $1 1 > /dev/null 2>&1 & wait_listen $1" && on -t 60 client "stream client 43 0 \$PEER $1 1 100000 2"; }

# Bytes in TCP tell what the connection was.
in_tcp() { wire "tcp.port == $1" tcp.len | awk '{n += $1} END {print n + 0}'; }
over_rdma() {
	echo_on "$1" && [ "$(in_tcp "$1")" -lt 2000 ] && return
	on server 'smcnl dump fback-stats; smcnl dump lgr-smcr; smcnl dump dev-smcr'
	on client 'smcnl dump fback-stats; smcnl dump lgr-smcr; smcnl dump dev-smcr'
	return 1
}
over_tcp() { echo_on "$1" && [ "$(in_tcp "$1")" -ge 200000 ]; }

# A connection that is open and idle while the device of one end goes, which does
# not wait for it; the other end gets to know, by TCP (reset) or by the link group
# (abort), whichever is there first.
taken_away() {
	on server 'stream server 43 0 5003 1 > /run/taken.server 2>&1 & wait_listen 5003' &&
		on client 'stream client 43 0 $PEER 5003 1 1000 600 > /run/taken 2>&1 &
			wait_for 20 grep connect /run/taken' &&
		on -t 20 client 'rdma link delete rxe0 && pgrep -x stream' &&
		on -t 20 server 'wait_for 15 grep -iE "reset|abort" /run/taken.server || { cat /run/taken.server; exit 1; }'
}

# What a port is like is not asked for each connection, but when it has changed: here
# with its interface, between two link groups.
no_groups() { both 'none() { ! smcnl dump lgr-smcr | grep -q CONNS_NUM=; }; wait_for 20 none'; }
mtu_of() { wire "tcp.port == $1 && smc.accept.qp.mtu.value" smc.accept.qp.mtu.value; }
another_mtu() {
	both 'rdma link delete rxe0; rxe_up && sysctl -q -w net.smc.lgr_idle_time=1' &&
		over_rdma 5006 && [ "$(mtu_of 5006)" = 3 ] &&
		no_groups && both 'ip link set eth0 mtu 700' &&
		over_rdma 5007 && [ "$(mtu_of 5007)" = 2 ]
}

# More connections want to send than there are places on a link: the peer ends it, and
# those that wait for their turn have none any more.
crowd() {
	both 'tc qdisc replace dev eth0 root netem delay 100ms limit 100000' &&
		on server 'swarm server 43 0 5008 100 > /run/crowd 2>&1 & wait_listen 5008' &&
		on client 'swarm client 43 0 $PEER 5008 2 1 100 &&
			{ swarm client 43 0 $PEER 5008 1000 100 100 > /run/crowd 2>&1 & } &&
			many() { [ "$(ss -Htan state time-wait "( dport = :5008 )" | wc -l)" -ge 100 ]; } &&
			wait_for 60 many' &&
		on server 'rdma link delete rxe0' &&
		on -t 100 client 'wait_for 90 sh -c "! pgrep swarm"; sort /run/crowd | uniq -c
			grep "^[1-9][0-9]* connections have worked, [1-9][0-9]* have not" /run/crowd'
	local status=$?
	both 'tc qdisc del dev eth0 root'
	on server rxe_up && return $status
}

# The server's address is its GID. Another one that comes and goes is none of a link's
# business; when the link's own goes the connection is told.
another_address() {
	on server 'stream server 43 0 5010 1 > /run/held 2>&1 & wait_listen 5010' &&
		on client 'stream client 43 0 $PEER 5010 1 1000 600 > /run/held 2>&1 & wait_for 20 grep connect /run/held' &&
		on server 'has() { grep -q ffff:0a63:004d /sys/class/infiniband/rxe0/ports/1/gids/?; } && hasnt() { ! has; } &&
			ip addr add 10.99.0.77/24 dev eth0 && wait_for 5 has && ip addr del 10.99.0.77/24 dev eth0 &&
			wait_for 5 hasnt && sleep 0.5 && smcnl dump lgr-smcr | grep CONNS_NUM=1 && pgrep -x stream'
}
own_address() {
	on server 'ip addr del $ADDR/24 dev eth0; wait_for 10 grep -i abort /run/held; s=$?; cat /run/held
		ip addr add $ADDR/24 dev eth0; ip neigh replace $PEER lladdr $PEER_MAC dev eth0 nud permanent; exit $s' &&
		on --console server | grep "the address of its link has gone"
}

plan 12
check "without a device a connection is TCP" over_tcp 5001
check "devices come" both 'rxe_up'
check "with devices it is RDMA" over_rdma 5002
check "a device goes though a connection is open, which ends" taken_away
check "then there is TCP" over_tcp 5004
check "the device is back, and so is RDMA" eval 'on client rxe_up && over_rdma 5005'
check "a device goes while a crowd waits to send" crowd
check "then there is RDMA again" over_rdma 5009
check "an MTU of the interface is one of the port" another_mtu
check "another address comes and goes, and a link does not" another_address
check "the link's own address goes: its connection is told" own_address
check "when it is back there is RDMA again" over_rdma 5011
finish
