#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A server with SMC that was known to take proposals in SYNs, and in its place, or
# beside it, one of TCP that has Fast Open: its application reads what the client's
# application wrote, and nothing else.
#
# hosts: server=smc_rs client=smc_rs
# limit: 180
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

slow_wire

# Ports of which each has one connection whose proposal goes astray, its round trips counted
TCP_NOW="5010 5011 5012" NO_SMC_NOW="5013 5014 5015"
servers() { on server "for p in $*; do stream server $FAMILY 0 \$p 100 > /dev/null & done; for p in $*; do wait_listen \$p; done"; }

known() {
	ready && FAMILY=43 servers $TCP_NOW $NO_SMC_NOW && rtts_each 43 '$PEER' $TCP_NOW $NO_SMC_NOW && serve 5000 43 && serve 5001 43 && serve 5004 43 && serve 5005 43 &&
		talk 5000 && talk 5001 && talk 5004 && talk 5005 &&
		talk 5000 && talk 5001 && counters client TAKEN=1
}
replace() {
	on server 'pkill -x stream; sleep 0.5; sysctl -q -w net.ipv4.tcp_fastopen=0x403' &&
		FAMILY=2 servers $TCP_NOW $NO_SMC_NOW && serve 5000 2 && serve 5001 2 && serve 5002 2 && serve 5004 2 && serve 5005 2
}
# The server echoes what it reads, and the client compares.
blocking() { talk 5000 && counters client SENT=2 NOT_SMC=1 && [ "$(syn_payloads 5000)" = 1 ]; }
nonblocking() { on client 'nonblock 43 0 $PEER 5001' && counters client SENT=3 NOT_SMC=2; }
# Their socket is one of IPv6, with operations of its own for such an address.
mapped() {
	on client 'nonblock 43 1 ::ffff:$PEER 5004 && stream client 43 1 ::ffff:$PEER 5005 1 100' &&
		counters client SENT=5 NOT_SMC=4
}
again() {
	talk 5000 && talk 5001 && on client 'stream client 43 1 ::ffff:$PEER 5005 1 100' &&
		counters client SENT=5 SUSPENDED=3
}
beside() { talk 5002 && counters client SENT=5; }
# On the sockets of others no code of ours runs.
applications_own() {
	on client 'stream fastopen 2 0 $PEER 5002 > /dev/null && stream fastopen 2 0 $PEER 5002 | grep "in the SYN" &&
		stream fastopen 43 0 $PEER 5002 | grep "in the SYN"'
}
# astray PORT...: a round trip more than TCP has, and not another one
astray() {
	local not_smc status
	not_smc=$(counted client NOT_SMC)
	delay && rtts_each 2 '$PEER' $1 $1 $1 && within 1.00 1.25 2.00 2.40 &&
		rtts_each 43 '$PEER' "$@" && within 2.00 2.60 3.00 3.70
	status=$?
	no_delay
	[ $status = 0 ] && counters client "NOT_SMC=$((not_smc + $#))"
}
no_rdma() { on server 'rmmod smc_rs 2> /dev/null; rdma link delete rxe0; modules_out' && talk 5002; }
# From a port of its choice.
bound() {
	on server 'module_in smc_rs && rxe_up' && on server 'sysctl -q -w net.ipv4.tcp_fastopen=3' &&
		serve 5003 43 && talk 5003 && on client 'nonblock 43 0 $PEER 5003 bind=5999' &&
		counters client PORT_BOUND=1
}
refused() {
	talk 5003 && counters client SENT=12 && on server 'pkill -x stream; sleep 0.5' &&
		! talk 5003 && counters client FAILED=1 && peers client 'PORT=5003 STATE=0'
}
# What went wrong for many that were under way together went wrong once.
together() {
	local not_smc
	not_smc=$(counted client NOT_SMC)
	serve 5006 43 && talk 5006 && talk 5006 &&
		on server 'pkill -x stream; sleep 0.5; swarm server 2 0 5006 20 > /run/swarm.replaced 2>&1 & wait_listen 5006' &&
		on client 'tc qdisc replace dev eth0 root netem delay 300ms && swarm client 43 0 $PEER 5006 20 20 100' &&
		[ "$(counted client NOT_SMC)" -ge $((not_smc + 6)) ] && peers client 'PORT=5006 STATE=2 LEFT=[0-9]+ FAILURES=1$'
	local status=$?
	on client 'tc qdisc del dev eth0 root'
	return $status
}

plan 14
check "a server of SMC is known, on four ports" known
check "it is replaced by servers of TCP" replace
check "a connection works, after one round trip more" blocking
check "and one that is not waited for, without a sign of that" nonblocking
check "the same with mapped addresses of IPv4" mapped
check "the next ones know" again
check "another port has nothing to do with it" beside
check "an application's own Fast Open is what it was" applications_own
told "a round trip more than TCP has, and not another one" astray $TCP_NOW
check "the server has no SMC any more" no_rdma
told "a round trip more than TCP has there too" astray $NO_SMC_NOW
check "no payload from a port that the application has chosen" bound
check "a server that has gone: refused, and forgotten" refused
check "one that was replaced while many connect" together
finish
