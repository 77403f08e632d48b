#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Programs that know TCP only do over SMC sockets what they do over TCP: server
# and client each as they are and under libpreload.so, on hosts without an RDMA
# device.
#
# The kernel says of each SMC socket that becomes a TCP one why it does, and
# counts those that listen: with a preload that does nothing the test fails.
#
# hosts: server=none client=none
# limit: 900
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# In the guests.
GUEST=$(cat <<'EOF'
# How many AF_SMC sockets there are that are not TCP's, as listeners are.
smc_sockets() { awk '$1 == "SMC" || $1 == "SMC6" {n += $3} END {print n + 0}' /proc/net/protocols; }

# redis-tools has the server as well, by the name of a tool.
redis_server() { (exec -a redis-server redis-check-rdb "$@"); }

nginx_config() {
	mkdir -p "/tmp/nginx-$1"
	cat > "/tmp/nginx-$1/conf" <<-END
		daemon off;
		master_process off;
		pid /tmp/nginx-$1/pid;
		events { worker_connections 256; }
		http {
			access_log /tmp/nginx-$1/access;
			client_body_temp_path /tmp/nginx-$1/body;
			proxy_temp_path /tmp/nginx-$1/proxy;
			fastcgi_temp_path /tmp/nginx-$1/fastcgi;
			scgi_temp_path /tmp/nginx-$1/scgi;
			uwsgi_temp_path /tmp/nginx-$1/uwsgi;
			sendfile on;
			keepalive_requests 10000000;
			root /tmp/www;
			server {
				listen $ADDR:$2;
				listen [$ADDR6]:$2;
			}
		}
	END
}

wrk_script() {
	cat > /tmp/wrk.lua <<-'END'
		local want = string.rep("0123456789abcdef", 64)
		local threads = {}
		wrong = 0
		function setup(thread) table.insert(threads, thread) end
		function response(status, headers, body)
			if status ~= 200 or body ~= want then wrong = wrong + 1 end
		end
		function done(summary, latency, requests)
			local e, n = summary.errors, 0
			for _, thread in ipairs(threads) do n = n + thread:get("wrong") end
			print(string.format("requests %d wrong %d errors %d", summary.requests, n,
				e.connect + e.read + e.write + e.status + e.timeout))
		end
	END
}
EOF
)

# What `seq` prints there it prints here.
BIG="seq 1 200000"
BIG_SUM=$($BIG | sha256sum)
BLOB="seq 1 50000"
BLOB_SUM=$($BLOB | sha256sum)
WRK_CONNS=8

# What a command is to begin with to have the sockets of a mode.
as() { [ "$1" = tcp ] || echo "LD_PRELOAD=$SMC_RS_PROGS/libpreload.so"; }

# Where a server of a mode listens: port MODE BASE
port() { [ "$1" = tcp ] && echo "$2" || echo $(($2 + 1)); }

load() {
	both 'module_in smc_rs && echo 1 > /sys/kernel/tracing/events/smc/smc_switch_to_fallback/enable' &&
		on client "$GUEST"$'\n''wrk_script' &&
		on server "mkdir -p /tmp/www && $BIG > /tmp/www/big &&
			printf '0123456789abcdef%.0s' {1..64} > /tmp/www/small"
}

# start NAME MODE PORT COMMAND: a server, and whether its socket is one of MODE.
start() {
	on -t 200 server "$GUEST
		before=\$(smc_sockets)
		$(as "$2") $4 > /tmp/$1-$2.log 2>&1 &
		wait_for 180 listening $3 || { cat /tmp/$1-$2.log; exit 1; }
		more=\$((\$(smc_sockets) - before))
		echo \"\$more more SMC sockets\"
		if [ $2 = tcp ]; then [ \$more -eq 0 ]; else [ \$more -gt 0 ]; fi"
}
start_nginx() {
	on server "$GUEST"$'\n'"nginx_config $1 $(port "$1" 8080)" &&
		start nginx "$1" "$(port "$1" 8080)" "nginx -c /tmp/nginx-$1/conf"
}
start_redis() {
	start redis "$1" "$(port "$1" 6379)" "redis_server --port $(port "$1" 6379) --bind $SERVER \
		--protected-mode no --save '' --appendonly no --dir /tmp"
}
start_iperf3() { start iperf3 "$1" "$(port "$1" 5201)" "iperf3 -s -p $(port "$1" 5201)"; }
start_python() {
	start python "$1" "$(port "$1" 8000)" \
		"/usr/bin/python3 -m http.server $(port "$1" 8000) --bind $SERVER --directory /tmp/www"
}
start_echo() { start echo "$1" "$(port "$1" 7000)" "epoll-echo server $SERVER $(port "$1" 7000)"; }

# The programs: NAME SERVER CLIENT.  Each leaves in $conns how many connections
# there were at least.

# Every answer is what it should be, and the server knows of as many.  A second may be over
# before the first answer on a machine with other things to do.
run_wrk() {
	local out n seconds log=/tmp/nginx-$1/access
	for seconds in 1 10; do
		on server ": > $log" || return 1
		out=$(on -t 120 client "$(as "$2") wrk -t 1 -c $WRK_CONNS -d ${seconds}s --timeout 60s \
			-s /tmp/wrk.lua $3 http://$SERVER:$(port "$1" 8080)/small")
		echo "$out"
		[[ $out =~ requests\ ([0-9]+)\ wrong\ 0\ errors\ 0$ ]] || return 1
		n=${BASH_REMATCH[1]}
		[ "$n" -eq 0 ] || break
	done
	conns=$WRK_CONNS
	[ -z "$3" ] || conns=$n
	# wrk has read and compared n whole answers.  What was under way when its time
	# was over it leaves, and a server that is answering learns of it at any byte.
	[ "$n" -gt 0 ] && on server "
		whole() { grep -c '\" 200 1024 ' $log; }
		enough() { [ \$(whole) -ge $n ]; }
		wait_for 10 enough || exit 1
		echo \"the server: \$(wc -l < $log), whole: \$(whole)\"
		[ \$(wc -l < $log) -le $((n + WRK_CONNS)) ] && ! grep -v '\" 200 [0-9]* ' $log"
}
run_keepalive() { run_wrk "$1" "$2" ''; }
run_close() { run_wrk "$1" "$2" "-H 'Connection: close'"; }

run_redis() {
	local out p cli
	p=$(port "$1" 6379)
	cli="$(as "$2") redis-cli -h $SERVER -p $p"
	conns=40
	out=$(on -t 120 client "
		$cli config resetstat &&
			$(as "$2") redis-benchmark -h $SERVER -p $p -t set,get -n 1000 -c 20 -q 2>&1 | tr '\r' '\n' &&
			$cli info commandstats &&
			$BLOB | $cli -x set blob &&
			$cli --raw get blob | head -c -1 | sha256sum")
	echo "$out"
	grep -q '^SET: [1-9].* requests per second' <<< "$out" &&
		grep -q '^GET: [1-9].* requests per second' <<< "$out" &&
		grep -q '^cmdstat_set:calls=1000,.*rejected_calls=0,failed_calls=0' <<< "$out" &&
		grep -q '^cmdstat_get:calls=1000,.*rejected_calls=0,failed_calls=0' <<< "$out" &&
		! grep -i error <<< "$out" &&
		[ "${out##*$'\n'}" = "$BLOB_SUM" ]
}

# ADDRESS OPTION: the test's connection, and one to talk about it.
run_iperf3() {
	conns=2
	on -t 120 client "$(as "$2") iperf3 -c $3 -p $(port "$1" 5201) -n 8M -J $4" > "$SMC_RS_TEST_OUT/iperf3.json" || {
		cat "$SMC_RS_TEST_OUT/iperf3.json"
		return 1
	}
	python3 - "$SMC_RS_TEST_OUT/iperf3.json" <<-'END'
		import json, sys
		report = json.load(open(sys.argv[1], encoding="utf-8"))
		if "error" in report:
		    sys.exit(report["error"])
		sent, got = (report["end"][s]["bytes"] for s in ("sum_sent", "sum_received"))
		print(sent, "bytes sent,", got, "received")
		sys.exit(not (sent >= 8 << 20 and 0 < got <= sent))
	END
}
run_upload() { run_iperf3 "$1" "$2" "$SERVER" ''; }
run_download() { run_iperf3 "$1" "$2" "$SERVER6" -R; }

# CLIENT URL
run_curl() {
	local out
	conns=1
	out=$(on -t 120 client "$(as "$1") curl -sS -f -g -o /tmp/big '$2' && sha256sum < /tmp/big")
	echo "$out"
	[ "$out" = "$BIG_SUM" ]
}
run_nginx_curl() { run_curl "$2" "http://[$SERVER6]:$(port "$1" 8080)/big"; }
run_python_curl() { run_curl "$2" "http://$SERVER:$(port "$1" 8000)/big"; }

run_echo() {
	local out
	conns=100
	out=$(on -t 120 client "$(as "$2") epoll-echo client $SERVER $(port "$1" 7000) 100 30000")
	echo "$out"
	[ "$out" = "100 connections of 30000 bytes" ]
}

# fell_back HOST NUMBER [REASON]: so many SMC sockets or more became TCP sockets,
# for this reason alone; without a REASON there was none.
fell_back() {
	local seen
	seen=$(on "$1" "sed -n 's/.*smc_switch_to_fallback: .*fallback_rsn=//p' /sys/kernel/tracing/trace | sort | uniq -c") || return 1
	echo "$1: ${seen:-none} (number, reason); expected: $2 ${3:-}"
	[ $# -eq 3 ] || { [ -z "$seen" ]; return; }
	# shellcheck disable=SC2086
	set -- "$2" "$3" $seen
	[ $# -eq 4 ] && [ "$3" -ge "$1" ] && [ "$4" = "$2" ]
}

# Why (include/net/smc_clc.h): the peer has no SMC, it has declined, no device.
PEERNOSMC=50397184 PEERDECL=83886080 NODEVICE=50528256

# program RUN SERVER CLIENT
program() {
	local conns
	both 'echo > /sys/kernel/tracing/trace' && "$1" "$2" "$3" || return 1
	case $2-$3 in
	tcp-tcp) fell_back server 0 && fell_back client 0 ;;
	tcp-smc) fell_back server 0 && fell_back client "$conns" $PEERNOSMC ;;
	# That its listener is an SMC one `start` has seen.
	smc-tcp) fell_back client 0 ;;
	smc-smc) fell_back server "$conns" $PEERDECL && fell_back client "$conns" $NODEVICE ;;
	esac
}

# The C module says of these connections as well why they are TCP's.
says_why() {
	both 'echo > /sys/kernel/tracing/trace' && run_nginx_curl smc tcp && fell_back server 1 $PEERNOSMC
}

programs=(
	"nginx and wrk, keep-alive:keepalive"
	"nginx and wrk, a connection per request:close"
	"nginx and curl, IPv6:nginx_curl"
	"redis-server and redis-benchmark:redis"
	"iperf3:upload"
	"iperf3 -R, IPv6 and a server for both:download"
	"python3 -m http.server and curl:python_curl"
	"epoll, edge-triggered, 100 at once:echo"
)
servers=(nginx redis iperf3 python echo)

# That TCP alone does it as well is shown by one.
plan $((3 + 2 * ${#servers[@]} + 3 * ${#programs[@]}))
check "smc_rs on both hosts" load
for mode in tcp smc; do
	for s in "${servers[@]}"; do
		check "$s listens, $mode" "start_$s" $mode
	done
done
check "${programs[0]%:*}; TCP alone" program "run_${programs[0]##*:}" tcp tcp
for p in "${programs[@]}"; do
	for modes in "tcp smc" "smc tcp" "smc smc"; do
		# shellcheck disable=SC2086
		check "${p%:*}; server and client: $modes" program "run_${p##*:}" $modes
	done
done
check "an SMC server says why a TCP client's connection is TCP's" says_why
finish
