#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bytes in all ways over RDMA.
#
# hosts: server=smc client=smc_rs
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
C_HOST=1 C_SERVER=1
data_tests
