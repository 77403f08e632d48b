#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A good test after bad ones has a good guest.
#
# hosts: server=smc_rs client=none
. "$SMC_RS_SELFTESTS/lib/lib.sh"

plan 2
check "its module is loaded" on server loaded smc_rs
check "the hosts reach each other" on client 'ping -q -c 2 -i 0.2 $PEER'
finish
