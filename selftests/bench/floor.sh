#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What is left of TCP's connections per second where each has the frames of a short
# connection of SMC, and nothing has to be done for them but to send them and to wait: by
# progs/floor.c, one and ten at a time, on the bare wire and with an RTT of 10 ms.  And what
# is left with this module, by the same program.  Much more than what the frames leave is not
# for any SMC to reach with such a device, whose every frame is made by the hosts'
# processors.  A little may be: the program is one of user space, whose calls for verbs cost
# more than a kernel's, and it has an ACK more.
#
# It fails where the program does not have the frames that it is to stand for: of RDMA as
# many as a connection of this module, and of TCP not more than one in addition.
#
# hosts: server=smc_rs client=smc_rs
# limit: 1200
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
. "$SMC_RS_SELFTESTS/lib/rounds.sh"

ROUNDS=${BENCH_ROUNDS:-5}
SECONDS_EACH=${BENCH_SECONDS:-2}
RAW=$SMC_RS_TEST_OUT/raw
PORT=7000

load() { on -t "$1" client ". \$SMC_RS_LIB/load.sh; $2"; }

prepare() { devices && both 'sysctl -q -w net.ipv4.tcp_fastopen=3 net.smc.fastopen=3'; }

delay() { both ". \$SMC_RS_LIB/load.sh; load_delay $1"; }

# run KIND N: connections, and in how many seconds; then the frames of all of them
run() {
	on server "floor $1 server \$ADDR $2 > /run/floor 2>&1 & wait_listen $((PORT + $2 - 1))" || return 1
	load 60 "a=(\$(load_frames)); floor $1 client \$PEER $2 $SECONDS_EACH || exit; sleep 0.5
		b=(\$(load_frames)); echo frames \$((b[1] - a[1])) \$((b[2] - a[2]))"
	local status=$?
	on server 'pkill -x floor; wait_for 20 sh -c "! pgrep -x floor"'
	return $status
}

measure() {
	local round wire kind n out value
	for ((round = 1; round <= ROUNDS; round++)); do
		for wire in 0 5; do
			delay $wire || return 1
			for n in 1 10; do
				for kind in tcp rdma smc; do
					out=$(run $kind $n)
					value=$(awk '$2 == "connections" && $4 > 0 {printf "%.1f", $1 / $4}' <<< "$out")
					[ -n "$value" ] || { echo "$kind, $n: $out"; return 1; }
					echo "$round:$kind:$n:$wire:$value" >> "$RAW"
				done
			done
		done
	done
	delay 0 && on client '! smcnl dump fback-stats | grep "CLNT_CNT=[1-9]"'
}

# median KIND N WIRE
median() { awk -F: -v k="$1" -v n="$2" -v w="$3" '$2 == k && $3 == n && $4 == w {print $5}' "$RAW" | middle; }

# line WHAT KIND N: connections/s of TCP and of the kind, the ratio, and how many
# milliseconds more a connection takes
line() {
	local wire
	printf '# %-34s' "$1"
	for wire in 0 5; do
		awk -v a="$(median tcp "$3" $wire)" -v b="$(median "$2" "$3" $wire)" -v n="$3" 'BEGIN {
			if (!(a * b)) {printf "%9s", "none"; exit}
			printf "%9.1f %7.1f %6.3f %6.2f", a, b, b / a, 1000 * n * (1 / b - 1 / a) }'
	done
	echo
}
table() {
	local n
	echo "# connections/s, $(middles "$ROUNDS"), and milliseconds more than TCP's"
	printf '# %-34s%9s %7s %6s %6s%9s %7s %6s %6s\n' "" "bare: TCP" "" ratio ms "10ms: TCP" "" ratio ms
	for n in 1 10; do
		line "the frames alone, $n at a time" rdma $n
		line "this module, $n at a time" smc $n
	done
}

# Of one connection, to a tenth: all, and those of RDMA.
per_connection() { awk -v n="$1" '$1 == "frames" {printf "%.1f %.1f", $2 / n, $3 / n}'; }
frames() {
	local out kind theirs ours
	for kind in rdma smc; do
		out=$(run $kind 1) || { echo "$out"; return 1; }
		ours=$(per_connection "$(awk '$2 == "connections" {print $1}' <<< "$out")" <<< "$out")
		[ $kind = smc ] || theirs=$ours
	done
	echo "frames of a connection, and those of RDMA: alone $theirs, with this module $ours" |
		tee "$SMC_RS_TEST_OUT/figures"
	awk -v theirs="$theirs" -v ours="$ours" 'BEGIN {
		split(theirs, t, " "); split(ours, o, " "); d = t[2] - o[2]
		exit !(o[2] > 0 && d * d < 0.25 && t[1] < o[1] + 1.5) }'
}

plan 3
check "both hosts are ready" prepare
told "a connection of the program has the frames of one of this module" frames
check "all have their connections, and those of SMC are over RDMA" measure
table
finish
