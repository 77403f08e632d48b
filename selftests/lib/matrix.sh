# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What two hosts do with each other over SMC-R, whichever has which module, in groups
# of one link and in such as may have two: a case fails unless both hosts have counted
# each of its connections over RDMA and none that fell back.

# shellcheck source=/dev/null
. "$SMC_RS_SELFTESTS/lib/data.sh"

# Links that groups may have: LINKS=1 for these alone.
LINKS=${LINKS:-1 2}
LATER=50
BULK=$((64 << 20)) LOSSY=$((4 << 20))
RINGS="16384 32768 65536 131072 262144 524288 1048576"
ECHO_PORT=6000 SWARM_PORT=6001 LONG_PORT=6002
CROWD=50 FLOWS=60 FLOW_TIME=240

# ---- what is there ----

# modules SERVER CLIENT LINKS: both hosts as they begin, with groups of so many links
modules() {
	both 'ended flows stream swarm; wait_for 40 modules_out' &&
		on server "module_in $1" && on client "module_in $2" && devices &&
		both "sysctl -q -w net.smc.smcr_max_links_per_lgr=$3" || return 1
	echo "$FIRST_PORT" > "$SMC_RS_TEST_OUT/port"
	serve && on server "
		stream server 43 0 $ECHO_PORT 100000 > /run/echo 2>&1 &
		swarm server 43 0 $SWARM_PORT 8 > /run/swarm 2>&1 &
		wait_listen $ECHO_PORT && wait_listen $SWARM_PORT"
}

count() { on "$1" 'smcnl dump stats' | sed -n "s/.* SMCR\.$2=\([0-9]*\).*/\1/p"; }
fallbacks() { on "$1" 'smcnl dump fback-stats' | grep 'CNT=[1-9]'; }
# Identities of the link groups, as both hosts name them.
groups() { local h; for h in server client; do on $h 'smcnl dump lgr-smcr' | sed -n 's/^lgr-smcr ID=\([0-9]*\) .*/\1/p'; done | xargs; }

# smcr N COMMAND...: it makes N connections, all of them SMC-R, and succeeds
smcr() {
	local n=$1 s c before after status
	shift
	before=$(fallbacks server; fallbacks client)
	s=$(count server SRV_V2_SUCC) c=$(count client CLNT_V2_SUCC)
	"$@"
	status=$?
	s=$(($(count server SRV_V2_SUCC) - s)) c=$(($(count client CLNT_V2_SUCC) - c))
	after=$(fallbacks server; fallbacks client)
	[ $s -eq "$n" ] && [ $c -eq "$n" ] && [ "$before" = "$after" ] || {
		echo "of $n connections the server has counted $s over RDMA, the client $c"
		echo "fallbacks before: $before, after: $after"
		return 1
	}
	return $status
}

# ---- cases ----

# held COMMAND: with a connection that is open, and done with its bytes
held() {
	on client "stream client 43 0 \$PEER $ECHO_PORT 1 1000 8 > /run/held 2>&1 & wait_for 30 grep connect /run/held" || return 1
	eval "$1"
	local status=$?
	on client 'wait_for 20 sh -c "! pgrep -x stream"' && return $status
}

# first_contact LINKS: as sock_diag of both hosts has it; in one group of one link, that
# may have so many.
first_contact() {
	held "
		for h in server client; do
			on \$h 'smcnl sockets | grep -v STATE=10; smcnl dump link-smcr' | tee \"\$SMC_RS_TEST_OUT/first-\$h\"
		done
		for h in server client; do
			grep -q 'MODE=SMCR .*:$ECHO_PORT ' \"\$SMC_RS_TEST_OUT/first-\$h\" &&
				grep -qE '^lgr-smcr .*V2.MAX_LINKS=$1( |\$)' \"\$SMC_RS_TEST_OUT/first-\$h\" &&
				[ \$(grep -c '^link-smcr' \"\$SMC_RS_TEST_OUT/first-\$h\") = 1 ] || return 1
		done"
}

# second_link YES|NO: a server with the C module wants one of clients that have agreed to
# two; the C module has no port for it here, this one agrees to one only. An ADD LINK is
# an RDMA send that begins with 22, and its flags tell whether it is a refusal.
second_link() {
	local asked refused
	wire 'udp.dstport == 4791 && udp.payload[0] == 04 && udp.payload[12] == 22' udp.payload > "$SMC_RS_TEST_OUT/add-link"
	asked=$(grep -cE '^.{30}0' "$SMC_RS_TEST_OUT/add-link") refused=$(grep -cE '^.{30}[c-f]' "$SMC_RS_TEST_OUT/add-link")
	echo "second links: $asked asked for, $refused refused"
	if [ "$1" = YES ]; then
		[ "$asked" -ge 1 ] && [ "$refused" -ge 1 ]
	else
		[ ! -s "$SMC_RS_TEST_OUT/add-link" ]
	fi && [ "$(groups | wc -w)" = 2 ]
}

# So many, one after the other, in the group that is there.
later() {
	local before
	before=$(groups)
	on -t 300 client "stream client 43 0 \$PEER $ECHO_PORT $LATER 1000 > /run/later && [ \$(grep -c connect /run/later) = $LATER ]" &&
		echo "groups $before, then $(groups)" && [ "$(wc -w <<< "$before")" = 2 ] && [ "$(groups)" = "$before" ]
}

# ring BYTES: messages around the size of the rings
ring() {
	both "sysctl -q -w net.smc.rmem=$1 net.smc.wmem=$1" &&
		held "on client 'smcnl sockets' | tee /dev/stderr | grep -q 'MODE=SMCR .*:$ECHO_PORT .* SNDBUF=$1 RMBE=$1 PEER_RMBE=$1 '" &&
		flows pingpong 1 $(($1 - 1)) "$1" $(($1 + 1))
}

# New memory is not to be needed on a bad wire: when soft-RoCE sends again what was
# lost, it repeats the registration of memory behind it as well, and ends the link.
lost() { on "$1" 'tc -s qdisc show dev eth0' | sed -n 's/.*dropped \([0-9]*\).*/\1/p'; }
# Requests that soft-RoCE found to be out of order.
disorder() { on "$1" 'cat /sys/class/infiniband/rxe0/ports/1/hw_counters/out_of_seq_request'; }

# bad_wire NETEM BYTES: connections one after the other, and bytes both ways at once
bad_wire() {
	local s c status
	s=$(disorder server) c=$(disorder client)
	both "tc qdisc replace dev eth0 root netem $1 limit 100000" && later && flows bulk "$2"
	status=$?
	s=$(($(disorder server) - s)) c=$(($(disorder client) - c))
	echo "frames lost: of the server $(lost server), of the client $(lost client); out of order at the server $s, at the client $c" |
		tee -a "$SMC_RS_TEST_OUT/figures"
	[ $s -gt 0 ] && [ $c -gt 0 ] || status=1
	[[ $1 != loss* ]] || { [ "$(lost server)" -gt 0 ] && [ "$(lost client)" -gt 0 ]; } || status=1
	both 'tc qdisc del dev eth0 root'
	return $status
}

# Short connections all the time, and one with bytes that never end.
load() {
	on server "stream server 43 0 $LONG_PORT 1 > /run/long 2>&1 & wait_listen $LONG_PORT" &&
		on client "rm -f /run/stop
			stream client 43 0 \$PEER $LONG_PORT 1 1000000000000 > /run/long 2>&1 &
			while [ ! -e /run/stop ]; do swarm client 43 0 \$PEER $SWARM_PORT 40 8 100; done > /run/load 2>&1 &
			busy() { ss -Htn 'dport = :$LONG_PORT' | grep -q ESTAB && grep -q '^40 connections' /run/load; }
			wait_for 40 busy"
}
rest() { on -t 100 client 'touch /run/stop; wait_for 90 sh -c "! pgrep -x swarm"; sort /run/load | uniq -c'; }
# The long connection has ended, at both ends.
long_over() { both "over() { ! ss -Htn 'sport = :$LONG_PORT or dport = :$LONG_PORT' | grep ESTAB && ! pgrep -xf 'stream .* $LONG_PORT 1.*'; }
	wait_for 40 over || { ss -Htn; ps ax | grep stream; smcnl sockets | grep -v STATE=10; exit 1; }"; }

# device_goes HOST: under load, and comes again
device_goes() {
	local status=1 f
	load && [ "$(count server SRV_V2_SUCC)" -gt 40 ] &&
		on -t 60 "$1" 'rdma link delete rxe0' && long_over &&
		on client 'n=$(grep -c "^40 connections have worked" /run/load)
			more() { [ $(grep -c "^40 connections have worked" /run/load) -gt $n ]; }
			wait_for 40 more' &&
		f=$(fallbacks client) && on "$1" rxe_up && sleep 2 && status=0
	echo "fell back meanwhile: $f"
	rest | tee /dev/stderr | grep -E 'other bytes|bytes behind' && return 1
	[ $status = 0 ]
}
# All is as it was.
recovers() {
	local s
	s=$(count server SRV_V2_SUCC)
	on -t 100 client "swarm client 43 0 \$PEER $SWARM_PORT 40 8 100" &&
		[ $(($(count server SRV_V2_SUCC) - s)) -eq 40 ] &&
		both 'quiet() { ! smcnl dump lgr-smcr | grep "CONNS_NUM=[1-9]"; }; wait_for 40 quiet || { smcnl dump lgr-smcr; smcnl sockets; exit 1; }'
}

# What is left of it tells who is to blame. The C module loses sockets where it is told of
# a link's end in the wrong way (protocol.rst): that it goes is what shows the right one.
unload() {
	local host
	both 'ended flows stream swarm; wait_for 40 modules_out' && return
	for host in server client; do
		echo "$host:"
		on $host 'lsmod; smcnl sockets; smcnl dump lgr-smcr; ss -Htn state connected exclude time-wait
			for p in /proc/[0-9]*; do ! grep -q smc $p/stack || { cat $p/comm; cat $p/stack; }; done'
	done
	return 1
}

# expires SERVER CLIENT: what this module keeps for a short time goes, at both ends
expires() {
	local idle=2
	! on_debug_kernel server || idle=15
	[ "$1" = smc ] || on server "sysctl -q -w net.smc.lgr_idle_time=$idle" || return 1
	[ "$2" = smc ] || [ "$1" = smc_rs ] || on client 'sysctl -q -w net.smc.lgr_idle_time=0' || return 1
	both 'rdma link delete rxe0; rxe_up' && held true && [ "$(groups | wc -w)" = 2 ] &&
		both 'none() { ! smcnl dump lgr-smcr | grep -q CONNS_NUM=; }; wait_for 40 none || { smcnl dump lgr-smcr; exit 1; }'
}

# matrix_tests SERVER CLIENT: the modules that these have
matrix_tests() {
	local links size n agreed wanted host module
	[ "$1" = smc_rs ] || C_HOST=1 C_SERVER=1
	[ "$2" = smc_rs ] || C_HOST=1 C_CLIENT=1
	plan $(($(wc -w <<< "$LINKS") * (16 + $(wc -w <<< "$RINGS")) + 6))
	for links in $LINKS; do
		n="links $links:" agreed=1 wanted=NO
		[ "$links$1$2" != 2smcsmc ] || agreed=2 wanted=YES
		# Ports that nobody has used yet.
		FIRST_PORT=$((5001 + 200 * links)) CROWD_PORT=$((5100 + 200 * links))
		check "$n modules, devices, servers" modules "$1" "$2" $links
		check "$n first contact" smcr 1 first_contact "$agreed"
		check "$n the group stays single" second_link "$wanted"
		check "$n $LATER connections one after the other, in the same group" smcr $LATER later
		check "$n $CROWD at once" smcr $CROWD crowd
		check "$n 64 MiB both ways" smcr 1 flows bulk $BULK
		for size in $RINGS; do check "$n messages around rings of $size bytes" smcr 5 ring "$size"; done
		check "$n half close" smcr 1 flows half 300000
		check "$n the client resets the connection" smcr 1 flows abort 1000
		check "$n the server does" smcr 1 flows rabort 100000
		check "$n urgent data of the client" smcr 1 flows urgent -
		check "$n of the server" smcr 1 flows rurgent -
		check "$n all of it over RDMA, as the wire has it" over_rdma
		check "$n rings as they were" both 'sysctl -q -w net.smc.rmem=65536 net.smc.wmem=65536'
		told "$n one frame in a hundred is lost, each way" smcr $((LATER + 1)) bad_wire 'loss 1%' $LOSSY
		told "$n frames overtake others, each way" smcr $((LATER + 1)) bad_wire 'delay 3ms reorder 2%' $LOSSY
		if [ "$1$2" = smcsmc ]; then
			skip "$n a group without connections goes" "the C module keeps it for ten minutes"
		else
			check "$n a group without connections goes" smcr 1 expires "$1" "$2"
		fi
	done
	for host in client server; do
		[ $host = client ] && module=$2 || module=$1
		if [ "$module" = smc ]; then
			skip "the $host's device goes under load" "the C module may wait for ever for what it has on its way"
			skip "it is back" "the same"
		else
			check "the $host's device goes under load" device_goes $host
			check "it is back" recovers
		fi
	done
	check "a message each way" held true
	check "the modules can be unloaded" unload
	finish
}
