#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What the C module does with itself: what the tests of ours are worth.
#
# hosts: server=none client=none
# limit: 1500
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/matrix.sh"
matrix_tests smc smc
