#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Two hosts of which at least one has a kernel without the series in patches/
# (SERIES_SERVER, SERIES_CLIENT: "can" or "cannot" have proposals in SYNs). Each of them
# is the server once: connections are over RDMA and take two round trips, TCP's beside
# them one, and no SYN has a payload.
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

# The machine may have other things to do.
RTT=400000

says() { on "$1" "dmesg | grep 'smc_rs: this kernel $2 have SMC proposals in SYNs'"; }
servers() {
	ready && both 'for f in 2 43; do stream server $f 0 $((5000 + f)) 1000 > /dev/null 2>&1 & done
		wait_listen 5002 && wait_listen 5043'
}
# More than it takes where both can, and bytes that TCP does not have. The mode is asked
# for while the last one is open.
over_rdma() {
	on "$1" 'stream client 43 0 $PEER 5043 4 100 && {
			stream client 43 0 $PEER 5043 1 100000 5 > /run/last & wait_for 20 grep connect /run/last
			smcnl sockets; wait; }' | tee /dev/stderr | grep -q "MODE=SMCR .*PEER=[0-9.]*:5043 "
}
trips() { on "$1" "stream client $2 0 \$PEER $((5000 + $2)) 4 5" > "$SMC_RS_TEST_OUT/rtts" && within "${@:3}"; }
none_sent() { counters "$1" SENT=0 TAKEN=0 && counters "$2" RECEIVED=0; }

syns() { wire "tcp.flags.syn == 1 && $1" frame.number | wc -l; }
# Ours are those with the option of SMC: 254, and its magic number.
no_payload() {
	local smc
	smc=$(syns 'tcp.flags.ack == 0 && tcp.dstport == 5043 && tcp.options contains e2:d4:c3:d9')
	echo "$smc SYNs with the option"
	[ "$smc" -ge 18 ] && [ "$(syns 'tcp.len > 0')" = 0 ]
}

# client CLIENT SERVER
client() {
	check "the $1 as the client: over RDMA" over_rdma "$1"
	check "a delay of $((RTT / 1000)) ms there and back" delay
	told "TCP: 1 round trip to connect, 2 with an answer" trips "$1" 2 1.00 1.25 2.00 2.40
	told "SMC: 2, and 3" trips "$1" 43 2.00 2.40 3.00 3.50
	check "no proposal was sent in a SYN" none_sent "$1" "$2"
	check "the delay is gone" no_delay
}

plan 16
check "the server's kernel $SERIES_SERVER, and the module says so" says server "$SERIES_SERVER"
check "the client's $SERIES_CLIENT" says client "$SERIES_CLIENT"
check "servers of SMC and TCP on both" servers
client client server
client server client
check "no SYN had a payload" no_payload
finish
