#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Every answer to a proposal in the SYN, to sockets of IPv6 whose peer has a mapped
# address of IPv4: they have operations of their own for it.
#
# hosts: server=smc_rs client=smc_rs
# limit: 240
SMC_RS_MAPPED=1 exec "$SMC_RS_SELFTESTS/smcr/one-rtt-answers.sh"
