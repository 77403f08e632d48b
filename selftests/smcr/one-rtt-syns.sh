#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# SYNs with and without the SMC option, cookies and payloads, to listeners of SMC and
# of TCP: what is taken, and what an application reads. The client is made of raw
# packets.
#
# hosts: server=smc_rs client=smc_rs
# limit: 180
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

SMC=5000 TCP=5001 ONCE=5002 NO_RDMA=5003 LEFT=5004

# The TCP server has Fast Open by the sysctl, the SMC server by its own. A reset ends
# the former's program, which begins anew then, unless it has read what must not be.
prepare() {
	ready && serve $SMC 43 &&
		on server 'ip route replace 10.98.0.0/16 via $PEER dev eth0 &&
			sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
				net.ipv4.tcp_fastopen=0x403' &&
		on server 'while sleep 0.1; do
				stream server 2 0 5001 100000
				s=$?
				[ $s != 3 ] || break
			done > /dev/null 2> /run/tcp & wait_listen 5001' &&
		talk $SMC && wire "tcp.dstport == $SMC && tcp.len > 50" tcp.payload | head -n 1 \
			> "$SMC_RS_TEST_OUT/proposal" && grep ^e2d4c3d9 "$SMC_RS_TEST_OUT/proposal"
}

# ask PORT WORD...: a SYN from a new port
ask() {
	local dport=$1 last=20000
	shift
	[ ! -e "$SMC_RS_TEST_OUT/sport" ] || read -r last < "$SMC_RS_TEST_OUT/sport"
	echo $((last + 1)) > "$SMC_RS_TEST_OUT/sport"
	# The program of TCP may be about to end.
	[ $dport != $TCP ] || on server "sleep 0.3; wait_listen $dport" || return 1
	on client "synraw ask eth0 10.98.0.1 $last \$PEER \$PEER_MAC $dport $*" |
		tee /dev/stderr | tr '\n' ' ' > "$SMC_RS_TEST_OUT/answer"
}
# The next one is from the port of the last.
same_port() { echo $(($(cat "$SMC_RS_TEST_OUT/sport") - 1)) > "$SMC_RS_TEST_OUT/sport"; }
answer() { grep -E "$1" "$SMC_RS_TEST_OUT/answer"; }
cookie() { sed -n 's/.*cookie=\([0-9a-f]*\) .*/\1/p' "$SMC_RS_TEST_OUT/answer" > "$SMC_RS_TEST_OUT/$1" && grep -x '[0-9a-f]\{16\}' "$SMC_RS_TEST_OUT/$1"; }
smc_cookie() { cat "$SMC_RS_TEST_OUT/smc"; }
tcp_cookie() { cat "$SMC_RS_TEST_OUT/tcp"; }
proposal() { cat "$SMC_RS_TEST_OUT/proposal"; }
bytes() { echo $(($(wc -c < "$SMC_RS_TEST_OUT/proposal") / 2)); }

grants() {
	ask $SMC smc ask && answer 'acked=0 smc=1' && cookie smc &&
		ask $TCP ask && answer 'acked=0 smc=0' && cookie tcp && [ "$(smc_cookie)" != "$(tcp_cookie)" ]
}
grants_not() {
	ask $SMC ask && answer 'acked=0 smc=0 cookie=none' &&
		ask $TCP smc ask && answer 'acked=0 smc=0 cookie=none'
}
taken() {
	ask $SMC smc cookie="$(smc_cookie)" data="$(proposal)" && answer "acked=$(bytes) smc=1 .*data [0-9]+"
}
plain() { ask $TCP cookie="$(tcp_cookie)" data=68656c6c6f && answer 'acked=5 smc=0 .*data 5'; }
# refused PORT WORD...: not a byte is taken, nor echoed
refused() { ask "$@" data="$(proposal)" && answer 'acked=0' && ! answer data; }
others() {
	refused $SMC smc cookie="$(tcp_cookie)" && refused $SMC smc && refused $SMC cookie="$(tcp_cookie)" &&
		refused $SMC cookie="$(smc_cookie)"
}
applications() {
	refused $TCP smc cookie="$(smc_cookie)" && refused $TCP smc cookie="$(tcp_cookie)" &&
		refused $TCP smc && refused $TCP cookie="$(smc_cookie)"
}
no_cookie() {
	on server 'sysctl -q -w net.ipv4.tcp_fastopen=0x603' && refused $TCP smc &&
		ask $SMC smc data="$(proposal)" && answer "acked=$(bytes) smc=1" &&
		ask $TCP data=68656c6c6f && answer 'acked=5 smc=0 .*data 5' && refused $SMC &&
		on server 'sysctl -q -w net.ipv4.tcp_fastopen=0x403'
}
syn_cookies() {
	on server 'sysctl -q -w net.ipv4.tcp_syncookies=2' && refused $SMC smc cookie="$(smc_cookie)" &&
		answer smc=0 && on server 'sysctl -q -w net.ipv4.tcp_syncookies=1'
}
# one WORD...: a SYN that is sent once more is one connection, which has its answer once
one() {
	local received
	received=$(counted server RECEIVED)
	ask $SMC smc cookie="$(smc_cookie)" data="$(proposal)" quiet "$@" &&
		answer "^synack acked=$(bytes) smc=1 .*synack acked=$(bytes) smc=1 " &&
		[ "$(grep -o data "$SMC_RS_TEST_OUT/answer" | wc -l)" = 1 ] &&
		counters server "RECEIVED=$((received + 1))" &&
		[ "$(on server "ss -Htan dst 10.98.0.1:$(($(cat "$SMC_RS_TEST_OUT/sport") - 1)) | wc -l")" = 1 ]
}
twice() { one again; }
# The client has not got the SYN-ACK: its next SYN has no payload.
answer_lost() { one bare ack; }

# All answers are lost for longer than a Confirm is waited for: that time begins with the
# connection, for which TCP has its own. Those that follow are given up after seven seconds.
late() {
	ask $SMC smc cookie="$(smc_cookie)" data="$(proposal)" late=6.5 &&
		answer "^synack acked=$(bytes) smc=1 .*data ([0-9]+) .*late [0-9]+ $" && ! answer rst &&
		on server 'sysctl -q -w net.ipv4.tcp_synack_retries=1'
}

# served NAME PORT: that server has had all its connections, and nothing to complain of
served() { on server "over() { ! listening $2; }; wait_for 10 over && ! grep -v listening /run/$1"; }

# The SYN of a connection that has ended comes once more, and nothing there remembers the
# connection (no TIME_WAIT). Its server takes four: it would take this one for the last, and
# have none for the client that comes after it.
outlived() {
	local port seq options payload cookie received
	on server "sysctl -q -w net.ipv4.tcp_max_tw_buckets=0
			stream server 43 0 $ONCE 4 > /run/once 2>&1 & wait_listen $ONCE" &&
		talk $ONCE && talk $ONCE && talk $ONCE && received=$(counted server RECEIVED) &&
		wire "tcp.dstport == $ONCE && tcp.flags.syn == 1 && tcp.len > 0" \
			tcp.srcport tcp.seq_raw tcp.options tcp.payload | tr -d : > "$SMC_RS_TEST_OUT/syn" &&
		read -r port seq options payload < "$SMC_RS_TEST_OUT/syn" || return 1
	cookie=$(sed 's/.*220a\([0-9a-f]\{16\}\).*/\1/' <<< "$options")
	none() { on server "none() { ! ss -Htan dst $CLIENT:$port | grep .; }; wait_for 20 none"; }
	none && on client "synraw ask eth0 \$ADDR $port \$PEER \$PEER_MAC $ONCE \
			smc seq=$seq cookie=$cookie data=$payload quiet" | tr '\n' ' ' | tee /dev/stderr |
		grep "^synack acked=$((${#payload} / 2)) smc=1" &&
		counters server "RECEIVED=$((received + 1))" && none &&
		on server 'unused() { smcnl dump lgr-smcr | grep CONNS_NUM=0; }; wait_for 20 unused' &&
		talk $ONCE && served once $ONCE
}
read_none() { on server '! grep handshake /run/tcp && wait_listen 5001'; }
nothing_left() {
	on server 'wait_for 20 sh -c "! ss -Htan | grep 10.98" && smcnl dump lgr-smcr' |
		tee /dev/stderr | grep -c '^lgr-smcr.*CONNS_NUM=0' | grep -x 1 && talk $SMC
}
# Without RDMA the server declines, and the connection is TCP's; its client is one that does
# not exist, and the server takes one connection. Until the client has the SYN-ACK each one
# says that its Proposal was not given to an application.
declined() {
	local synack
	synack="synack acked=$(bytes) smc=1 cookie=none "
	on server "rdma link delete rxe0; stream server 43 0 $NO_RDMA 1 > /run/declined 2>&1 & wait_listen $NO_RDMA" &&
		ask $NO_RDMA smc cookie="$(smc_cookie)" data="$(proposal)" quiet &&
		answer "^$synack(data [0-9]+ |again [0-9]+ |$synack)+$" && answer data &&
		same_port && ask $NO_RDMA smc && answer "^$synack(data [0-9]+ |again [0-9]+ |$synack)*$" &&
		talk $NO_RDMA && served declined $NO_RDMA
}

# A client that never acknowledges the SYN-ACK has its Accept, and a connection that nobody
# has accepted, nor will: its server ends. TCP would go on for a minute.
left_behind() {
	on server "rxe_up; sysctl -q -w net.ipv4.tcp_synack_retries=5
			stream server 43 0 $LEFT 100 > /run/left 2>&1 & wait_listen $LEFT" &&
		ask $LEFT smc cookie="$(smc_cookie)" data="$(proposal)" quiet &&
		answer "^synack acked=$(bytes) smc=1 .*data [0-9]+" && ! answer rst &&
		on server "ss -Htan state syn-recv 'sport = :$LEFT' | grep -c . | grep -x 1 &&
			smcnl dump lgr-smcr | grep CONNS_NUM=1 && pkill -x stream
			gone() { ! ss -Htan 'sport = :$LEFT' | grep .; }
			wait_for 5 gone && wait_for 10 modules_out && module_in smc_rs"
}

plan 17
check "servers of SMC and TCP with Fast Open" prepare
check "each has cookies of its own" grants
check "but none for the other kind of client" grants_not
check "SMC takes a proposal, and answers before the handshake of TCP is over" taken
check "TCP takes the bytes of an application" plain
check "SMC takes nothing else" others
check "an application gets no proposal, whatever cookie comes with it" applications
check "nor where no cookie is needed" no_cookie
check "and has read none" read_none
check "SYN cookies: no SMC, no payload" syn_cookies
check "a SYN that comes twice makes one connection" twice
check "and so does one that is repeated since its answer was lost" answer_lost
check "a client whose answers are lost for long is waited for" late
check "one that comes when its connection is over makes none that is accepted" outlived
check "nothing is left of them" nothing_left
check "one that is declined is not accepted while its client may not exist" declined
check "a server ends with clients half there, and its module goes" left_behind
finish
