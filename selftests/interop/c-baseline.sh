#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The C module on both hosts makes SMC-R connections over soft-RoCE here: the
# wire carries RoCE, and there is a baseline to compare with.
#
# hosts: server=smc client=smc
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"

devices() { both 'rxe_up && smcnl ueid-add SMC-RS-SELFTEST && smcnl dump ueid | grep -qx "ueid EID=SMC-RS-SELFTEST"'; }

# The mode comes from sock_diag while the connection is open: bytes also arrive
# after a fallback to TCP.
smcr() {
	on server 'stream server 43 0 5000 1 > /dev/null & wait_listen 5000' &&
		on client '
			stream client 43 0 $PEER 5000 1 1000000 8 > /run/echo.out &
			wait_for 20 grep connect /run/echo.out || exit 1
			smcnl sockets
			smcnl dump lgr-smcr
			smcnl dump link-smcr
			wait $!' > "$SMC_RS_TEST_OUT/client"
	local status=$?
	cat "$SMC_RS_TEST_OUT/client"
	[ $status -eq 0 ] && grep -q 'MODE=SMCR .*PEER=10.99.0.1:5000 ' "$SMC_RS_TEST_OUT/client"
}

group() { grep -q '^lgr-smcr .*CONNS_NUM=1 ' "$SMC_RS_TEST_OUT/client" && grep -q '^link-smcr .*IB_DEV=rxe0 ' "$SMC_RS_TEST_OUT/client"; }

# As tshark sees it: the SMC option and CLC in TCP, LLC and CDC in RoCE.
clc() { [ "$(wire 'tcp.port == 5000 && smc.clc_msg' smc.clc_msg | grep -c .)" -ge 3 ]; }
# A megabyte each way: none of it may be in TCP segments.
rdma() {
	local tcp_bytes
	wire 'udp.port == 4791 && infiniband' infiniband.bth.opcode | sort | uniq -c | sort -rn
	[ "$(wire 'udp.port == 4791 && infiniband' frame.number | wc -l)" -ge 1000 ] || return 1
	tcp_bytes=$(wire 'tcp.port == 5000' tcp.len | awk '{n += $1} END {print n + 0}')
	echo "$tcp_bytes bytes in TCP"
	[ "$tcp_bytes" -gt 0 ] && [ "$tcp_bytes" -lt 2000 ]
}

plan 5
check "soft-RoCE devices and a common UEID" devices
check "a connection is SMC-R, and its bytes come back right" smcr
check "it is in a link group, on a link over rxe0" group
check "the handshake is CLC in TCP" clc
check "the data are RDMA over UDP port 4791, not in TCP" rdma
finish
