#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What this module does with a server that has the C module.
#
# hosts: server=none client=none
# limit: 1500
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/matrix.sh"
matrix_tests smc smc_rs
