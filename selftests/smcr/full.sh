#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# More connections than a link group may have, coming and going all the time: there is
# another group for them, and it is the server that counts. At the client some more may
# not be at their end yet. Before that, one group that is full, and ends all at once.
#
# hosts: server=smc_rs client=smc_rs
# limit: 200
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# The last word of most of them has to wait for its turn on the link.
at_once() {
	both 'rxe_up' && on server 'datarate server 43 5001 > /run/rate 2>&1 & wait_listen 5001' &&
		on -t 100 client 'datarate idle 43 $PEER 5001 200 300 > /run/idle & wait_for 60 grep idle /run/idle &&
			smcnl dump lgr-smcr | grep CONNS_NUM=200 && pkill datarate' &&
		both 'none() { ! smcnl dump lgr-smcr | grep "CONNS_NUM=[1-9]"; }; wait_for 30 none && rdma link delete rxe0'
}
prepare() {
	both 'rxe_up && sysctl -q -w net.smc.smcr_max_conns_per_lgr=16' &&
		on server 'swarm server 43 0 5000 40 > /run/swarm 2>&1 & wait_listen 5000'
}
work() { on -t 150 client 'swarm client 43 0 $PEER 5000 800 40 100'; }
groups() { on server 'smcnl dump lgr-smcr' | tee /dev/stderr | grep -c CONNS_NUM=; }
several() { [ "$(groups)" -ge 3 ]; }
none_fell_back() { both 'smcnl dump fback-stats | tee /run/fell; [ ! -s /run/fell ]'; }
# An RMB has elements of one size, so that for each size there are others: more than the
# group has connections.
sizes() {
	local size
	for size in 16384 32768 65536 131072 262144; do
		both "sysctl -q -w net.smc.rmem=$size net.smc.wmem=$size"
		on -t 60 client 'swarm client 43 0 $PEER 5000 48 16 100' || return 1
	done
}
# No connection is held by a timer for something that is over.
let_go() { both 'pkill swarm; pkill datarate; wait_for 20 modules_out'; }

plan 8
check "all of two hundred end at once" at_once
check "groups of 16 connections" prepare
check "800 connections, 40 at a time" work
check "in three groups or more" several
check "all over RDMA" none_fell_back
check "rings of several sizes" sizes
check "all over RDMA" none_fell_back
check "nothing is left of them" let_go
finish
