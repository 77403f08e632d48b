#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What SMC sockets cost where the connection is TCP's after all: requests per
# second by wrk of nginx, throughput by iperf3, the time of connect(2) and of a
# whole connection with a request.  TCP sockets, and those of a module at the
# client, at the server and at both; this module, then the C module.
#
# The servers of both kinds of sockets are there at the same time, and each
# round measures TCP and the others within half a minute, for a short while
# each: a machine that is faster at one time than at another is so for all of
# them.  The ratios are those to TCP in the same round, which is there twice;
# what counts is their median.  For the times there is one connection of each kind
# in turn.  This module fails below 0.97 of what TCP does, or above 1.10 of its
# times.  How far the one TCP is from the other is what the machine adds.
#
# SMC sockets are those of TCP programs with libpreload.so.
#
# hosts: server=none client=none
# limit: 1800
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/rounds.sh"

ROUNDS=${BENCH_ROUNDS:-10}
SECONDS_EACH=${BENCH_SECONDS:-2}
CONNECTIONS=200

# NAME:the client's sockets are SMC's:the server's are
kinds=("TCP:0:0" "client:1:0" "server:0:1" "both:1:1" "TCP again:0:0")
metrics=("keep-alive/s" "connections/s" "Mbit/s" "connect us" "connection us")
RATES=3
RAW=$SMC_RS_TEST_OUT/raw

# In the guests.
GUEST="PRELOAD=$SMC_RS_PROGS/libpreload.so"$'\n'$(cat <<'EOF'
as() { [ "$1" = 0 ] || echo "env LD_PRELOAD=$PRELOAD"; }

# How many AF_SMC sockets there are that are not TCP's, as listeners are.
smc_sockets() { awk '$1 == "SMC" || $1 == "SMC6" {n += $3} END {print n + 0}' /proc/net/protocols; }
none_listens() { ! listening 8080 && ! listening 8081; }

# A module, once the sockets of the last measurement have let go of the other.
next_module() { wait_for 60 modules_out && module_in "$1"; }

# Why a connection of the client's is TCP's, by the kernel.
reasons() { grep -c smc_switch_to_fallback: /sys/kernel/tracing/trace; }
fallback_seen() {
	local enable=/sys/kernel/tracing/events/smc/smc_switch_to_fallback/enable
	echo > /sys/kernel/tracing/trace
	echo 1 > $enable
	"$@"
	echo 0 > $enable
	[ "$(reasons)" -eq 1 ]
}

# nginx_config KIND
nginx_config() {
	mkdir -p /tmp/nginx$1
	printf '0123456789abcdef%.0s' {1..64} > /tmp/nginx$1/small
	cat > /tmp/nginx$1/conf <<-END
		daemon off;
		master_process off;
		pid /tmp/nginx$1/pid;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path /tmp/nginx$1/body;
			proxy_temp_path /tmp/nginx$1/proxy;
			fastcgi_temp_path /tmp/nginx$1/fastcgi;
			scgi_temp_path /tmp/nginx$1/scgi;
			uwsgi_temp_path /tmp/nginx$1/uwsgi;
			sendfile on;
			keepalive_requests 10000000;
			root /tmp/nginx$1;
			server { listen $ADDR:808$1; }
		}
	END
}
# The servers of a KIND of sockets, at ports of their own.
servers() {
	local as
	as=$(as $1)
	nginx_config $1
	$as nginx -c /tmp/nginx$1/conf > /tmp/nginx$1.log 2>&1 &
	echo $! >> /tmp/pids
	$as iperf3 -s -p 520$1 > /tmp/iperf3.$1.log 2>&1 &
	echo $! >> /tmp/pids
	$as stream-dynamic server 2 0 500$1 1000000 > /tmp/stream.$1.log 2>&1 &
	echo $! >> /tmp/pids
	for port in 808$1 520$1 500$1; do wait_for 30 listening $port || return 1; done
}

requests() { awk '/^Requests\/sec:/ {n = $2} /Socket errors|Non-2xx/ {bad = 1; print} END {print n + 0; exit bad || !n}'; }
mbits() { awk '/receiver$/ {n = $7} END {print n / 1000; exit !n}'; }
EOF
)

# The module of both hosts, with servers of both kinds.
serve() {
	on -t 100 client "$GUEST
		next_module $1" &&
		on -t 150 server "$GUEST
			next_module $1 && : > /tmp/pids && servers 0 && servers 1 || exit 1
			n=\$(smc_sockets)
			echo \"\$n SMC sockets listen\"
			[ \$n -eq 3 ]"
}
unserve() {
	on -t 60 server "$GUEST
		kill \$(cat /tmp/pids) && wait_for 30 none_listens"
}

# The client's sockets are the module's, and become TCP's.
is_fallback() {
	on -t 60 client "$GUEST
		for port in 5000 5001; do
			fallback_seen \$(as 1) stream-dynamic client 2 0 \$PEER \$port 1 0 || exit 1
		done"
}

# ask CLIENT SERVER: the values, one per line
ask() {
	local n=$SECONDS_EACH
	on -t $((n * 3 + 180)) client "$GUEST
		set -o pipefail
		as=\$(as $1)
		\$as wrk -t 1 -c 8 -d ${n}s --timeout 60s http://\$PEER:808$2/small | requests &&
			\$as wrk -t 1 -c 8 -d ${n}s --timeout 60s -H 'Connection: close' http://\$PEER:808$2/small | requests &&
			\$as iperf3 -c \$PEER -p 520$2 -t $n -f k | mbits"
}

# times: those of each kind, a line each
times() {
	local words='' kind client server
	for kind in "${kinds[@]}"; do
		IFS=: read -r _ client server <<< "$kind"
		words+=" $((client ? 43 : 2)):500$server"
	done
	on -t 180 client "turns \$PEER $CONNECTIONS $words"
}

# once ROUND PREFIX: not the same one first, and after the same one, each time
once() {
	local i name client server n=${#kinds[@]} rates=() rest values
	for i in "${!kinds[@]}"; do
		i=$(((i * ($1 % 2 ? 1 : n - 1) + 2 * $1) % n))
		IFS=: read -r _ client server <<< "${kinds[i]}"
		mapfile -t values < <(ask "$client" "$server")
		printf '%s\n' "${kinds[i]}" "${values[@]}"
		[ ${#values[@]} -eq $RATES ] || return 1
		rates[i]=$(IFS=:; echo "${values[*]}")
	done
	mapfile -t values < <(times)
	printf '%s\n' "${values[@]}"
	[ ${#values[@]} -eq "$n" ] || return 1
	for i in "${!kinds[@]}"; do
		name=${kinds[i]%%:*} rest="${rates[i]}:${values[i]/ /:}"
		[[ $name = TCP* ]] || name="$2, $name"
		[[ $rest =~ ^[0-9.:]+$ ]] || return 1
		echo "$1:$name:$rest" >> "$RAW"
	done
}
show() {
	awk -F: -v round="$1" '$1 == round {
		printf "# round %2d  %-14s %12s %14s %12s %12s %14s\n", $1, $2, $3, $4, $5, $6, $7
	}' "$RAW"
}

# value NAME METRIC: the median of its rounds
value() { awk -F: -v name="$1" -v col=$(($2 + 3)) '$2 == name {print $col}' "$RAW" | middle; }
# ratio NAME METRIC: the median of its ratios to TCP, of which a round has two values; that
# of TCP again is to the other one
ratio() {
	awk -F: -v name="$1" -v col=$(($2 + 3)) '
		$2 == "TCP" || $2 == "TCP again" && name != $2 {tcp[$1] += $col; n[$1]++}
		$2 == name {own[$1] = $col}
		END {for (round in own) if (tcp[round]) print own[round] * n[round] / tcp[round]}' "$RAW" | middle
}

table() {
	local name m
	printf '# %-16s' "$(middles "$ROUNDS")"
	printf '%14s  (TCP=1)' "${metrics[@]}"
	echo
	for name in TCP "ours, "{client,server,both} "C, "{client,server,both} "TCP again"; do
		printf '# %-16s' "$name"
		for m in "${!metrics[@]}"; do printf '%14s  %7s' "$(value "$name" "$m")" "$(ratio "$name" "$m")"; done
		echo
	done
}

# as_good NAME METRIC: those after the rates are times
as_good() {
	local r
	r=$(ratio "$1" "$2")
	echo "$(value "$1" "$2") to TCP's $(value TCP "$2"): $r"
	[ "$r" != none ] && awk -v r="$r" -v time=$(($2 >= RATES)) 'BEGIN {exit !(time ? r <= 1.10 : r >= 0.97)}'
}

# The C module's are for comparison.
C_ROUNDS=$(((ROUNDS + 2) / 3))
plan $((6 + ROUNDS + C_ROUNDS + 3 * ${#metrics[@]}))
: > "$RAW"
check "servers, with this module" serve smc_rs
check "its connections become TCP's" is_fallback
# Programs are read from the other machine's disk once, and not in a round that counts.
check "everything runs" once 0 ours
: > "$RAW"
printf '# %23s %12s %14s %12s %12s %14s\n' '' "${metrics[@]}"
for ((round = 1; round <= ROUNDS; round++)); do
	check "round $round, this module" once "$round" ours
	show "$round"
done
check "the C module in its place" eval 'unserve && serve smc'
check "its connections become TCP's, too" is_fallback
for ((; round <= ROUNDS + C_ROUNDS; round++)); do
	check "round $round, the C module" once "$round" C
	show "$round"
done
check "all servers end" unserve
table
for name in "ours, "{client,server,both}; do
	for m in "${!metrics[@]}"; do
		check "$name: ${metrics[m]} as TCP" as_good "$name" "$m"
	done
done
finish
