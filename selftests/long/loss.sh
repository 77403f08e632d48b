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
. "$SMC_RS_SELFTESTS/smcr/lost-options.bash"

N=10000 AT_ONCE=16 BYTES=300
! on_debug_kernel client || N=2000

prepare() {
	ready && on server "sysctl -q -w net.core.somaxconn=4096
		swarm server 43 0 5000 $AT_ONCE > /run/swarm.5000 2>&1 & wait_listen 5000" && known 5000
}
lossy() { both 'tc qdisc replace dev eth0 root netem loss 1% limit 10000'; }
# Once in ten thousand times two SYNs of a connection are lost in a row. The next one has no
# SMC option, nor have those of other connections until that is forgotten.
all() {
	on -t 800 client "while sleep 1; do ! smcnl dump peers | grep -q STATE=3 || smcnl peers-flush; done &
		time swarm client 43 0 \$PEER 5000 $N $AT_ONCE $BYTES; s=\$?
		kill \$!
		exit \$s"
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
# Each was over RDMA, but for those whose SYN did not have the option in the end. If the
# answer to such a SYN tells that one of the first has got there, all the same, the connection
# is made anew as TCP's, and the option does not count as lost: three in ten thousand.
rdma() {
	local host lost tcp n
	lost=$(counted client OPTION_LOST)
	tcp=$((lost + $(counted client LEFT_OUT)))
	both 'smcnl dump fback-stats'
	n=$(fallbacks client)
	echo "${n:-0} without the option, which $tcp had left out, since it was lost $lost times" > "$SMC_RS_TEST_OUT/figures"
	[ "$lost" -le 6 ] && [ "${n:-0}" -ge $tcp ] && [ "${n:-0}" -le $((tcp + 12)) ] && [ "$(fallbacks server)" = "$n" ] || return
	for host in server client; do
		[ "$(on $host 'smcnl dump fback-stats | grep -c "RSN_CNT=[1-9]"')" -le 1 ] || return
	done
}
# One SYN in a hundred is lost, and a listener is not suspended for what happens by chance.
saved() { counters client NOT_SMC=0 && [ "$(counted client SAVED)" -ge $((N * 3 / 4)) ]; }

plan 8
check "a server that is known" prepare
check "both ends lose one frame in a hundred" lossy
check "$N connections work" all
tell
check "of whose frames some were lost" dropped
told "each was over RDMA, or lost the SMC option" rdma
check "most of them have saved a round trip" saved
check "nothing is left of them" idle
check "and all is as before" talk 5000
finish
