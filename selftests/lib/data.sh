# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of the data path have in common: bytes in all ways between two hosts
# that have SMC, over RDMA; the last case fails if bytes went over TCP.

# Bytes in TCP of a connection over RDMA, at most: the handshake's.
CLC_BYTES=1000

# One host, the server, the client has the C module, which does not do all that is tested.
C_HOST= C_SERVER= C_CLIENT=

# The UEID is the one that ours has from the start.
devices() { both 'rxe_up && { loaded smc_rs || smcnl ueid-add SMCV2-DEFAULT-UEID; }'; }

# Ports of flows that are yet to come; the server of each waits from the start.
FIRST_PORT=5001 FLOWS=40 CROWD=20 CROWD_PORT=5100
# Seconds that one of them may take.
FLOW_TIME=60

# serve: a server for each flow, and one for many connections at once
serve() {
	on -t 60 server "
		serve() {
			${C_HOST:+FLOWS_C=1} ${C_SERVER:+FLOWS_C_HERE=1} timeout 1500 flows server 43 0 \$1 \$2 > /run/flows.\$1 2>&1
			echo \$? > /run/flows.\$1.status
		}
		for p in {$FIRST_PORT..$((FIRST_PORT + FLOWS - 1))}; do serve \$p 1 & done
		serve $CROWD_PORT $CROWD &
		all() { [ \$(ss -Hltn 'sport >= :$FIRST_PORT and sport <= :$CROWD_PORT' | wc -l) -eq $((FLOWS + 1)) ]; }
		wait_for 50 all"
}

# What the servers of ports have to say, and whether they are content.
served() {
	on -t 60 server "
		for p in $*; do
			wait_for 20 test -s /run/flows.\$p.status; cat /run/flows.\$p
			read -r s < /run/flows.\$p.status; [ \"\$s\" = 0 ] || { echo \"the server: \$s\"; exit 1; }
		done"
}

# flows TEST ARG...: a connection for each ARG, client to server, one after the other;
# cases are subshells, so that the next port is in a file
flows() {
	local test=$1 next=$FIRST_PORT ports status
	shift
	[ ! -e "$SMC_RS_TEST_OUT/port" ] || read -r next < "$SMC_RS_TEST_OUT/port"
	ports=$(seq "$next" $((next + $# - 1)) | xargs)
	echo $((next + $#)) > "$SMC_RS_TEST_OUT/port"
	on -t $((140 + FLOW_TIME)) client "
		p=$next
		for arg in $*; do
			[ \$arg != - ] || arg=
			${C_HOST:+FLOWS_C=1} ${C_CLIENT:+FLOWS_C_HERE=1} timeout $FLOW_TIME flows client 43 0 \$PEER \$p $test \$arg || { echo \"$test \$arg, the client: \$?\"; exit 1; }
			p=\$((p + 1))
		done"
	status=$?
	served "$ports" && return $status
}

# so many at once
crowd() {
	on -t 100 client "
		for i in {1..$CROWD}; do timeout 90 flows client 43 0 \$PEER $CROWD_PORT bulk 100000 & pids+=(\$!); done
		for p in \${pids[@]}; do wait \$p || exit 1; done" && served $CROWD_PORT
}

# That each byte of those flows went by RDMA: TCP had the handshakes', and no more.
over_rdma() {
	wire "tcp.port in {$FIRST_PORT..$CROWD_PORT}" tcp.srcport tcp.dstport tcp.len |
		awk -v most=$CLC_BYTES -v crowd=$CROWD_PORT -v n=$CROWD -v last="$(cat "$SMC_RS_TEST_OUT/port")" '
		{ port = $1 >= '$FIRST_PORT' && $1 <= crowd ? $1 : $2; bytes[port] += $3 }
		END {
			for (port in bytes) {
				limit = most * (port == crowd ? n : 1)
				if (bytes[port] < 100 || bytes[port] >= limit) {
					print "port " port ": " bytes[port] " bytes in TCP"
					bad = 1
				}
			}
			print length(bytes) " ports of " last - '$FIRST_PORT' + 1
			exit bad || length(bytes) != last - '$FIRST_PORT' + 1
		}'
}

# Of what has gone through here buffers were made and used again, calls were larger
# than buffers, and nobody has broken the protocol.
counted() {
	both 'smcnl dump stats > /run/stats; cat /run/stats
		for n in TX_RMB_STATS.{ALLOC,REUSE,SIZE_SM,SIZE_SM_PEER}_CNT RX_RMB_STATS.{ALLOC,REUSE}_CNT; do
			grep -q " SMCR.$n=[1-9]" /run/stats || { echo "no $n"; exit 1; }
		done
		! grep -q ATTR /run/stats'
}

data_tests() {
	local bulk=8388608 mega=1048576 big=2000000
	# In the debug kernel it is about splats and leaks.
	! on_debug_kernel server || bulk=1000000 mega=200000 big=200000 CROWD=5
	plan 22
	check "soft-RoCE devices and a common UEID" devices
	check "servers" serve
	check "messages there and back, small" flows pingpong 1 2 1000
	check "messages there and back, around 16 KiB" flows pingpong 16383 16384 16385
	check "messages there and back, around 64 KiB" flows pingpong 65535 65536 65537
	check "messages there and back, around 128 KiB, and 1 MiB" flows pingpong 131071 131072 131073 $mega
	check "both directions at once, 8 MiB" flows bulk $bulk
	check "half close: the other direction goes on" flows half 300000
	check "the client resets the connection" flows abort 1000
	check "the server resets the connection" flows rabort 100000
	check "urgent data" flows urgent -
	check "peek, wait for all, timeouts, SO_RCVLOWAT" flows peek -
	check "splice(2) there and back" flows splice 1000000
	if [ -n "$C_SERVER" ]; then
		skip "tee(2) of what was spliced" "not with the C module"
	else
		check "tee(2) of what was spliced" flows relay 1000000
	fi
	check "sendfile(2)" flows sendfile $big
	check "memory that is not there yet, and where there is none" flows absent 300000
	check "poll(2), and nothing else that waits" flows poll $big
	check "cork, queues, what poll(2) says at the end" flows options -
	check "a client that is killed" flows kill -
	check "$CROWD connections at once" crowd
	check "buffers in the statistics" counted
	check "all of it over RDMA" over_rdma
	finish
}
