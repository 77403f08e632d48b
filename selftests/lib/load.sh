# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Functions for guests that serve and load: nginx on the one, wrk on the other.
# What a script of `make demo` runs in them (harness/demo/stage.py).

LOAD_PORT=8080 ECHO_PORT=5000 IDLE_PORT=5002
LOAD=/tmp/load

# load_host MODULE [FASTOPEN]: a host as each row begins with it
load_host() {
	guest_end_test && guest_reset && module_in "$1" || return 1
	# All rows alike: what is measured must not be that ports are missing, or that TCP
	# has no room for connections that have ended, and resets them then.  A small
	# machine has little of it.
	sysctl -q -w net.ipv4.tcp_fastopen=3 net.ipv4.ip_local_port_range='1024 65535' \
		net.ipv4.tcp_tw_reuse=1 net.ipv4.tcp_max_tw_buckets=262144 \
		net.ipv4.tcp_max_orphans=262144 && ip tcp_metrics flush
	# Soft-RoCE takes a frame that its own host drops for the end of the link.
	ip link set eth0 txqueuelen 32767 || return 1
	[ "$1" != none ] || return 0
	rxe_up || return 1
	[ "$1" != smc ] || smcnl ueid-add SMCV2-DEFAULT-UEID || return 1
	[ -z "${2:-}" ] || sysctl -q -w net.smc.fastopen="$2"
}

nginx_config() {
	mkdir -p $LOAD
	printf 'Hello, world.\n' > $LOAD/index.html
	cat > $LOAD/conf <<-END
		daemon off;
		user root;
		worker_processes auto;
		worker_rlimit_nofile 65536;
		error_log $LOAD/error.log;
		pid $LOAD/pid;
		events { worker_connections 16384; }
		http {
			access_log off;
			client_body_temp_path $LOAD/body;
			proxy_temp_path $LOAD/proxy;
			fastcgi_temp_path $LOAD/fastcgi;
			scgi_temp_path $LOAD/scgi;
			uwsgi_temp_path $LOAD/uwsgi;
			root $LOAD;
			server { listen $ADDR:$LOAD_PORT backlog=65535; }
		}
	END
}

# load_serve FAMILY PRELOAD: nginx, an echo server, one of idle connections.
# PRELOAD makes sockets of TCP into those of SMC, and is empty for TCP.
load_serve() {
	ulimit -n 65536
	nginx_config
	LD_PRELOAD=$2 nginx -c $LOAD/conf > $LOAD/nginx.log 2>&1 &
	stream server "$1" 0 $ECHO_PORT 1000000 > $LOAD/stream.log 2>&1 &
	LD_PRELOAD=$2 epoll-echo server "$ADDR" $IDLE_PORT > $LOAD/idle.log 2>&1 &
	wait_listen $LOAD_PORT && wait_listen $ECHO_PORT && wait_listen $IDLE_PORT ||
		{ cat $LOAD/*.log; return 1; }
}

# What an SMC module has counted; nothing without one.
load_counters() {
	[ "$1" != none ] || return 0
	smcnl dump stats && smcnl dump fback-stats || return 1
	[ "$1" != smc_rs ] || smcnl dump fastopen
}

# Until connections of a load that has ended are closed at both ends; half a minute
# at most, as what is measured next need not wait for ever.
load_busy() { ss -Htan "( sport = :$1 or dport = :$1 )" | grep -qvE '^(LISTEN|TIME-WAIT)'; }
load_quiet() {
	local end=$((SECONDS + 30))
	while load_busy "${1:-$LOAD_PORT}" && [ $SECONDS -lt $end ]; do sleep 0.3; done
}

# Where proposals go in SYNs nginx is known to take them, whatever has happened to the
# connections that were measured before.
load_known() {
	local i
	[ "$1" = smc_rs ] && [ $(($(sysctl -n net.smc.fastopen) & 1)) -eq 1 ] || return 0
	smcnl dump peers | grep -q "PORT=$LOAD_PORT STATE=2 " || return 0
	smcnl peers-flush
	for i in 1 2; do LD_PRELOAD=$2 curl -s -o /dev/null "http://$PEER:$LOAD_PORT/"; done
}

# load_cell MODULE PRELOAD CONNECTIONS THREADS SECONDS
load_cell() {
	ulimit -n 65536
	load_quiet
	load_known "$1" "$2"
	echo "=== before"
	load_counters "$1"
	echo "=== wrk"
	# The machine may be slow.  More than this wrk has no memory for, in such a guest.
	LD_PRELOAD=$2 wrk -c "$3" -t "$4" -d "${5}s" --timeout 60s -H 'Connection: close' \
		"http://$PEER:$LOAD_PORT/" 2>&1
	echo "=== status $?"
	load_counters "$1"
}

# Frames that went over eth0 so far, and those of RDMA among them.
load_frames() {
	local total=0 rdma=0 f n
	for f in /sys/class/net/eth0/statistics/[rt]x_packets; do read -r n < "$f" && total=$((total + n)); done
	for f in /sys/class/infiniband/rxe0/ports/1/hw_counters/{sent,rcvd}_pkts; do
		[ ! -e "$f" ] || { read -r n < "$f" && rdma=$((rdma + n)); }
	done
	echo "frames $total $rdma"
}

# load_shorts FAMILY N: N connections with five bytes each way, one after the other,
# and the frames that there were before and after each
load_shorts() {
	local i
	for ((i = 0; i < $2; i++)); do
		load_frames
		stream client "$1" 0 "$PEER" $ECHO_PORT 1 5 || return 1
		# What closes a connection comes late.
		sleep 1
		load_frames
	done
}

# Memory of the kernel, in KiB: what is not free, no cache, no process's.  Free are
# also the pages that each processor has at hand, megabytes that come and go.
load_memory() {
	local i
	echo "memory $(kernel_memory)"
}

# load_idle PRELOAD N: N connections that have said a byte and are left open
load_idle() {
	ulimit -n 65536
	rm -f $LOAD.idle
	LD_PRELOAD=$1 hold "$PEER" $IDLE_PORT "$2" > $LOAD.idle 2>&1 &
	wait_for 100 grep -q held $LOAD.idle || { cat $LOAD.idle; return 1; }
}

# load_delay MILLISECONDS: on the way out; the queue has room for all there can be
load_delay() {
	if [ "$1" = 0 ]; then
		tc qdisc del dev eth0 root 2> /dev/null || true
	else
		tc qdisc replace dev eth0 root netem delay "${1}ms" limit 1000000
	fi
}
