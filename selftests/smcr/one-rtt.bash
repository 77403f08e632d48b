# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of proposals in SYNs have in common.

# Both hosts can, and have no cookie of a test before.
ready() { both 'rm -f /run/swarm.*; sysctl -q -w net.ipv4.tcp_fastopen=3 && ip tcp_metrics flush && rxe_up'; }

# serve PORT FAMILY: an echo server
serve() { on server "stream server $2 0 $1 100000 > /dev/null 2>&1 & wait_listen $1"; }

# talk PORT [FAMILY]: a connection and bytes there and back, compared
talk() { on client "stream client ${2:-43} 0 \$PEER $1 1 100"; }

# counters HOST NAME=REGEX...: what that host has counted
counters() {
	local host=$1 line c
	shift
	line=$(on "$host" 'smcnl dump fastopen')
	echo "$host: $line"
	for c in "$@"; do
		grep -qE " $c( |\$)" <<<"$line" || { echo "not $c"; return 1; }
	done
}

# counted HOST NAME: one of them
counted() { on "$1" 'smcnl dump fastopen' | sed -n "s/.* $2=\([0-9]*\).*/\1/p"; }

# known PORT: connections until one has had its proposal in the SYN
known() {
	local taken
	taken=$(counted client TAKEN)
	talk "$1" && talk "$1" && talk "$1" && [ "$(counted client TAKEN)" -gt "$taken" ]
}

# peers HOST REGEX: whom that host knows
peers() { on "$1" 'smcnl dump peers' | tee /dev/stderr | grep -E "$2"; }

# No connection of either host was TCP's in the end.
rdma_alone() { both 'smcnl dump fback-stats; ! smcnl dump fback-stats | grep -q "CNT=[1-9]"'; }

# Payloads in SYNs to a port, all that were seen.
syn_payloads() { wire "tcp.dstport == $1 && tcp.flags.syn == 1 && tcp.flags.ack == 0 && tcp.len > 0" tcp.len | wc -l; }

# In the debug kernel a connection takes 50 ms without a wire.
slow_wire() { ! on_debug_kernel server || RTT=400000; }
delay() { both "tc qdisc replace dev eth0 root netem delay $((RTT / 2))us"; }
no_delay() { both 'tc qdisc del dev eth0 root'; }

# rtts FAMILY PORT N: so many connections, 5 bytes there and back
rtts() { on client "stream client $1 0 \$PEER $2 $3 5" | tee "$SMC_RS_TEST_OUT/rtts"; }

# rtts_each FAMILY ADDR PORT...: one to each of these; FAMILY may have a PROTO with it
rtts_each() {
	[[ $1 == *" "* ]] || set -- "$1 0" "${@:2}"
	on client "for p in ${*:3}; do stream client $1 $2 \$p 1 5 || exit; done" | tee "$SMC_RS_TEST_OUT/rtts"
	return "${PIPESTATUS[0]}"
}

# within MIN MAX MIN MAX: round trips of RTT microseconds, to connect() and to the first
# answer; the fastest of each, since the machine may be slow now and then
RTT=100000
within() {
	awk -v a="$1" -v b="$2" -v c="$3" -v d="$4" -v rtt=$RTT '
		/^connect/ { if (!n || $2 / rtt < x) x = $2 / rtt; if (!n++ || $4 / rtt < y) y = $4 / rtt }
		END { printf "connect %.2f round trips, first byte %.2f\n", x, y
		      exit !(n && x >= a && x < b && y >= c && y < d) }' "$SMC_RS_TEST_OUT/rtts" |
		tee -a "$SMC_RS_TEST_OUT/figures"
	[ "${PIPESTATUS[0]}" -eq 0 ]
}

frames_so_far() { wire frame frame.number | tail -n 1; }

# frames_since NUMBER: a line each
frames_since() {
	on --pcap "$SMC_RS_TEST_OUT/wire.pcap" &&
		tshark -r "$SMC_RS_TEST_OUT/wire.pcap" -Y "frame.number > $1" 2>/dev/null
}

# Both hosts have no connection any more, of no kind, in no state but TIME_WAIT.
idle() {
	both 'idle() {
			! smcnl dump lgr-smcr | grep -q "CONNS_NUM=[1-9]" &&
				! ss -Htan | grep -qvE "^(LISTEN|TIME-WAIT)"
		}
		wait_for 30 idle || { ss -Htan | grep -v TIME-WAIT; smcnl dump lgr-smcr; smcnl sockets; exit 1; }
		! cat /run/swarm.* 2> /dev/null | grep .'
}
