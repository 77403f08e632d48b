#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Bytes in all ways over RDMA.
#
# hosts: server=smc_rs client=smc_rs
# limit: 900
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
data_tests
