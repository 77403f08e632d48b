#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Its case passes, but a module leaks meanwhile.
#
# hosts: server=none
# kernel: debug
. "$SMC_RS_SELFTESTS/lib/lib.sh"

plan 1
check "loads and unloads a module that leaks" on server '
	insmod $SMC_RS_KDIR/samples/kmemleak/kmemleak-test.ko && rmmod kmemleak-test'
finish
