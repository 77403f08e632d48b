#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A peer that breaks the rules of SMC-R, in one way after the other: the host goes
# on, the connection or the link group ends with a reason where it must, nothing is
# left of it, and others go on all the while.
#
# hosts: server=smc_rs client=smc_rs
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/hostile.sh"

hostile_prepare
SCENARIOS=$(hostile_scenarios)
plan $(($(wc -l <<< "$SCENARIOS") + 4))
check "a program that sends back what it gets" hostile_listen
hostile_run "$SCENARIOS"
check "nothing is left of their groups" hostile_nothing_left
check "others have had RDMA all the while" hostile_others
check "the module can be unloaded" hostile_unload
finish
