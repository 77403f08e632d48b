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
		# Both from memory, and static: starting a program is what takes long here.
		cp $SMC_RS_MODULE /run/smc_rs.ko && cp "$(command -v busybox)" /run/busybox || exit 1
		for ((i = 0; i < 200; i++)); do
			/run/busybox insmod /run/smc_rs.ko || { echo "insmod $i"; exit 1; }
			((i % 20)) || sockets 43 1 0 2 1 256 10 1 256 || exit 1
			/run/busybox rmmod smc_rs || { echo "rmmod $i"; exit 1; }
		done
		after=$(state)
		diff <(echo "$before") <(echo "$after")'
}

plan 1
check "200 times in and out, with sockets in between" many
finish
