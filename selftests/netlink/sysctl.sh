#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# net.smc.*: the numbers that the C module has, for each namespace.  Those that it
# does not have are left out.
#
# hosts: server=none
# limit: 300
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/netlink/lib.bash"

sysctls='
	cd /proc/sys/net/smc
	ls() { command ls -I lgr_idle_time -I "fastopen*"; }
	stat -c "%n %a %U" $(ls)
	for f in $(ls); do
		cat $f
		for v in -1 0 1 2 3 15 16 255 256 16383 16384 1073741823 1073741824 2147483648 \
			 4294967296 x; do
			{ echo $v > $f; } 2>/dev/null || echo refused
			read -r now < $f; echo "$f $v: $now"
		done
	done'

sysctls_netns="
	echo 32768 > /proc/sys/net/smc/wmem
	$NETNS 'mount -t proc proc /proc; cd /proc/sys/net/smc; f=\$(ls -I lgr_idle_time -I \"fastopen*\"); grep . \$f; stat -c \"%n %a %U\" \$f
		echo 65537 > rmem; cat rmem'
	cat /proc/sys/net/smc/rmem
	$NOBODY sh -c 'echo 32769 > /proc/sys/net/smc/wmem' 2>&1 | grep -o Permission.*
	unshare --user --map-root-user --net --mount --pid --fork sh -c \
		'mount -t proc proc /proc; echo 32770 > /proc/sys/net/smc/wmem; cat /proc/sys/net/smc/wmem'
	cat /proc/sys/net/smc/wmem"

own='
	cd /proc/sys/net/smc
	for v in -1 0 1 2 3 4; do { echo $v > fastopen; } 2>/dev/null || echo refused; cat fastopen; done
	for v in -1 0 65536 65537; do
		{ echo $v > fastopen_peers; } 2>/dev/null || echo refused; cat fastopen_peers
	done'
OWN="refused 3 0 1 2 3 refused 3 refused 1024 0 65536 refused 65536"
own() { on server "module_in smc_rs" && [ "$(on server "$own" | tr '\n' ' ')" = "$OWN " ]; }

plan 3
check "names, modes, values, ranges" same "$sysctls"
check "of another namespace, and who may write" same "$sysctls_netns"
check "this module's own" own
finish
