#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What SMC sockets cost where the connection is TCP's after all: requests per
# second by wrk of nginx, throughput by iperf3, the time of connect(2).  TCP,
# this module and the C module in turn, at the client, the server and both, in
# one run.  It prints each value, the medians, and their ratios to TCP's; this
# module fails below 0.97 of what TCP does, or above 1.10 of its connect(2).
# TCP is there twice, under another name the second time: how far that ratio is
# from 1 is what the machine adds.
#
# The other programs are TCP's, as are those of a host without a module; a
# module's have libpreload.so.
#
# hosts: server=none client=none
# limit: 1800
. "$SMC_RS_SELFTESTS/lib/lib.sh"

ROUNDS=${BENCH_ROUNDS:-3}
SECONDS_EACH=${BENCH_SECONDS:-5}
CONNECTS=300

# NAME:MODULE OF THE SERVER:OF THE CLIENT
configs=(
	"TCP:none:none"
	"ours, client:none:smc_rs"
	"ours, server:smc_rs:none"
	"ours, both:smc_rs:smc_rs"
	"C, client:none:smc"
	"C, server:smc:none"
	"C, both:smc:smc"
	"TCP again:none:none"
)
metrics=("keep-alive/s" "connections/s" "Mbit/s" "connect us")
RAW=$SMC_RS_TEST_OUT/raw

# In the guests.
GUEST=$(cat <<'EOF'
# How many AF_SMC sockets there are that are not TCP's, as listeners are.
smc_sockets() { awk '$1 == "SMC" || $1 == "SMC6" {n += $3} END {print n + 0}' /proc/net/protocols; }
none_listens() { ! listening 8080 && ! listening 5201 && ! listening 5000; }

# A module, once the sockets of the last measurement have let go of the other.
next_module() { wait_for 60 modules_out && module_in "$1"; }

# Why a connection of the server's is TCP's, by the kernel.
reasons() { grep -c smc_switch_to_fallback: /sys/kernel/tracing/trace; }
fallback_seen() {
	local enable=/sys/kernel/tracing/events/smc/smc_switch_to_fallback/enable
	echo > /sys/kernel/tracing/trace
	echo 1 > $enable
	"$@"
	echo 0 > $enable
	[ "$(reasons)" -eq 1 ]
}

nginx_config() {
	mkdir -p /tmp/nginx
	printf '0123456789abcdef%.0s' {1..64} > /tmp/nginx/small
	cat > /tmp/nginx/conf <<-END
		daemon off;
		master_process off;
		pid /tmp/nginx/pid;
		events { worker_connections 256; }
		http {
			access_log off;
			client_body_temp_path /tmp/nginx/body;
			proxy_temp_path /tmp/nginx/proxy;
			fastcgi_temp_path /tmp/nginx/fastcgi;
			scgi_temp_path /tmp/nginx/scgi;
			uwsgi_temp_path /tmp/nginx/uwsgi;
			sendfile on;
			keepalive_requests 10000000;
			root /tmp/nginx;
			server { listen $ADDR:8080; }
		}
	END
}
requests() { awk '/^Requests\/sec:/ {n = $2} /Socket errors|Non-2xx/ {bad = 1; print} END {print n + 0; exit bad || !n}'; }
mbits() { awk '/receiver$/ {n = $7} END {print n / 1000; exit !n}'; }
median() { awk '/^connect/ {print $2}' | sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)] + 0; exit !NR}'; }
EOF
)

# What a command has to begin with on a host with this module.
as() { [ "$1" = none ] || echo "LD_PRELOAD=$SMC_RS_PROGS/libpreload.so"; }

# Servers for a module; their sockets are of its kind.
serve() {
	local as
	as=$(as "$1")
	on -t 150 server "$GUEST
		next_module $1 && nginx_config || exit 1
		$as nginx -c /tmp/nginx/conf > /tmp/nginx.log 2>&1 &
		echo \$! > /tmp/pids
		$as iperf3 -s > /tmp/iperf3.log 2>&1 &
		echo \$! >> /tmp/pids
		$as stream-dynamic server 2 0 5000 1000000 > /tmp/stream.log 2>&1 &
		echo \$! >> /tmp/pids
		for port in 8080 5201 5000; do wait_for 30 listening \$port || exit 1; done
		n=\$(smc_sockets)
		echo \"\$n SMC sockets listen\"
		if [ $1 = none ]; then [ \$n -eq 0 ]; else [ \$n -eq 3 ]; fi"
}

unserve() {
	on -t 60 server "$GUEST
		kill \$(cat /tmp/pids) && wait_for 30 none_listens"
}

# The client's values, one per line; before them, that its sockets are its module's.
ask() {
	local as
	as=$(as "$1")
	on -t $((SECONDS_EACH * 3 + 180)) client "$GUEST
		next_module $1 >&2 || exit 1
		one() { $as stream-dynamic client 2 0 \$PEER 5000 1 0; }
		if [ $1 = none ]; then one; else fallback_seen one; fi > /dev/null || { echo 'not an SMC socket'; exit 1; }
		set -o pipefail
		$as wrk -t 1 -c 8 -d ${SECONDS_EACH}s --timeout 60s http://\$PEER:8080/small | requests &&
			$as wrk -t 1 -c 8 -d ${SECONDS_EACH}s --timeout 60s -H 'Connection: close' http://\$PEER:8080/small | requests &&
			$as iperf3 -c \$PEER -t $SECONDS_EACH -f k | mbits &&
			$as stream-dynamic client 2 0 \$PEER 5000 $CONNECTS 0 | median"
}

# measure ROUND CONFIG
measure() {
	local name server client values
	IFS=: read -r name server client <<< "$2"
	serve "$server" || return 1
	mapfile -t values < <(ask "$client")
	unserve || return 1
	printf '%s\n' "${values[@]}"
	[ ${#values[@]} -eq ${#metrics[@]} ] && [[ "${values[*]}" =~ ^[0-9.\ ]+$ ]] || return 1
	echo "$1:$name:$(IFS=:; echo "${values[*]}")" >> "$RAW"
}

# show_raw ROUND CONFIG
show_raw() {
	awk -F: -v round="$1" -v name="$2" '$1 == round && $2 == name {
		printf "# round %d  %-12s %12s %14s %12s %12s\n", $1, $2, $3, $4, $5, $6
	}' "$RAW"
}

# value CONFIG METRIC: the median of its rounds
value() {
	awk -F: -v name="$1" -v col=$(($2 + 3)) '$2 == name {print $col}' "$RAW" |
		sort -n | awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)] + 0}'
}
ratio() { awk -v a="$(value "$1" "$2")" -v b="$(value TCP "$2")" 'BEGIN {if (b) printf "%.3f", a / b; else print "none"}'; }

table() {
	local c name m
	printf '# medians of %d    ' "$ROUNDS"
	printf '%14s  (TCP=1)' "${metrics[@]}"
	echo
	for c in "${configs[@]}"; do
		name=${c%%:*}
		printf '# %-16s' "$name"
		for m in "${!metrics[@]}"; do printf '%14s  %7s' "$(value "$name" "$m")" "$(ratio "$name" "$m")"; done
		echo
	done
}

# as_good CONFIG METRIC: the last one is a time
as_good() {
	local r
	r=$(ratio "$1" "$2")
	echo "$(value "$1" "$2") to TCP's $(value TCP "$2"): $r"
	[ "$r" != none ] && awk -v r="$r" -v time=$(($2 == 3)) 'BEGIN {exit !(time ? r <= 1.10 : r >= 0.97)}'
}

plan $((1 + ROUNDS * ${#configs[@]} + 3 * ${#metrics[@]}))
# Programs are read from the other machine's disk once, and not in round 1.
check "everything runs" measure 0 "${configs[0]}"
: > "$RAW"
printf '# %21s %12s %14s %12s %12s\n' '' "${metrics[@]}"
for ((round = 1; round <= ROUNDS; round++)); do
	for i in "${!configs[@]}"; do
		# Not the same one first, and after the same one, each time.
		c=${configs[(i * (round % 2 ? 1 : ${#configs[@]} - 1) + 2 * round) % ${#configs[@]}]}
		check "round $round: ${c%%:*}" measure "$round" "$c"
		show_raw "$round" "${c%%:*}"
	done
done
table
for c in "${configs[@]:1:3}"; do
	for m in "${!metrics[@]}"; do
		check "${c%%:*}: ${metrics[m]} as TCP" as_good "${c%%:*}" "$m"
	done
done
finish
