# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for scripts that run in a guest; `on HOST CMD` has them all.

case ${SMC_RS_HOST:-} in
server) ADDR=10.99.0.1 ADDR6=fd99::1 PEER=10.99.0.2 PEER6=fd99::2 PEER_MAC=02:53:4d:43:00:02 ;;
client) ADDR=10.99.0.2 ADDR6=fd99::2 PEER=10.99.0.1 PEER6=fd99::1 PEER_MAC=02:53:4d:43:00:01 ;;
esac
export ADDR ADDR6 PEER PEER6

mounted() { [[ $(</proc/mounts) == *" $1 "* ]]; }

# Once, before the first test.
guest_setup() {
	mounted /sys/kernel/debug || mount -t debugfs none /sys/kernel/debug
	mounted /sys/kernel/tracing || mount -t tracefs none /sys/kernel/tracing
	mkdir -p /run/smc_rs.cgroup
	mount -t cgroup2 none /run/smc_rs.cgroup
	mkdir -p /run/smc_rs.cgroup/test
	mkfifo /run/smc_rs.nap
	ip link set lo up
	# Nothing has changed them so far.
	: > /run/settings
	guest_reset
	settings > /run/settings
}

# What tests change of the network's settings, each as FILE:VALUE.
settings() {
	(cd /proc/sys/net && grep -H . core/somaxconn core/netdev_max_backlog ipv4/tcp_* \
		ipv4/ip_local_port_range ipv4/conf/{all,eth0}/rp_filter)
}

# Gives them the values that they had at first.
settings_back() {
	local file value now
	while IFS=: read -r file value; do
		read -r now < "/proc/sys/net/$file"
		[ "$now" = "$value" ] || echo "$value" > "/proc/sys/net/$file" || echo "cannot restore $file"
	done < /run/settings
}

# Ends every process that a test has started; they hold sockets, and so the
# module.
guest_end_test() {
	local populated
	echo 1 > /run/smc_rs.cgroup/test/cgroup.kill
	for _ in {1..50}; do
		read -r _ populated < /run/smc_rs.cgroup/test/cgroup.events
		[ "$populated" != 0 ] || return 0
		nap 0.1
	done
	echo "processes of the test do not end:"
	cat /run/smc_rs.cgroup/test/cgroup.procs
	return 1
}

# The state that each test starts from: nothing loaded, a bare wire.  With few
# programs: it is there twice for each test, and each costs what a test's own does.
guest_reset() {
	local device
	modules_out || { lsmod; return 1; }
	settings_back
	for device in /sys/class/infiniband/rxe*; do
		[ ! -e "$device" ] || rdma link delete "${device##*/}"
	done
	tc qdisc del dev eth0 root 2>/dev/null
	tc qdisc del dev eth0 clsact 2>/dev/null
	echo 0 > /proc/sys/net/ipv6/conf/eth0/accept_dad
	echo 0 > /proc/sys/net/ipv6/conf/eth0/router_solicitations
	# The metrics are cookies of Fast Open, for one.  No ARP or ND in the middle of
	# what a test counts.
	ip -batch - <<-END
		tcp_metrics flush
		link set eth0 down
		addr flush dev eth0
		link set eth0 mtu 1500 up
		addr add $ADDR/24 dev eth0
		addr add $ADDR6/64 dev eth0 nodad
		neigh replace $PEER lladdr $PEER_MAC dev eth0 nud permanent
		neigh replace $PEER6 lladdr $PEER_MAC dev eth0 nud permanent
	END
}

# One that is built in has a folder there as well, but no state.
loaded() { [ -e "/sys/module/$1/initstate" ]; }

# ended NAME...: ends the programs of these names, if there are any
ended() {
	local name
	for name; do pkill -x "$name"; done
	true
}

# modules_out: unloads any SMC module; fails if one does not go.
modules_out() {
	local m
	for m in smc_diag smc smc_rs; do
		! loaded $m || rmmod $m || return 1
	done
}

# module_in smc|smc_rs|none: loads that SMC module (and its diag).
module_in() {
	modules_out || return 1
	case $1 in
	smc)    insmod "$SMC_RS_KDIR/net/smc/smc.ko" && insmod "$SMC_RS_KDIR/net/smc/smc_diag.ko" ;;
	smc_rs) insmod "$SMC_RS_MODULE" ;;
	none)   ;;
	*)      echo "no such SMC module: $1"; return 1 ;;
	esac
}

# A soft-RoCE device on the wire.
rxe_up() { [ -e /sys/class/infiniband/rxe0 ] || rdma link add rxe0 type rxe netdev eth0; }

# nap SECONDS: sleep(1) without a program
nap() { ! read -rt "$1" <> /run/smc_rs.nap; }

# wait_for SECONDS COMMAND...: until it succeeds
wait_for() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || { echo "waited in vain for: $*"; return 1; }
		nap 0.1
	done
}

# wait_listen PORT: until a server listens there; an SMC server's TCP socket does.
# The kernel lists those that listen first.
listening() {
	local port file address state
	printf -v port %04X "$1"
	for file in /proc/net/tcp /proc/net/tcp6; do
		{
			read -r _
			while read -r _ address _ state _ && [ "$state" = 0A ]; do
				[ "${address##*:}" != "$port" ] || return 0
			done
		} < $file
	done
	return 1
}
wait_listen() { wait_for 20 listening "$1"; }

# kernel_memory: KiB that are not free, nor a cache, nor the programs'
kernel_memory() {
	# What is dropped is free only a little later.
	for _ in 1 2; do echo 3 > /proc/sys/vm/drop_caches && nap 0.4; done
	awk '/^MemTotal:/ {n = $2}
	     /^(MemFree|Buffers|Cached|AnonPages|PageTables|KernelStack):/ {n -= $2}
	     $1 == "count:" {n -= 4 * $2}
	     END {print n}' /proc/meminfo /proc/zoneinfo
}

# What one can count on to be free at first sight.
leak_clear() { [ ! -e /sys/kernel/debug/kmemleak ] || echo clear > /sys/kernel/debug/kmemleak; }

# Prints what kmemleak reports.  An object counts once it is five seconds old
# and two scans have not found a pointer to it.
leak_report() {
	[ -e /sys/kernel/debug/kmemleak ] || return 0
	sleep 5
	echo scan > /sys/kernel/debug/kmemleak
	echo scan > /sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak
}
