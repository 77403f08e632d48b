#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SYNs of IPv6, over which there is no RDMA: what answers one with the SMC option, also
# where SYNs cross, and what becomes of proposals that come in SYNs of others. The other
# end is made of raw packets. No application reads a message of SMC's handshake.
#
# hosts: server=smc_rs client=smc_rs
# limit: 180
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

ODD=fd99::3 ASKS=fd98::1
SMC=6000 TCP=6001 DECLINES=6002

prepare() {
	# Its kernel would tell that there is no such host.
	ready && on client "ip route replace blackhole fd98::/64 &&
			ip neigh replace $ODD lladdr \$PEER_MAC dev eth0 nud permanent" &&
		on server "ip route replace fd98::/64 via \$PEER6 dev eth0 && sysctl -q -w net.ipv4.tcp_fastopen=0x403
			stream server 43 1 $SMC 1000 > /run/swarm.smc 2>&1 & stream server 10 0 $TCP 1000 > /run/swarm.tcp 2>&1 &
			stream server 43 1 $DECLINES 1000 > /run/swarm.declines 2>&1 &
			for p in $SMC $TCP $DECLINES; do wait_listen \$p; done" &&
		serve 5000 43 && known 5000 &&
		wire 'tcp.dstport == 5000 && tcp.flags.syn == 1 && tcp.len > 50' tcp.payload | tr -d : | head -n 1 \
			> "$SMC_RS_TEST_OUT/proposal" && grep ^e2d4c3d9 "$SMC_RS_TEST_OUT/proposal"
}

# answer PORT WORD...: what the odd host saw when a client has talked to it
answer() {
	local port=$1 status
	shift
	on server "pkill -x synraw; synraw respond eth0 $ODD $port \$PEER6 \$PEER_MAC 12 $* > /run/odd.$port &
		wait_for 5 grep ready /run/odd.$port" &&
		on -t 20 client "stream client 43 1 $ODD $port 1 100"
	status=$?
	sleep 0.5
	on server "cat /run/odd.$port" | tee /dev/stderr | tr '\n' ' ' > "$SMC_RS_TEST_OUT/odd"
	return $status
}
saw() { grep -E "$1" "$SMC_RS_TEST_OUT/odd" && ! grep clc "$SMC_RS_TEST_OUT/odd"; }
# Each time a connection of TCP, with the first SYN.
SYN='syn payload=0 smc=1 cookie=none'
plain() { answer 5001 && saw "^ready $SYN up read 100 "; }
crossed() { answer 5002 cross && saw "^ready $SYN (up )?(read|again) .*100 "; }
crossed_smc() { answer 5003 cross smc && saw "^ready $SYN (up )?(read|again) .*100 "; }
# This one has SMC, and hears why there is none.
smc() { ! answer 5004 smc end && grep -E "^ready $SYN up read [0-9]+ clc " "$SMC_RS_TEST_OUT/odd"; }
# The same of IPv4, where it is not IPv6 that keeps SMC away.
ipv4_crossed() {
	on server "pkill -x synraw
			for p in 5005 5006; do synraw respond eth0 10.99.0.3 \$p \$PEER \$PEER_MAC 12 cross \$([ \$p = 5006 ] && echo smc) > /run/odd.\$p & done
			for p in 5005 5006; do wait_for 5 grep ready /run/odd.\$p || exit; done" &&
		on client 'ip neigh replace 10.99.0.3 lladdr $PEER_MAC dev eth0 nud permanent
			stream client 43 0 10.99.0.3 5005 1 100 && stream client 43 0 10.99.0.3 5006 1 100' &&
		on server 'sleep 0.5; for p in 5005 5006; do tr "\n" " " < /run/odd.$p; echo; done' | tee "$SMC_RS_TEST_OUT/odd" &&
		[ "$(grep -cE "^ready $SYN .*100 " "$SMC_RS_TEST_OUT/odd")" = 2 ] && ! grep clc "$SMC_RS_TEST_OUT/odd"
}

# ask PORT WORD...: a SYN from a new port
ask() {
	local dport=$1 last=20000
	shift
	[ ! -e "$SMC_RS_TEST_OUT/sport" ] || read -r last < "$SMC_RS_TEST_OUT/sport"
	echo $((last + 1)) > "$SMC_RS_TEST_OUT/sport"
	on client "synraw ask eth0 $ASKS $last \$PEER6 \$PEER_MAC $dport $*" |
		tee /dev/stderr | tr '\n' ' ' > "$SMC_RS_TEST_OUT/answer"
}
answered() { grep -E "$1" "$SMC_RS_TEST_OUT/answer"; }
cookie() { sed -n 's/.*cookie=\([0-9a-f]\{16\}\) .*/\1/p' "$SMC_RS_TEST_OUT/answer"; }
grants() {
	ask $SMC smc ask && answered 'acked=0 smc=1' && cookie | tee "$SMC_RS_TEST_OUT/smc" | grep . &&
		ask $TCP ask && answered 'acked=0 smc=0' && cookie | tee "$SMC_RS_TEST_OUT/tcp" | grep . &&
		! cmp "$SMC_RS_TEST_OUT/smc" "$SMC_RS_TEST_OUT/tcp"
}
# refused PORT WORD...: not a byte is taken, nor echoed
refused() { ask "$@" data="$(cat "$SMC_RS_TEST_OUT/proposal")" && answered 'acked=0' && ! answered data; }
refuses() {
	local smc tcp
	smc=$(cat "$SMC_RS_TEST_OUT/smc") tcp=$(cat "$SMC_RS_TEST_OUT/tcp")
	refused $SMC smc cookie="$tcp" && refused $SMC cookie="$smc" && refused $SMC smc &&
		refused $TCP smc cookie="$smc" && refused $TCP smc cookie="$tcp" && refused $TCP cookie="$smc"
}
# The answer is a Decline, of 44 bytes, and the client's next bytes are the application's.
declines() {
	local proposal
	proposal=$(cat "$SMC_RS_TEST_OUT/proposal")
	ask $DECLINES smc cookie="$(cat "$SMC_RS_TEST_OUT/smc")" data="$proposal" ack quiet &&
		answered "^synack acked=$((${#proposal} / 2)) smc=1 .*data 44 " && counters server RECEIVED='[1-9]'
}
# Who has read one has ended.
read_none() {
	on client 'ip route del blackhole fd98::/64'
	on server 'cat /run/swarm.*; [ "$(pgrep -xc stream)" = 4 ] && [ "$(cat /run/swarm.* | sort -u)" = listening ]'
}

plan 10
check "servers" prepare
check "no SMC: TCP" plain
check "crossed SYNs: TCP" crossed
check "crossed SYNs, with SMC: TCP" crossed_smc
check "SMC: it is told that there is no way" smc
check "crossed SYNs of IPv4, to a host that is not known" ipv4_crossed
check "listeners of SMC and TCP have cookies of their own" grants
check "and take no proposal with another one" refuses
check "one that is taken is declined" declines
check "no application has read any" read_none
finish
