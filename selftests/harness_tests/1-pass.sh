#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What a good test looks like to the harness.
#
# hosts: server=none
. "$SMC_RS_SELFTESTS/lib/lib.sh"

plan 2
check "a command in the guest" on server '[ "$(hostname)" = server ]'
skip "a case that cannot run here" "to be counted as skipped"
finish
