#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A firewall that drops SYNs with the SMC option: for how long that is remembered. And
# what looks like one: only the SYN-ACKs are lost, or TCP repeats its SYN only once.
#
# hosts: server=smc_rs client=smc_rs
# limit: 400
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"
. "$SMC_RS_SELFTESTS/smcr/lost-options.bash"

prepare() { ready && serve 5000 43 && serve 5001 43 && serve 5002 43; }
# state PORT STATE LOST: as soon as it is so
state() { on -t 200 client "wait_for 190 sh -c 'smcnl dump peers | grep -E \"PORT=$1 STATE=$2 .*OPTIONS_LOST=$3\"'"; }

# The server has got the option and waits for a proposal: when a SYN has come without it
# the SYN-ACK has it still.
syn_ack_lost() {
	drop client 'tcp src port 5001 and tcp[tcpflags] & tcp-syn != 0' && on client "
		stream client 43 0 \$PEER 5001 1 100 & pid=\$!
		# Nothing follows window scaling: a header of 40 bytes.
		timeout 40 tcpdump -i eth0 -c 1 'tcp dst port 5001 and tcp[tcpflags] = tcp-syn and tcp[12] & 0xf0 = 0xa0' &&
			tc qdisc del dev eth0 clsact && wait \$pid" &&
		counters client OPTION_LOST=0 && [ -z "$(fallbacks client)" ] && watch && clc 5001
}
# TCP repeats the SYN once, and has to be told in time. Nothing is to be learnt from it.
once() {
	drop_smc && on client 'sysctl -q -w net.ipv4.tcp_syn_linear_timeouts=0
			for i in 1 2 3 4 5; do nonblock 43 0 $PEER 5002 syncnt=1 && exit; done; exit 1' &&
		on client 'sysctl -q -w net.ipv4.tcp_syn_linear_timeouts=4' &&
		counters client OPTION_LOST=0 && ! peers client PORT=5002
}
# A minute, then two.
twice() {
	talk 5000 && counters client OPTION_LOST=1 && state 5000 3 1 && state 5000 0 1 &&
		talk 5000 && counters client OPTION_LOST=2 && peers client 'PORT=5000 STATE=3 LEFT=(1[01][0-9]|9[0-9]) .*OPTIONS_LOST=2'
}
# It counts from the beginning when the option has got there.
over() {
	local before
	before=$(fallbacks client)
	pass server && state 5000 0 2 && talk 5000 && [ "$(fallbacks client)" = "$before" ] &&
		peers client 'PORT=5000 STATE=1' && ! peers client 'PORT=5000 .*OPTIONS_LOST'
}

plan 6
check "servers" prepare
check "only SYN-ACKs are lost: SMC" syn_ack_lost
check "a SYN that is repeated once" once
check "it is tried again after a minute, and remembered for longer" twice
check "it is tried again, and works" over
check "nothing is left of them" idle
finish
