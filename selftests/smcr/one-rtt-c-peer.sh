#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Towards a peer with the C module nothing has changed: no SYN to it has a payload or
# asks for a cookie, all of its own look as they did, and connections have RDMA. Also
# where it stands in the place of a listener that was known to take proposals in SYNs:
# that gets one more, which does no harm.
#
# hosts: server=none client=none
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

# modules SERVER CLIENT PORT
modules() {
	both 'pkill stream; wait_for 30 modules_out; sysctl -q -w net.ipv4.tcp_fastopen=3 && ip tcp_metrics flush' &&
		on server "module_in $1" && on client "module_in $2" && devices && serve "$3" 43
}

# options NAME PORT: which options the SYNs to that port and their answers had, without
# what differs from connection to connection; in NAME
options() {
	wire "tcp.port == $2 && tcp.flags.syn == 1" tcp.flags.ack tcp.len tcp.options |
		tr -d : | sed 's/080a[0-9a-f]\{16\}/080a-/' | sort | uniq > "$SMC_RS_TEST_OUT/$1"
	cat "$SMC_RS_TEST_OUT/$1"
	[ "$(wc -l < "$SMC_RS_TEST_OUT/$1")" = 2 ]
}
same() { diff "$SMC_RS_TEST_OUT/c" "$SMC_RS_TEST_OUT/$1"; }

# A connection to PORT has RDMA, as bytes in TCP tell.
rdma() {
	local before after
	before=$(in_tcp "$1") && on client "stream client 43 0 \$PEER $1 1 20000" && after=$(in_tcp "$1") &&
		echo "$((after - before)) bytes in TCP" && [ $((after - before)) -gt 100 ] && [ $((after - before)) -lt $CLC_BYTES ]
}
in_tcp() { wire "tcp.port == $1" tcp.len | awk '{n += $1} END {print n + 0}'; }
# A C client that has not begun to wait for CONFIRM LINK when it comes has TCP, and goes on.
contact() { rdma "$1" || rdma "$1"; }
four() { rdma "$1" && rdma "$1" && rdma "$1" && rdma "$1"; }

reference() { modules smc smc 5000 && contact 5000 && four 5000 && options c 5000; }
c_server() {
	modules smc smc_rs 5001 && four 5001 && options c-server 5001 && same c-server &&
		counters client SENT=0 NO_COOKIE=0 UNKNOWN=4 && [ -z "$(peers client .)" ]
}
c_client() {
	modules smc_rs smc 5002 && contact 5002 && four 5002 && options c-client 5002 && same c-client && counters server RECEIVED=0
}
# Ours goes, and C comes; the client stays.
known_before() { modules smc_rs smc_rs 5003 && known 5003; }
replaced() {
	on server 'pkill stream; wait_for 30 modules_out; module_in smc && rxe_up && smcnl ueid-add SMCV2-DEFAULT-UEID' &&
		serve 5003 43 || return 1
	local before
	before=$(syn_payloads 5003)
	four 5003 || return 1
	echo "$(($(syn_payloads 5003) - before)) payloads"
	[ $(($(syn_payloads 5003) - before)) -le 1 ]
}
# And back.
learnt_anew() {
	on server 'pkill stream; wait_for 30 modules_out; module_in smc_rs && rxe_up' && serve 5003 43 &&
		sleep 1 && known 5003
}

plan 6
check "two hosts with the C module" reference
check "a C server sees SYNs as from a C client" c_server
check "a C client's SYNs and their answers are what they were" c_client
check "a server of ours is known" known_before
check "a C server in its place gets one payload at most" replaced
check "ours is there again, and learnt anew" learnt_anew
finish
