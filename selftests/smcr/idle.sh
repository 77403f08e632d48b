#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A link group without connections goes after its time, on both hosts, and the
# next connection makes a new one; with this module and with the C module.
#
# hosts: server=none client=none
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

# How long a server keeps a group, in seconds: longer than it takes to look for it.
KEPT=2 LONGER=7
! on_debug_kernel server || KEPT=6 LONGER=10

groups() { on "$1" 'smcnl dump lgr-smcr | grep -c "CONNS_NUM="'; }
connect() {
	on client "stream client 43 0 \$PEER 5000 1 20000" || return 1
	[ "$(groups server)" -eq 1 ] && [ "$(groups client)" -eq 1 ]
}
start() {
	both "pkill stream; wait_for 30 modules_out" && on server "module_in $1" && on client "module_in $2" && devices &&
		on server "[ $1 != smc_rs ] || sysctl -q -w net.smc.lgr_idle_time=$3
			stream server 43 0 5000 100 > /dev/null & wait_listen 5000" &&
		on client "[ $2 != smc_rs ] || sysctl -q -w net.smc.lgr_idle_time=$4"
}
gone() { both 'wait_for 20 sh -c "! smcnl dump lgr-smcr | grep CONNS_NUM=" || { smcnl dump lgr-smcr; exit 1; }'; }
# Longer than the server keeps it, with a connection open.
kept() {
	on client "stream client 43 0 \$PEER 5000 1 1000 $LONGER" && connect
}

plan 9
check "a group that its server keeps for a while" start smc_rs smc_rs $KEPT 600
check "is there with a connection" connect
check "and goes without" gone
check "the next connection makes a new one, which lives as long as that" eval 'connect && kept'
check "a C client" start smc_rs smc $KEPT 0
check "is told that the group goes" eval 'connect && gone'
check "a C server, and a client that keeps it for less than 1 s" start smc smc_rs 0 0
check "is told as well" eval 'connect && gone'
check "and makes a new one" connect
finish
