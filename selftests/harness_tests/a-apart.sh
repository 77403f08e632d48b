#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Its guest has half of the CPUs, and no other.
#
# hosts: server=none
# apart: yes
# limit: 30
. "$SMC_RS_SELFTESTS/lib/lib.sh"

emulator() { pgrep -f "qemu-system.*local.path=$SMC_RS_SOCKETS/server,"; }
has_half() {
	python3 - "$(emulator)" <<-'END'
		import os, sys
		cpus = sorted(os.sched_getaffinity(0))
		half = set(cpus[:len(cpus) // 2] or cpus)
		threads = os.listdir(f"/proc/{sys.argv[1]}/task")
		others = [t for t in threads if os.sched_getaffinity(int(t)) != half]
		print(f"{len(threads)} threads, {half}, not so: {others}")
		sys.exit(len(threads) < 2 or bool(others))
	END
}

plan 2
check "the guest answers" on server true
check "each of its threads has half of the CPUs" has_half
finish
