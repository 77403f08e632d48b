#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Loading and unloading leaves nothing behind, however often: no splat and no
# leak (the harness looks for both), no slab, no reference.
#
# hosts: server=none
# kernel: debug
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"

many() {
	on -t 100 server '
		slabs() { awk "/SMC|^(TCP|sock_inode_cache) /{print \$1, \$3}" /proc/slabinfo | grep SMC; }
		state() { slabs; cat /proc/net/protocols | awk "{print \$1, \$7}"; lsmod | sort; }
		module_in smc_rs && modules_out
		before=$(state)
		cp $SMC_RS_MODULE /run/smc_rs.ko && reload /run/smc_rs.ko smc_rs 200 || exit 1
		after=$(state)
		diff <(echo "$before") <(echo "$after")'
}

plan 1
check "200 times in and out, with sockets in between" many
finish
