#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Without a device each connection becomes a TCP connection, for the reason that
# the C module has for it, towards TCP, the C module and this one, in both roles;
# and what is on the wire says so.
#
# hosts: server=none client=none
# limit: 400
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"

NO_DEVICE=0x3030000 PEER_NO_SMC=0x3010000 PEER_DECLINED=0x5000000 OPTION=0x3060000
echo 5100 > "$SMC_RS_TEST_OUT/port"
EVENT=/sys/kernel/tracing/events/smc/smc_switch_to_fallback

# In a physical network of its own the C module's loopback device is for nobody.
module() {
	on "$1" "module_in $2 || exit 1
		[ $2 != smc ] || smcnl pnet-add name=NOBODYS ib=loopback-ism || exit 1
		sysctl -q -w net.ipv4.tcp_fastopen=0x607
		[ ! -d $EVENT ] || echo 1 > $EVENT/enable"
}

# modules SERVER CLIENT: smc_rs, smc or none
modules() { module server "$1" && module client "$2"; }

# In a guest: why sockets fell back since the last call, one word each.
REASONS='reasons() {
	grep -o "fallback_rsn=.*" /sys/kernel/tracing/trace | cut -d= -f2 |
		while read -r n; do printf "0x%x " $((n & 0xffffffff)); done
	echo > /sys/kernel/tracing/trace
}'

# port: of the last exchange; cases run in processes of their own.
port() { cat "$SMC_RS_TEST_OUT/port"; }

# serve SERVER_FAMILY N [HOW]: at the next port
serve() {
	local PORT=$(($(port) + 1))
	echo $PORT > "$SMC_RS_TEST_OUT/port"
	on -t 40 server "echo > /sys/kernel/tracing/trace; stream server $1 0 $PORT $2 ${3:-} > /dev/null & wait_listen $PORT"
}

# expect SERVER_FAMILY CLIENT_FAMILY N CLIENT SERVER_REASONS CLIENT_REASONS: the
# reasons of N connections by `stream CLIENT`, whose output is kept.
expect() {
	local server client
	serve "$1" "$3" || return 1
	on -t 40 client "$REASONS
		echo > /sys/kernel/tracing/trace
		stream ${4/FAMILY/$2 0 \$PEER $(port)} || exit 1
		reasons" > "$SMC_RS_TEST_OUT/client" || { cat "$SMC_RS_TEST_OUT/client"; return 1; }
	client=$(grep '^0x' "$SMC_RS_TEST_OUT/client")
	on server 'grep -c workqueue=smc_handshake /sys/kernel/tracing/trace' > "$SMC_RS_TEST_OUT/work"
	server=$(on server "$REASONS"$'\n'reasons)
	echo "server: $server client: $client"
	[ "$server" = "$5" ] && [ "$client" = "$6" ]
}

# Two connections, whose bytes are compared; one whose first bytes are in its SYN.
two() { expect "$1" "$2" 2 "client FAMILY 2 20000" "$3" "$4"; }
fastopen() { expect "$1" "$2" 1 "fastopen FAMILY" "$3" "$4" && grep -qx 'in the SYN' "$SMC_RS_TEST_OUT/client"; }

# times N REASON
times() { local i; for ((i = 0; i < $1; i++)); do printf '%s ' "$2"; done; }

# A TCP connection has the SMC option in none of its segments; one of ours has it
# in the SYN, and in the SYN-ACK if the server has SMC too.
options() {
	local syn synack option='frame contains e2:d4:c3:d9'
	syn=$(wire "tcp.port == $(port) && tcp.flags.syn == 1 && tcp.flags.ack == 0 && $option" frame.number | wc -l)
	synack=$(wire "tcp.port == $(port) && tcp.flags.syn == 1 && tcp.flags.ack == 1 && $option" frame.number | wc -l)
	echo "option in $syn SYNs, $synack SYN-ACKs"
	[ "$syn" -eq "$1" ] && [ "$synack" -eq "$2" ]
}

# first PATTERN N: in so many connections at least the first segment of the client's after
# its SYN, as length, number of the first byte that it waits for, and first bytes, is such.
first() {
	local n
	wire "tcp.port == $(port) && ip.src == $CLIENT && tcp.flags.syn == 0" tcp.stream tcp.len tcp.ack tcp.payload |
		awk '!seen[$1]++ {print $2, $3, substr($4, 1, 10)}' > "$SMC_RS_TEST_OUT/first"
	n=$(grep -cxE "$1" "$SMC_RS_TEST_OUT/first")
	echo "$n of $2 connections"
	[ "$n" -ge "$2" ] || { cat "$SMC_RS_TEST_OUT/first"; return 1; }
}
# speaks SERVER_FAMILY PATTERN: clients that say something as soon as they are connected.
# Of three one is enough: on a slow machine the clock ticks first.
speaks() {
	serve "$1" 3 && on -t 40 client "turns \$PEER 3 43:$(port)" && first "$2" 1
}
# A client that knows that it has no device says so with the ACK of TCP's handshake, and
# what its application says first goes with both: two frames less than it would take.
declines_with_first() { speaks 43 '128 1 e2d4c3d904' && first '(28|128) 1 e2d4c3d904' 3; }
# So does the ACK alone where the server has no SMC.
acknowledges_with_first() { speaks 2 '100 1 .*'; }

# Where segments are signed TCP does not gather frames from pages, and a Decline cannot
# leave in softirq: it comes from a thread, whatever the application waits in, and before
# anything of the application's.
SIGNED='import errno, select, socket, struct, sys
address = sys.argv[1], int(sys.argv[2])
key = b"what both ends know\0"
peer = struct.pack("=HH4s", socket.AF_INET, 0, socket.inet_aton(address[0]))
signature = struct.pack("=128sBBHi80s", peer, 0, 0, len(key), 0, key)
def new(waits):
	s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
	s.setsockopt(socket.IPPROTO_TCP, 14, signature)
	s.setblocking(waits)
	assert s.connect_ex(address) == (0 if waits else errno.EINPROGRESS)
	return s
def asks(s):
	s.setblocking(True)
	s.sendall(b"hello")
	assert s.recv(5, socket.MSG_WAITALL) == b"hello"
	s.close()
asks(new(True))
s = new(False)
p = select.poll()
p.register(s, select.POLLOUT)
assert p.poll(5000) == [(s.fileno(), select.POLLOUT)]
asks(s)
s = new(False)
e = select.epoll()
e.register(s, select.EPOLLOUT | select.EPOLLET)
assert e.poll(5) == [(s.fileno(), select.EPOLLOUT)]
asks(s)
asks(new(False))
s = new(False)
assert s.connect_ex(address) == errno.EALREADY
s.setblocking(True)
assert s.connect_ex(address) == 0
asks(s)'
signed() {
	local status
	both 'tc qdisc replace dev eth0 root netem delay 50ms' && serve 43 5 'md5=$PEER' &&
		on -t 60 client "$REASONS
			echo > /sys/kernel/tracing/trace
			LD_PRELOAD=$SMC_RS_PROGS/libpreload.so python3 -c '$SIGNED' \$PEER $(port) && reasons" > "$SMC_RS_TEST_OUT/client"
	status=$?
	cat "$SMC_RS_TEST_OUT/client"
	both 'tc qdisc del dev eth0 root' && [ $status -eq 0 ] && grep -qx "$(times 5 $NO_DEVICE)" "$SMC_RS_TEST_OUT/client" &&
		[ "$(on server "$REASONS"$'\n'reasons)" = "$(times 5 $PEER_DECLINED)" ]
}

# traced on|off: whether the server's trace has the work that is queued for handshakes
traced() {
	on server "cd /sys/kernel/tracing/events/workqueue/workqueue_queue_work
		echo 'workqueue == \"smc_handshake\"' > filter && echo $([ "$1" = on ] && echo 1 || echo 0) > enable"
}
# The server's accept() has such a connection as it has one of TCP's: no thread of ours
# has a hand in it, as in one whose client comes to its Decline later, as the C module.
work() {
	traced on && two 43 43 "$(times 2 $PEER_DECLINED)" "$(times 2 $NO_DEVICE)" && traced off &&
		echo "queued: $(cat "$SMC_RS_TEST_OUT/work")" && [ "$(cat "$SMC_RS_TEST_OUT/work")" "$@" ]
}

# One that waits for the server first sends the Decline alone, and what it says then waits
# for nothing either: Nagle's algorithm does not see the Decline. It is on the wire before
# the server can acknowledge that, which is 200 ms later; of three connections one is
# enough, as the machine may be slow.
WAITS_FIRST='import select, socket, sys
for i in range(3):
	s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
	p = select.poll()
	p.register(s, select.POLLIN)
	assert p.poll(0) == []
	s.sendall(b"hello")
	assert s.recv(5, socket.MSG_WAITALL) == b"hello"
	s.close()'
not_held_back() {
	both 'tc qdisc replace dev eth0 root netem delay 200ms' && serve 43 3 &&
		on -t 40 client "LD_PRELOAD=$SMC_RS_PROGS/libpreload.so python3 -c '$WAITS_FIRST' \$PEER $(port)"
	local status=$?
	both 'tc qdisc del dev eth0 root' && [ $status -eq 0 ] || return 1
	wire "tcp.port == $(port)" tcp.stream ip.src tcp.len tcp.ack |
		awk -v client="$CLIENT" '
			$2 == client { if ($3 == 5) { n++; if (!acked[$1]) early++ } next }
			$4 >= 29 { acked[$1] = 1 }
			END { print early + 0 " of " n " before an ACK of the Decline"; exit !(n >= 3 && early) }' &&
		first '28 1 e2d4c3d904' 3
}

# Where the server speaks first the client's ACK, or Decline, is not kept back, however the
# application waits: it has the server's bytes after two round trips, as with TCP, and not
# after the three that it takes where TCP sends the ACK after 200 ms. On a slow machine once
# is enough, and the debug kernel is too slow for that.
GREETS='import socket, sys, threading
l = socket.create_server(("", int(sys.argv[1])))
def greet(s):
	s.sendall(b"hello")
	s.recv(1)
	s.close()
while True:
	threading.Thread(target=greet, args=(l.accept()[0],)).start()'
GREETED='import errno, select, socket, sys, time
from select import POLLIN, POLLOUT, EPOLLIN, EPOLLOUT, EPOLLET
def connected():
	s = socket.create_connection(address)
	return s
def begun():
	s = socket.socket()
	s.setblocking(False)
	assert s.connect_ex(address) == errno.EINPROGRESS
	return s
def asks(s, *events):
	p = select.poll()
	for e in events:
		p.register(s, e)
		assert p.poll(5000)
	return s
def watches(s, *events):
	p = select.epoll()
	p.register(s, events[0])
	for e in events:
		p.modify(s, e)
		assert p.poll(5)
	return s
def edges(s):
	p = select.epoll()
	p.register(s, EPOLLIN | EPOLLOUT | EPOLLET)
	while not p.poll(5)[0][1] & EPOLLIN:
		pass
	return s
def selects(s):
	assert select.select([s], [s], [], 5)[1] and select.select([s], [], [], 5)[0]
	return s
def blocks(s):
	s.setblocking(True)
	return s
def nothing(s, *events):
	if events:
		asks(s, *events)
	time.sleep(0.3)
	s.setblocking(False)
	return s
def option(s):
	s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
	return s
ways = {
	"recv": connected,
	"recv, before it is connected": lambda: blocks(begun()),
	"an option, recv": lambda: option(connected()),
	"poll": lambda: asks(connected(), POLLIN),
	"poll, before it is connected": lambda: asks(begun(), POLLIN),
	"poll, then poll": lambda: asks(begun(), POLLOUT, POLLIN),
	"select, both ways": lambda: selects(begun()),
	"epoll": lambda: watches(connected(), EPOLLIN),
	"epoll, before it is connected": lambda: watches(begun(), EPOLLIN),
	"epoll, then epoll": lambda: watches(begun(), EPOLLIN | EPOLLOUT, EPOLLIN),
	"epoll of changes": lambda: edges(begun()),
}
# Where it does nothing for one and a half of them more, these have come.
idle = {
	"nothing": lambda: nothing(connected()),
	"nothing, after poll": lambda: nothing(begun(), POLLOUT),
}
tries = int(sys.argv[2])
def times(way):
	for i in range(tries or 1):
		took = time.monotonic()
		assert way().recv(5, socket.MSG_WAITALL) == b"hello"
		yield (time.monotonic() - took) / 0.2
def has_come(way):
	try:
		return way().recv(5) == b"hello"
	except BlockingIOError:
		return False
for port in sys.argv[3:]:
	address = sys.argv[1], int(port)
	connected().recv(1)
	for name, way in ways.items():
		took = []
		for t in times(way):
			took.append("%.2f" % t)
			if int(t) == 2:
				break
		else:
			assert not tries, (port, name, took)
		print(port, name, *took, flush=True)
	for name, way in idle.items():
		assert not tries or any(has_come(way) for i in range(tries)), (port, name)'
# A connection that its client resets at once has been there.
RESETS='import socket, struct, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])))
s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("=ii", 1, 0))
s.close()'
ACCEPTS='import socket, sys
l = socket.create_server(("", int(sys.argv[1])))
l.settimeout(20)
l.accept()
print("accepted")'
reset_at_once() {
	local as=LD_PRELOAD=$SMC_RS_PROGS/libpreload.so
	on -t 40 server "python3 -c '$ACCEPTS' 5172 > /tmp/a0 & $as python3 -c '$ACCEPTS' 5173 > /tmp/a1 &
		wait_listen 5172 && wait_listen 5173" &&
		on -t 40 client "$as python3 -c '$RESETS' \$PEER 5172 && $as python3 -c '$RESETS' \$PEER 5173" &&
		on -t 40 server 'wait_for 20 grep accepted /tmp/a0 && wait_for 20 grep accepted /tmp/a1'
}
greeted() {
	local as=LD_PRELOAD=$SMC_RS_PROGS/libpreload.so status tries=5
	! on_debug_kernel client || tries=0
	on -t 40 server "python3 -c '$GREETS' 5170 & echo \$! > /tmp/greets
		$as python3 -c '$GREETS' 5171 & echo \$! >> /tmp/greets
		wait_listen 5170 && wait_listen 5171" &&
		both 'tc qdisc replace dev eth0 root netem delay 100ms' &&
		on -t 150 client "python3 -c '$GREETED' \$PEER $tries 5170 && echo SMC && $as python3 -c '$GREETED' \$PEER $tries 5170 5171"
	status=$?
	on server 'kill $(cat /tmp/greets)'
	both 'tc qdisc del dev eth0 root' && return $status
}

# connect() over IPv4 starts TCP's timers and no other one, though SYNs with the SMC option
# may get lost. What interrupts the client, or writes back its files, is not it.
no_timer() {
	serve 2 20 && on -t 40 client "cd /sys/kernel/tracing; echo > trace
		echo 1 > events/timer/timer_start/enable
		stream client 43 0 \$PEER $(port) 20 100 > /tmp/client
		status=\$?
		echo 0 > events/timer/timer_start/enable
		started() { grep -cE '^ *stream-[0-9]+ +\[[0-9]+\] ..\..* timer_start: .* function='\$1 trace; }
		tcp=\$(started tcp_write_timer) work=\$(started delayed_work_timer_fn)
		echo \"20 connections: \$tcp timers of TCP, \$work of delayed work\"
		[ \$status -eq 0 ] && [ \$tcp -ge 20 ] && [ \$work -lt 5 ]"
}

# The application's bytes in a SYN, as tshark sees it.
data_in_syn() {
	local n
	n=$(wire "tcp.port == $(port) && tcp.flags.syn == 1 && tcp.len == 5" frame.number | wc -l)
	echo "$n SYNs with 5 bytes"
	[ "$n" -eq 1 ]
}

# Sockets that are TCP's hold the module no more, and go on without it.
unloads_under_them() {
	serve 43 1 &&
		on -t 40 client "stream client 43 0 \$PEER $(port) 1 100000 4 > /tmp/held & wait_for 20 grep connect /tmp/held" &&
		on client 'rmmod smc_rs && wait_for 20 sh -c "! pgrep stream" && module_in smc_rs'
}

# A connection is in the listener's queue before TCP has read its first bytes, for a
# moment: accept() comes into that where a client on the same host is as fast.
at_once() {
	on -t 60 client 'stream server 43 0 5160 3000 > /dev/null & wait_listen 5160 && turns 127.0.0.1 3000 43:5160'
}

# SERVER_MODULE CLIENT_MODULE
roles=("smc_rs smc_rs" "smc smc_rs" "smc_rs smc")

plan $((7 * ${#roles[@]} + 11 + 8))
for r in "${roles[@]}"; do
	server=${r% *} client=${r#* }
	check "server $server, client $client" modules "$server" "$client"
	check "$r: a TCP client: the peer has no SMC" two 43 2 "$(times 2 $PEER_NO_SMC)" ''
	check "$r: a TCP server: the peer has no SMC" two 2 43 '' "$(times 2 $PEER_NO_SMC)"
	check "$r: it was offered SMC" options 2 0
	if [ "$client" != smc ]; then
		check "$r: what the client says first is the ACK of the SYN-ACK" acknowledges_with_first
	fi
	check "$r: both, without a device" two 43 43 "$(times 2 $PEER_DECLINED)" "$(times 2 $NO_DEVICE)"
	check "$r: both have said that they have SMC" options 2 2
	if [ "$client" != smc ]; then
		check "$r: the Decline is the ACK of the SYN-ACK, and goes with what the client says" declines_with_first
		check "$r: where segments are signed, whatever waits" signed
	fi
	case $r in
	"smc_rs smc_rs")
		check "$r: no thread but accept()'s" work -eq 0
		check "$r: what a client says that waits first waits for no ACK" not_held_back
		check "$r: the server's first words take two round trips" greeted
		check "$r: a client that resets its connection at once" reset_at_once
		;;
	"smc_rs smc") check "$r: a thread, that waits for nobody" work -gt 0 ;;
	esac
	check "$r: the client's fast open" fastopen 43 43 "$(times 1 $PEER_NO_SMC)" "$(times 1 $OPTION)"
done
check "this module on both hosts" modules smc_rs smc_rs
check "a client has no timers but TCP's" no_timer
check "IPv6" eval 'on -t 40 server "stream server 43 1 5151 2 > /dev/null & wait_listen 5151" && on -t 40 client "stream client 43 1 \$PEER6 5151 2 100000"'
check "the client's fast open" fastopen 43 43 "$(times 1 $PEER_NO_SMC)" "$(times 1 $OPTION)"
check "is a SYN with its bytes" data_in_syn
check "and without the option" options 0 0
check "3000 connections within a host" at_once
check "rmmod while a TCP connection lives on" unloads_under_them
finish
