#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A handshake whose peer is at work on others: the Accept of one connection is lost for
# longer than a CLC message is waited for, while others to the same server come up.
#
# hosts: server=smc_rs client=smc_rs
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

PORT=5000 LOST=5001

prepare() {
	devices && both 'sysctl -q -w net.smc.fastopen=0' && on server "
		for p in $PORT $LOST; do stream server 43 0 \$p 1000 > /dev/null 2>&1 & wait_listen \$p || exit; done" &&
		on client "stream client 43 0 \$PEER $PORT 1 5"
}

# Classic BPF that drops a packet of IPv4, TCP, from the one port, that has 128 bytes or
# more: an Accept has, SYN-ACKs and ACKs have not.
ACCEPTS="10,40 0 0 12,21 0 7 2048,48 0 0 23,21 0 5 6,40 0 0 34,21 0 3 $LOST,40 0 0 16,53 0 1 128,6 0 0 2,6 0 0 0"
lose() {
	on client "tc qdisc add dev eth0 clsact && tc filter add dev eth0 ingress bpf \
		bytecode '1,6 0 0 4294967295' action bpf bytecode '$ACCEPTS'"
}
find_again() { on client 'tc qdisc del dev eth0 clsact'; }

# Both ends wait the same time, the one for the Accept and the other for the Confirm: who is
# first says whether it is a timeout or a reset.
alone() {
	local out
	lose || return 1
	out=$(on -t 30 client "! stream client 43 0 \$PEER $LOST 1 5 2>&1")
	find_again && echo "$out" && grep -iE 'timed out|reset by peer' <<< "$out"
}

# Others go on until it is over, and its Accept is let through after seven seconds: the
# server's TCP sends it again at 12.6 s.
beside_others() {
	lose && on -t 60 client "
		stream client 43 0 \$PEER $LOST 1 5 > /run/late 2>&1 & late=\$!
		until=\$((SECONDS + 7)) end=\$((SECONDS + 40))
		while kill -0 \$late 2> /dev/null && [ \$SECONDS -lt \$end ]; do
			stream client 43 0 \$PEER $PORT 1 5 > /run/other || exit
			[ \$SECONDS -lt \$until ] || tc qdisc del dev eth0 clsact 2> /dev/null
			sleep 0.7
		done
		wait \$late; s=\$?; cat /run/late; exit \$s"
}
rdma() { on client '! smcnl dump fback-stats | grep "CLNT_CNT=[1-9]"'; }

plan 4
check "both hosts are ready, with a link group" prepare
check "one that hears nothing, and whose server is silent, is given up" alone
check "one whose server answers others waits for its turn" beside_others
check "all that came up are over RDMA" rdma
finish
