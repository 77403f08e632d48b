#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Proposals in SYNs where something has its limit: a memory for few listeners, which
# forgets the one whose last use is longest ago; a backlog that listen(2) changes while
# clients come; a server that has nothing but SYN cookies; a queue of connections that
# nobody accepts.
#
# hosts: server=smc_rs client=smc_rs
# limit: 400
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/smcr/one-rtt.bash"

slow_wire
FORGET="5010 5011 5012 5013 5014"
# Each of these has one connection whose proposal meets SYN cookies.
COOKIES="5020 5021 5022 5023 5024 5025" COUNTED="5020 5021 5022"

# Silent clients live in 10.98.0.0/16.
prepare() {
	ready && on server "ip route replace 10.98.0.0/16 via \$PEER dev eth0 &&
		sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0
		for p in $FORGET $COOKIES; do stream server 43 0 \$p 1000 > /dev/null 2>&1 & done
		for p in $FORGET $COOKIES; do wait_listen \$p; done" && serve 5000 2
}

# memory PORT...: these listeners are known, and no other
memory() {
	local ports
	ports=$(on client 'smcnl dump peers' | sed -n 's/.* PORT=\([0-9]*\) .*/\1/p' | sort | paste -sd' ')
	echo "known: $ports"
	[ "$ports" = "$*" ]
}
# The first one was learnt before the second, and used after it.
least_used() {
	on client 'smcnl peers-flush && sysctl -q -w net.smc.fastopen_peers=3' &&
		talk 5010 && talk 5011 && talk 5012 && memory 5010 5011 5012 &&
		talk 5010 && talk 5013 && memory 5010 5012 5013 &&
		talk 5012 && talk 5010 && talk 5011 && memory 5010 5011 5012
}
# What is too much goes with the next one that is learnt.
smaller() {
	on client 'sysctl -q -w net.smc.fastopen_peers=2' && talk 5010 && memory 5010 5011 5012 &&
		talk 5014 && memory 5010 5014 && on client 'sysctl -q -w net.smc.fastopen_peers=0' &&
		talk 5011 && memory
	local status=$?
	on client 'sysctl -q -w net.smc.fastopen_peers=1024'
	return $status
}

# Cookies have no room for what SMC would have to remember: no SMC, and no payload.
known_before() {
	on client "for p in $COOKIES; do stream client 43 0 \$PEER \$p 1 100 || exit; done" && known 5025 &&
		on server 'sysctl -q -w net.ipv4.tcp_syncookies=2'
}
# delayed COMMAND...: with a delay, which is gone after it
delayed() {
	local status
	delay && "$@"
	status=$?
	no_delay
	return $status
}
tcp_alone() { rtts_each 2 '$PEER' 5000 5000 5000 && within 1.00 1.25 2.00 2.40; }
one_more() { tcp_alone && rtts_each 43 '$PEER' $COUNTED && within 2.00 2.60 3.00 3.70; }
not_one_more() { rtts_each 43 '$PEER' $COUNTED && within 1.00 1.25 2.00 2.40; }
astray() { delayed one_more && counters client NOT_SMC=3 BROKEN=0; }
# Servers compare, too: one that reads a message of SMC's ends, and nobody is served.
others() {
	on client 'nonblock 43 0 $PEER 5023 && nonblock 43 1 ::ffff:$PEER 5024 &&
		swarm client 43 0 $PEER 5025 40 4 100' && counters client NOT_SMC='[6-9]' BROKEN=0
}
learnt() {
	local sent
	sent=$(counted client SENT)
	delayed not_one_more && counters client "SENT=$sent" 'SUSPENDED=[1-9][0-9]*' &&
		[ "$(peers client 'PORT=502[0-5] STATE=2 LEFT=[0-9]+ FAILURES=1( |$)' | wc -l)" = 6 ]
}
no_cookies() { on server 'sysctl -q -w net.ipv4.tcp_syncookies=1' && on client 'smcnl peers-flush' && known 5020; }

# listener PORT FAMILY: one that does what it is told; order PORT LINE...: these
listener() {
	on server "rm -f /run/orders.$1; mkfifo /run/orders.$1 &&
		{ backlog $2 0 $1 <> /run/orders.$1 > /run/done.$1 2> /run/swarm.$1 & } &&
		wait_for 20 test -e /run/done.$1"
}
order() {
	local port=$1 line script=
	shift
	for line; do
		script+="n=\$(wc -l < /run/done.$port); echo $line > /run/orders.$port; wait_for 20 more || exit; "
	done
	on server "more() { [ \$(wc -l < /run/done.$port) -gt \$n ]; }; $script"
}

# calls LINE...: while 400 clients come, four at a time, listen(2) is called again and again
calls() {
	local rounds=0
	taken=$(counted client TAKEN)
	on client '{ swarm client 43 0 $PEER 5030 400 4 100; echo "status $?"; } > /run/changed 2>&1 &'
	until on client 'grep status /run/changed'; do
		order 5030 "$@" || return 1
		rounds=$((rounds + 1))
	done
	taken=$(($(counted client TAKEN) - taken))
	echo "$((rounds * $#)) calls, $taken proposals taken from SYNs" > "$SMC_RS_TEST_OUT/figures"
	on client 'cat /run/changed; grep -x "status 0" /run/changed' && [ $rounds -ge 3 ]
}
# All of the clients have room, and each has saved a round trip.
changed() {
	listener 5030 43 && order 5030 'listen 4' 'accept 1000' 'accept 1000' 'accept 1000' 'accept 1000' &&
		known 5030 && calls 'listen 100' 'listen 8' 'listen 64' 'listen 12' && counters client LOST=0 BROKEN=0 &&
		[ "$taken" = 400 ]
}
# Some have none, and come once more.
short() { calls 'listen 1' 'listen 8' 'listen 0' 'listen 2' && counters client BROKEN=0; }

proposal() { wire 'tcp.dstport == 5030 && tcp.len > 50 && tcp.flags.syn == 1' tcp.payload | head -n 1; }
cookie() {
	wire 'ip.dst == 10.98.0.1 && tcp.srcport == 5030 && tcp.flags.syn == 1' tcp.options | tr -d : |
		sed -n 's/.*220a\([0-9a-f]\{16\}\).*/\1/p' | tail -n 1
}
SPORT=20000
# takes N: of N + 2 SYNs whose clients say nothing more the proposal of N is taken
takes() {
	local cookie payload
	cookie=$(cookie) payload=$(proposal)
	[ ${#cookie} = 16 ] && [ ${#payload} -gt 100 ] && on client "
		for i in {1..$(($1 + 2))}; do
			synraw ask eth0 10.98.0.1 \$(($SPORT + i)) \$PEER \$PEER_MAC 5030 \
				smc cookie=$cookie data=$payload quiet > /run/ask.\$i & pids+=\" \$!\"
		done
		wait \$pids; grep -h ^synack /run/ask.* | sort | uniq -c
		[ \$(grep -l 'acked=$((${#payload} / 2)) smc=1' /run/ask.* | wc -l) = $1 ] &&
			[ \$(grep -l 'acked=0 smc=1' /run/ask.* | wc -l) = 2 ]; s=\$?; rm /run/ask.*; exit \$s"
	local status=$?
	SPORT=$((SPORT + 100))
	on server 'none() { ! ss -Htan | grep 10.98; }; wait_for 40 none' && return $status
}
bound() {
	on server 'sysctl -q -w net.ipv4.tcp_synack_retries=1' &&
		on client 'synraw ask eth0 10.98.0.1 20000 $PEER $PEER_MAC 5030 smc ask' &&
		order 5030 'listen 4' && takes 4 && order 5030 'listen 1' && takes 1 &&
		order 5030 'listen 3' && takes 3 && known 5030
	local status=$?
	on server 'sysctl -q -w net.ipv4.tcp_synack_retries=5'
	return $status
}

# Switched off between one listen(2) and another.
switched_off() {
	local received not_taken status
	listener 5031 43 && order 5031 'listen 4' 'accept 100' && known 5031 && received=$(counted server RECEIVED) &&
		not_taken=$(counted client NOT_TAKEN) && on server 'sysctl -q -w net.smc.fastopen=1' &&
		talk 5031 && counters server "RECEIVED=$((received + 1))" &&
		order 5031 'listen 8' && talk 5031 && counters client "NOT_TAKEN=$((not_taken + 1))" BROKEN=0 &&
		counters server "RECEIVED=$((received + 1))"
	status=$?
	on server 'sysctl -q -w net.smc.fastopen=3'
	return $status
}

# Clients that wait for an answer, which are told to go by accept(2) alone
start() { on client "for i in {1..$3}; do stream client $1 0 \$PEER $2 1 100 > /run/waits.$2.$4.\$i 2>&1 & done"; }
# queue PORT N: so many connections are ready for accept(2)
queue() {
	on server "queue() { [ \"\$(ss -Hltn 'sport = :$1' | awk '{ print \$2 }')\" = $2 ]; }
		wait_for 30 queue || { ss -Hltn; exit 1; }"
}
# SYNs that were dropped for a full queue
overflows() {
	on server "awk '\$1 == \"TcpExt:\" { if (!n) split(\$0, name); else for (i in name) if (name[i] == \"ListenOverflows\") print \$i; n++ }' /proc/net/netstat"
}
more_overflows() {
	local until=$(($(overflows) + $1)) i
	for i in {1..100}; do
		[ "$(overflows)" -lt $until ] || return 0
		sleep 0.1
	done
	return 1
}
# all_served PORT N
all_served() {
	on -t 100 client "all() { [ \$(cat /run/waits.$1.* | grep -c '^connect .* first [1-9]') = $2 ]; }
		wait_for 90 all || { grep . /run/waits.$1.*; exit 1; }" && queue "$1" 0
}
# full FAMILY PORT LATE: as many have a connection as the queue takes; others come, whose SYNs
# are dropped so often
full() {
	local i
	for i in 1 2 3; do
		start "$1" "$2" 1 "in$i" && queue "$2" "$i" || return 1
	done
	start "$1" "$2" 7 out && more_overflows "$3" || return 1
	on client "ss -Htan 'dport = :$2' | cut -d' ' -f1 | sort | uniq -c
		[ \$(ss -Htan state syn-sent 'dport = :$2' | wc -l) = 7 ] && ! cat /run/waits.$2.* | grep ." &&
		queue "$2" 3 && order "$2" 'accept 10' && all_served "$2" 10
}
full_tcp() { listener 5040 2 && order 5040 'listen 2' && full 2 5040 7; }
# Before the SYNs that come again leave out the SMC option, or after.
full_smc() {
	listener 5041 43 && order 5041 'listen 2' 'accept 3' && known 5041 && queue 5041 0 && full 43 5041 7 &&
		counters client BROKEN=0 && idle
}
full_long() {
	on client 'smcnl peers-flush' && order 5041 'accept 3' && known 5041 && queue 5041 0 && full 43 5041 25 &&
		counters client BROKEN=0 'OPTION_LOST=[1-9][0-9]*' && idle
}
# All at once: there is room for some of the SYNs and not for the ACK behind them, and what
# waits then is the Proposal, longer than a server may take for an answer.
crowd() {
	listener 5044 43 && order 5044 'listen 2' 'accept 3' && known 5044 && queue 5044 0 && start 43 5044 30 crowd &&
		more_overflows 30 && on client '
			sleep 8
			! cat /run/waits.5044.* | grep .' && order 5044 'accept 30' && all_served 5044 30 &&
		counters client BROKEN=0 && idle
}
# A client that does not wait for ever gets TCP's error.
refused() {
	local i
	listener 5042 43 && order 5042 'listen 2' 'accept 3' && on client 'smcnl peers-flush' && known 5042 && queue 5042 0 &&
		listener 5043 2 && order 5043 'listen 2' || return 1
	for i in 1 2 3; do
		start 43 5042 1 "in$i" && queue 5042 "$i" && start 2 5043 1 "in$i" && queue 5043 "$i" || return 1
	done
	on client 'sysctl -q -w net.ipv4.tcp_syn_retries=2 net.ipv4.tcp_syn_linear_timeouts=2
		stream client 43 0 $PEER 5042 1 100 > /run/refused.smc 2>&1 & a=$!
		stream client 2 0 $PEER 5043 1 100 > /run/refused.tcp 2>&1 & wait $a $!
		sysctl -q -w net.ipv4.tcp_syn_retries=6 net.ipv4.tcp_syn_linear_timeouts=4
		cat /run/refused.smc; grep "connect: Connection timed out" /run/refused.tcp && cmp /run/refused.smc /run/refused.tcp' &&
		order 5042 'accept 3' && order 5043 'accept 3' && all_served 5042 3 && all_served 5043 3 && known_again
}
known_again() { order 5042 'accept 4' && on client 'smcnl peers-flush' && known 5042; }

plan 17
check "servers" prepare
check "the listener whose last use is longest ago is forgotten" least_used
check "and the next ones, when there may be fewer" smaller
check "listeners are known, and give out SYN cookies" known_before
told "a round trip more than TCP has, and not another one" astray
check "one that does not wait, one with a mapped address, many" others
told "that is remembered: no round trip more" learnt
check "without SYN cookies they are learnt anew" no_cookies
told "a backlog that changes while clients come" changed
check "proposals are taken from as many SYNs at a time as it says" bound
told "one that is too short, now and then, for them" short
check "one that is switched off takes none after the next listen(2)" switched_off
check "TCP: nobody accepts, seven of ten wait" full_tcp
check "SMC: so they do, and all are served in the end" full_smc
check "also those whose SYNs have left out the SMC option meanwhile" full_long
check "many at once, more than there is room for at any stage" crowd
check "one that does not wait for ever: the error of TCP" refused
finish
