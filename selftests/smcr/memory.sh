#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The buffers of connections are charged to the memory cgroup of the sockets: the
# client's, and that of the listener, though it is not their threads that allocate them.
#
# hosts: server=smc_rs client=smc_rs
# beside: yes
# limit: 60
. "$SMC_RS_SELFTESTS/lib/lib.sh"

N=48
GROUP=/run/smc_rs.cgroup/payer

payers() {
	both "rxe_up && echo +memory > /run/smc_rs.cgroup/cgroup.subtree_control && mkdir -p $GROUP" &&
		on server "(echo \$BASHPID > $GROUP/cgroup.procs; exec swarm server 43 0 5000 $N) > /run/swarm 2>&1 & wait_listen 5000"
}
hold() {
	on client "(echo \$BASHPID > $GROUP/cgroup.procs
		LD_PRELOAD=$SMC_RS_PROGS/libpreload.so exec hold \$PEER 5000 $N) > /run/held 2>&1 &
		wait_for 20 grep held /run/held || { cat /run/held; exit 1; }"
}
# Bytes that the kernel has on behalf of the group; those of TCP are not among them.
kernel() { on "$1" "sed -n 's/^kernel //p' $GROUP/memory.stat"; }

# As much as that for each connection: a ring to receive, and one to send.
charged() {
	local host before=() now=()
	before=("$(kernel server)" "$(kernel client)")
	hold && now=("$(kernel server)" "$(kernel client)") || return 1
	echo "server: ${before[0]} ${now[0]} client: ${before[1]} ${now[1]}"
	for host in 0 1; do
		[ $((now[host] - before[host])) -ge $((N * 128 * 1024)) ] || return 1
	done
}
let_go() {
	both 'pkill -x hold; pkill swarm; wait_for 20 modules_out' &&
		[ "$(kernel server)" -lt $((N * 64 * 1024)) ] && [ "$(kernel client)" -lt $((N * 64 * 1024)) ] &&
		both "rmdir $GROUP && echo -memory > /run/smc_rs.cgroup/cgroup.subtree_control"
}

plan 3
check "cgroups on both hosts" payers
check "$N connections are charged to them" charged
check "and no more when they are gone" let_go
finish
