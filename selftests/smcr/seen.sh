#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What smc-tools show of link groups, links, devices and connections over RDMA: as
# with the C module in the same situation, but for the numbers that a host chooses.
#
# hosts: server=none client=none
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

# Two connections in a group of one link, as ours has.
connect_all() {
	both "pkill stream; wait_for 30 modules_out; module_in $1 && sysctl -q -w net.smc.smcr_max_links_per_lgr=1" && devices &&
		on server 'stream server 43 0 5000 1 > /dev/null & stream server 43 0 5001 1 > /dev/null &
			wait_listen 5000; wait_listen 5001' &&
		on client '
			stream client 43 0 $PEER 5000 1 1000 60 > /run/seen0 & wait_for 20 grep connect /run/seen0 || exit 1
			stream client 43 0 $PEER 5001 1 1000 60 > /run/seen1 & wait_for 20 grep connect /run/seen1'
}

# The C module may drop CONFIRM LINK, and has TCP then (protocol.rst): that is not what
# is compared. Ours has one try.
c_connects() {
	local i
	for i in 1 2 3; do
		connect_all smc && [ "$(on server 'smcnl sockets | grep -c "STATE=1 MODE=SMCR"')" = 2 ] && return
	done
	return 1
}

# An IPv6 socket with the IPv4 address of a host that has a device: the C module has
# TCP for it.
mapped() {
	both "pkill stream; wait_for 30 modules_out; module_in smc_rs" && devices &&
		on server 'stream server 43 1 5002 1 > /dev/null & wait_listen 5002' &&
		on client 'stream client 43 1 ::ffff:$PEER 5002 1 1000 60 > /run/mapped & wait_for 20 grep connect /run/mapped
			smcnl sockets' > "$SMC_RS_TEST_OUT/mapped"
	cat "$SMC_RS_TEST_OUT/mapped"
	both 'pkill stream; wait_for 30 modules_out'
	grep -q 'MODE=SMCR LOCAL=::ffff:10.99.0.2:.* PEER=::ffff:10.99.0.1:5002 ' "$SMC_RS_TEST_OUT/mapped"
}

# Numbers that a host chooses become whether there are any.  Only the C module has an
# ISM device; ours has RMBs of several elements.
neat='sed -E "s/(10\.99\.0\.2):[0-9]{5}/\1:PORT/g; s/ (IS_ISM_V2|SEID)=[^ ]*//g; s/\b(INODE|QPN|PEER_QPN|LINK_ID|CONN_ID|ID|LINK_UID|PEER_LINK_UID|TOKEN|UID|PEER_UID|RMB_ALLOC)=[0-9a-fx]*[1-9a-f][0-9a-f]*/\1=N/g"'

collect() {
	local dir=$SMC_RS_TEST_OUT/$1 d host
	mkdir -p "$dir"
	if [ "$1" = smc ]; then c_connects; else connect_all "$1"; fi || return 1
	for host in server client; do
		for d in sys-info lgr-smcr link-smcr dev-smcr stats fback-stats; do
			on $host "smcnl dump $d | $neat" > "$dir/$host-$d" || return 1
		done
		on $host "smcnl sockets | $neat | sort" > "$dir/$host-sockets" || return 1
	done
	both 'pkill stream; wait_for 30 modules_out'
}

same() {
	local dir=$SMC_RS_TEST_OUT host
	for host in server client; do
		echo "$host:"
		diff "$dir/smc/$host-$1" "$dir/smc_rs/$host-$1" || return 1
		[ -s "$dir/smc/$host-$1" ] || return 1
	done
}

plan 9
check "two connections with the C module" collect smc
check "two connections with this one" collect smc_rs
check "the system" same sys-info
check "link groups" same lgr-smcr
check "links" same link-smcr
check "devices" same dev-smcr
check "connections" same sockets
check "counters" same stats
check "a v4-mapped address" mapped
finish
