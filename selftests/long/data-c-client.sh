#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bytes in all ways over RDMA.
#
# hosts: server=smc_rs client=smc
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
C_HOST=1
data_tests
