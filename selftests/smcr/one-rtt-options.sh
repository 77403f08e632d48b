#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What else has its place among the 40 bytes of options that a SYN may have: the
# proposal goes along with it, or the connection does without. Timestamps and the like
# that are switched off, Fast Open without cookies, segments that are signed (TCP-MD5,
# TCP-AO).
#
# hosts: server=smc_rs client=smc_rs
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

prepare() { ready && serve 5000 43 && known 5000; }
signed_before() { serve 5002 43 && known 5002 && serve 5003 43 && known 5003; }

# The options of the last SYN of a client to PORT that matches FILTER, in hexadecimal
last_syn() {
	wire "tcp.dstport == $1 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && $2" tcp.options |
		tail -n 1 | tr -d : | tee /dev/stderr
}
SMC_OPTION=0101fe06e2d4c3d9 COOKIE=220a'[0-9a-f]{16}0101' TIMESTAMPS=0402080a

# without HOST SYSCTL REGEX: that is switched off there; the proposal is in the SYN all
# the same, beside what matches
without() {
	local taken
	taken=$(counted client TAKEN)
	on "$1" "sysctl -q -w $2=0" && talk 5000 && counters client "TAKEN=$((taken + 1))" || return 1
	on "$1" "sysctl -q -w $2=1"
	last_syn 5000 'tcp.len > 0' | grep -E "$COOKIE$SMC_OPTION" | grep -E "$3"
}
no_timestamps() {
	without client net.ipv4.tcp_timestamps . && ! last_syn 5000 'tcp.len > 0' | grep $TIMESTAMPS
}
server_no_timestamps() { without server net.ipv4.tcp_timestamps $TIMESTAMPS; }
no_sack() { without client net.ipv4.tcp_sack .; }
no_scaling() { without client net.ipv4.tcp_window_scaling .; }

# The switches of this module and those of TCP have a bit for each end. The client's other
# one is of no use to it: no payload, and no question for a cookie.
client_switch() {
	local payloads sent
	payloads=$(syn_payloads 5000) sent=$(counted client SENT)
	on client 'sysctl -q -w net.smc.fastopen=2' && talk 5000 && counters client "SENT=$sent" &&
		[ "$(syn_payloads 5000)" = "$payloads" ] && rdma_alone && on client 'sysctl -q -w net.smc.fastopen=3'
}
# Nor is the server's to its listeners: the client, who has a cookie and has heard of the
# link group that payloads in SYNs are taken, sends it in vain. They have the switch as it
# was at listen(2).
server_switch() {
	local received not_taken
	received=$(counted server RECEIVED) not_taken=$(counted client NOT_TAKEN)
	on server 'sysctl -q -w net.smc.fastopen=1' && serve 5004 43 &&
		on server 'sysctl -q -w net.smc.fastopen=3' && talk 5004 && talk 5004 && talk 5004 &&
		counters client "NOT_TAKEN=$((not_taken + 2))" && [ "$(syn_payloads 5004)" = 2 ] &&
		counters server "RECEIVED=$received" && rdma_alone && known 5000
}

# Neither end wants cookies: already the second connection has its proposal in the SYN.
no_cookie() {
	on client 'ip tcp_metrics flush; sysctl -q -w net.ipv4.tcp_fastopen=0x7' &&
		on server 'sysctl -q -w net.ipv4.tcp_fastopen=0x203' && serve 5001 43 &&
		sent=$(counted client SENT) && talk 5001 && counters client "SENT=$sent" &&
		talk 5001 && counters client "SENT=$((sent + 1))" &&
		last_syn 5001 'tcp.len > 0' | grep "$SMC_OPTION" | grep -vE "$COOKIE|2202"
}
# A listener of TCP that takes whatever comes in a SYN is there instead.
no_cookie_no_smc() {
	on server 'pkill -x stream; sleep 0.5; sysctl -q -w net.ipv4.tcp_fastopen=0x603' && serve 5001 2 &&
		not_smc=$(counted client NOT_SMC) && talk 5001 && counters client "NOT_SMC=$((not_smc + 1))" && talk 5001 &&
		both 'sysctl -q -w net.ipv4.tcp_fastopen=3'
}

# signed PORT KIND FAMILY REGEX: a listener that wants signed segments, and clients whose
# segments are; none of their SYNs has a payload, though the listener that was there
# before is known and its cookie is too. The SYN's options match.
signed() {
	local before sent
	before=$(syn_payloads "$1") sent=$(counted client SENT)
	on server "pkill -x stream; sleep 0.5; stream server $3 0 $1 100 $2=\$PEER > /run/signed 2>&1 & wait_listen $1" &&
		on client "nonblock 43 0 \$PEER $1 $2 && nonblock 43 0 \$PEER $1 $2" || return 1
	[ "$(syn_payloads "$1")" = "$before" ] && counters client "SENT=$sent" || return 1
	last_syn "$1" 'tcp.len == 0' | grep -xE "$4"
}
# MSS, MD5, SACK and window scale, and SMC: 40 bytes with what is between them.
md5() { signed 5002 md5 43 ".*1312[0-9a-f]{32}.*$SMC_OPTION.*"; }
md5_no_smc() { signed 5002 md5 2 '.*1312[0-9a-f]{32}.*'; }
# With timestamps there is no room for the SMC option: TCP.
ao() { signed 5003 ao 43 '.*1d10[0-9a-f]{28}.*' && ! last_syn 5003 'tcp.len == 0' | grep "$SMC_OPTION"; }
ao_no_timestamps() {
	both 'sysctl -q -w net.ipv4.tcp_timestamps=0' && signed 5003 ao 43 ".*1d10[0-9a-f]{28}.*$SMC_OPTION.*"
}
ao_no_smc() { signed 5003 ao 2 '.*1d10[0-9a-f]{28}.*' && both 'sysctl -q -w net.ipv4.tcp_timestamps=1'; }
# Who does not sign gets no answer, of any kind.
unsigned() {
	on server "pkill -x stream; sleep 0.5; stream server 43 0 5003 100 ao=\$PEER > /run/signed 2>&1 & wait_listen 5003" &&
		on client 'timeout 3 stream client 43 0 $PEER 5003 1 100; [ $? = 124 ]'
}

plan 16
check "a server that is known" prepare
check "no timestamps" no_timestamps
check "no timestamps at the server" server_no_timestamps
check "no selective acknowledgements" no_sack
check "no window scaling" no_scaling
check "net.smc.fastopen has no client: two round trips, and RDMA" client_switch
check "net.smc.fastopen has no server: the same" server_switch
check "no cookies" no_cookie
check "no cookies, and no SMC any more: no application reads the proposal" no_cookie_no_smc
check "two more servers are known, whose segments are not signed" signed_before
check "TCP-MD5: SMC, no payload" md5
check "TCP-MD5, and no SMC any more" md5_no_smc
check "TCP-AO: no room for SMC" ao
check "TCP-AO without timestamps: SMC, no payload" ao_no_timestamps
check "TCP-AO, and no SMC any more" ao_no_smc
check "an unsigned SYN with a proposal is not answered" unsigned
finish
