#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Its case passes, but the kernel warns meanwhile.
#
# hosts: server=none
. "$SMC_RS_SELFTESTS/lib/lib.sh"

plan 1
check "provokes a warning" on server '
	insmod $SMC_RS_KDIR/drivers/misc/lkdtm/lkdtm.ko
	echo WARNING > /sys/kernel/debug/provoke-crash/DIRECT'
finish
