#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A client's proposal in the SYN, and every answer to it. The host that answers is made
# of raw packets; its address, 10.99.0.3, was before one of a server with SMC. Whatever
# it answers, the application has a connection that works, or the error of one that was
# reset, and nobody reads a proposal who has not said that he has SMC.
#
# hosts: server=smc_rs client=smc_rs
# limit: 240
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

ODD=10.99.0.3
# Of IPv6, with that address in one of IPv6, if the environment says so.
CLIENT_SOCKET="43 ${SMC_RS_MAPPED:-0}" TO=$ODD
[ -z "${SMC_RS_MAPPED:-}" ] || TO=::ffff:$ODD
# Each case has a port of its own, as what goes wrong is remembered.
PORTS=$(echo {5001..5020})
slow_wire

known() {
	ready &&
		on client "ip neigh replace $ODD lladdr \$PEER_MAC dev eth0 nud permanent" &&
		on server "ip addr add $ODD/24 dev eth0; for p in $PORTS; do
			stream server 43 0 \$p 100 > /dev/null & done; wait_listen 5020" &&
		on client "for p in $PORTS; do stream client $CLIENT_SOCKET $TO \$p 1 10 || exit; done;
			stream client $CLIENT_SOCKET $TO 5001 1 10 && stream client $CLIENT_SOCKET $TO 5001 1 10" &&
		counters client TAKEN=1 &&
		on server "pkill -x stream; ip addr del $ODD/24 dev eth0; ! ip addr | grep -w $ODD"
}

# answer PORT COMMAND WORD...: what the odd host saw when the client did that
answer() {
	local port=$1 command=$2
	shift 2
	on server "pkill -x synraw; synraw respond eth0 $ODD $port \$PEER \$PEER_MAC 12 $* > /run/odd.$port &
		wait_for 5 grep ready /run/odd.$port" || return 1
	on -t 20 client "$command"
	local status=$?
	sleep 0.5
	on server "cat /run/odd.$port" | tee "$SMC_RS_TEST_OUT/odd.$port"
	payload=$(sed -n 's/^syn payload=\([1-9][0-9]*\) .*/\1/p' "$SMC_RS_TEST_OUT/odd.$port" | head -n 1)
	return $status
}
talks() { answer "$1" "stream client $CLIENT_SOCKET $TO $1 1 100" "${@:2}"; }
fails() { ! talks "$@"; }
odd() { tr '\n' ' ' < "$SMC_RS_TEST_OUT/odd.$1" | grep -E "$2"; }

# What of the payload is not acknowledged comes behind the SYN-ACK, and not a byte more.
SYN='syn payload=[1-9][0-9]* smc=1 cookie=[0-9a-f]{16}' BARE='syn payload=0 smc=1 cookie=none'
taken() { fails 5001 smc all end && odd 5001 "^ready $SYN up $"; }
not_taken() { fails 5002 smc end && odd 5002 "^ready $SYN up read $payload of the SYN clc $"; }
half() { fails 5003 smc half end && odd 5003 "^ready $SYN up read $((payload - payload / 2)) of the SYN clc $"; }
lost() { fails 5004 smc lose end && odd 5004 "^ready $SYN $BARE up read $payload of the SYN clc $"; }
answer_lost() { fails 5015 smc all lose end && odd 5015 "^ready $SYN $BARE up $"; }

# No SMC: reset, and a connection of TCP that works.
ANEW='rst syn payload=0 smc=0 cookie=none up without oddities read 100 '
anew() { odd "$1" "^ready syn payload=[1-9][0-9]* smc=1 cookie=[0-9a-f]+ $2$ANEW" && ! odd "$1" clc; }
stripped() { talks 5005 && anew 5005; }
swallowed() { talks 5006 all && anew 5006; }
half_swallowed() { talks 5016 half && anew 5016; }
crossed() { talks 5007 cross && anew 5007; }
crossed_smc() { talks 5008 cross smc && anew 5008; }
lost_stripped() { talks 5009 lose && anew 5009 "$BARE "; }
answer_lost_stripped() { talks 5017 all lose && anew 5017 "$BARE "; }
nonblocking() { answer 5010 "nonblock $CLIENT_SOCKET $TO 5010" && odd 5010 "^ready syn payload=[1-9].* rst syn payload=0 smc=0 .* read 5 $" && ! odd 5010 clc; }
impatient() { answer 5011 "nonblock $CLIENT_SOCKET $TO 5011 again" && odd 5011 "^ready syn payload=[1-9].* rst syn payload=0 smc=0 .* read 5 $" && ! odd 5011 clc; }

# A round trip more than TCP has, and not another one: each of these ports has one try.
one_more() {
	# Half of it is sent by programs here, whose time is not to count beside the wire's.
	local ports="5018 5019 5020" status RTT=250000
	on server "pkill -x synraw; for p in 5000 $ports; do
			synraw respond eth0 $ODD \$p \$PEER \$PEER_MAC 12 > /run/odd.\$p & done
			for p in 5000 $ports; do wait_for 5 grep ready /run/odd.\$p || exit; done" &&
		delay && rtts_each 2 $ODD 5000 5000 5000 && within 1.00 1.25 2.00 2.40 &&
		rtts_each "$CLIENT_SOCKET" $TO $ports && within 2.00 2.60 3.00 3.70
	status=$?
	no_delay
	return $status
}

remembered() {
	counters client NOT_SMC=12 LOST=1 && peers client "PORT=5005 STATE=2 LEFT=[0-9]+ FAILURES=1" &&
		talks 5005 && odd 5005 '^ready syn payload=0 smc=1 cookie=none up '
}
# A cookie of 16 bytes has no room beside the SMC option: another one is asked for. So it
# is where there would be room, without timestamps.
long_cookie() {
	fails 5012 smc end cookie=000102030405060708090a0b0c0d0e0f &&
		fails 5013 smc end && odd 5013 '^ready syn payload=0 smc=1 cookie= up ' &&
		on client 'sysctl -q -w net.ipv4.tcp_timestamps=0' &&
		fails 5014 smc end && odd 5014 '^ready syn payload=0 smc=1 cookie= up ' &&
		on client 'sysctl -q -w net.ipv4.tcp_timestamps=1'
}

plan 18
check "a server with SMC is known, on 20 ports, and goes" known
check "the payload is taken" taken
check "it is not: it comes with the first ACK" not_taken
check "half of it is: the rest comes" half
check "the SYN is lost: the next one has no payload" lost
check "the SYN-ACK is lost: the next one acknowledges the payload" answer_lost
check "no SMC in the SYN-ACK" stripped
check "no SMC in a SYN-ACK that acknowledges the payload" swallowed
check "no SMC in a SYN-ACK that acknowledges half of it" half_swallowed
check "crossed SYNs" crossed
check "crossed SYNs, with SMC" crossed_smc
check "the SYN is lost, and then there is no SMC" lost_stripped
check "the SYN-ACK is lost, and there is no SMC" answer_lost_stripped
told "no SMC: a round trip more than TCP has, and not another one" one_more
check "no SMC, and a connect that does not wait" nonblocking
check "no SMC, and a connect that is called again and again" impatient
check "what went wrong is remembered" remembered
check "a cookie that has no room" long_cookie
finish
