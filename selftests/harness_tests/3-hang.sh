#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Stops every CPU of the guest with interrupts off.
#
# hosts: server=none
# limit: 10
. "$SMC_RS_SELFTESTS/lib/lib.sh"

plan 1
check "the guest stops" on server '
	insmod $SMC_RS_KDIR/drivers/misc/lkdtm/lkdtm.ko
	for cpu in $(seq $(nproc)); do
		taskset -c $((cpu - 1)) sh -c "sleep 0.5; echo HARDLOCKUP > /sys/kernel/debug/provoke-crash/DIRECT" &
	done
	wait'
finish
