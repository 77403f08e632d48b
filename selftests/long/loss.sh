#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ten thousand connections whose proposals are in their SYNs, sixteen at a time, on a
# wire that loses one frame in a hundred in each direction: of TCP's handshake, of SMC's,
# of RDMA. Each works and gets its own bytes back, and nothing is left of any.
#
# hosts: server=smc_rs client=smc_rs
# limit: 900
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

N=10000 AT_ONCE=16 BYTES=300
! on_debug_kernel client || N=2000

prepare() {
	ready && on server "sysctl -q -w net.core.somaxconn=4096
		swarm server 43 0 5000 $AT_ONCE > /run/swarm.5000 2>&1 & wait_listen 5000" && known 5000
}
lossy() { both 'tc qdisc replace dev eth0 root netem loss 1% limit 10000'; }
all() {
	on -t 800 client "time swarm client 43 0 \$PEER 5000 $N $AT_ONCE $BYTES"
	local status=$? host
	for host in server client; do
		on $host 'tc -s qdisc show dev eth0 | sed -n "s/.*dropped \([0-9]*\).*/\1/p"; tc qdisc del dev eth0 root' \
			> "$SMC_RS_TEST_OUT/dropped-$host"
	done
	return $status
}
# A connection has five frames each way at least.
dropped() { for host in server client; do [ "$(cat "$SMC_RS_TEST_OUT/dropped-$host")" -ge $((N / 20)) ] || return; done; }
# What was lost and what was saved, in the log of a good test as well.
tell() {
	echo "# $(cat "$SMC_RS_TEST_OUT/dropped-client") frames of the client and $(cat "$SMC_RS_TEST_OUT/dropped-server") of the server were lost"
	on client 'smcnl dump fastopen' | sed 's/^/# /'
	echo "# $(counted client SAVED) of $N saved a round trip, $(counted client LOST) SYNs with proposals were lost"
}
# One SYN in a hundred is lost, and a listener is not suspended for what happens by chance.
saved() { counters client NOT_SMC=0 && [ "$(counted client SAVED)" -ge $((N * 3 / 4)) ]; }

plan 8
check "a server that is known" prepare
check "both ends lose one frame in a hundred" lossy
check "$N connections work" all
tell
check "of whose frames some were lost" dropped
check "each was over RDMA" rdma_alone
check "most of them have saved a round trip" saved
check "nothing is left of them" idle
check "and all is as before" talk 5000
finish
