#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two hosts whose kernel has all of the series: a proposal is taken from a SYN, before and
# after the static key was off.
#
# hosts: server=smc_rs client=smc_rs
# limit: 240
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

capable() { both 'dmesg | grep "smc_rs: this kernel can have SMC proposals in SYNs"'; }
taken() { ready && serve "$1" 43 && known "$1" && [ "$(syn_payloads "$1")" -ge 1 ]; }
# The key is on as long as there is one with SMC.
off() { both 'pkill -x stream; wait_for 30 modules_out'; }
tcp() { serve 5001 2 && on client 'stream client 2 0 $PEER 5001 3 100'; }
on_again() { both 'module_in smc_rs'; }

plan 6
check "the kernel can, and says so" capable
check "a proposal in a SYN is taken" taken 5000
check "no module: the key is off" off
check "TCP" tcp
check "the module once more" on_again
check "a proposal in a SYN is taken" taken 5002
finish
