#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The data path between two hosts with the C module: what the tests of ours are
# worth.
#
# hosts: server=smc client=smc
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
C_HOST=1 C_SERVER=1
data_tests
