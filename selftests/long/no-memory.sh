#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory runs out at every point of a connection's life: calls fail as TCP's do,
# nothing is lost and nothing is stuck.
#
# hosts: server=none
# kernel: debug
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# run MODULE VARIANT
run() {
	local log=$SMC_RS_TEST_OUT/$2 status
	on -t 110 server "module_in $1 && API_LIMIT=100 api_fault -v $2" > "$log" 2>&1
	status=$?
	cat "$log"
	! grep -q '# SKIP' <(grep each_in_turn "$log") && return $status
}

# With the sockets of the test gone nobody holds the module.
unloads() { on server 'wait_for 20 modules_out'; }

plan 6
check "TCP" run none tcp
for v in smc smc_client smc_server ipproto; do
	check "$v" run smc_rs $v
done
check "and the module can be unloaded" unloads
finish
