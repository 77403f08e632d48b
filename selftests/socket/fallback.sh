#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Without a device each connection becomes a TCP connection, for the reason that
# the protocol has for it, towards TCP, the C module and this one, in both roles.
#
# hosts: server=none client=none
# limit: 150
. "$SMC_RS_SELFTESTS/lib/lib.sh"

NO_DEVICE=0x3030000 PEER_NO_SMC=0x3010000 PEER_DECLINED=0x5000000
echo 5100 > "$SMC_RS_TEST_OUT/port"
EVENT=/sys/kernel/tracing/events/smc/smc_switch_to_fallback

# modules SERVER CLIENT: smc_rs, smc or none
modules() {
	on server "module_in $1; [ ! -d $EVENT ] || echo 1 > $EVENT/enable" &&
		on client "module_in $2; [ ! -d $EVENT ] || echo 1 > $EVENT/enable"
}

# reasons HOST: of the fallbacks since the last call, one word each
reasons() {
	on "$1" 'grep -o "fallback_rsn=.*" /sys/kernel/tracing/trace | cut -d= -f2 |
		while read -r n; do printf "0x%x " $((n & 0xffffffff)); done
		echo > /sys/kernel/tracing/trace'
}

# port: of the last exchange; cases run in processes of their own.
port() { cat "$SMC_RS_TEST_OUT/port"; }

# exchange SERVER_FAMILY CLIENT_FAMILY: three connections, their bytes compared.
exchange() {
	local PORT=$(($(port) + 1))
	echo $PORT > "$SMC_RS_TEST_OUT/port"
	on -t 40 server "stream server $1 0 $PORT 3 > /dev/null & wait_listen $PORT" &&
		on -t 40 client "stream client $2 0 \$PEER $PORT 3 100000"
}

# expect SERVER_FAMILY CLIENT_FAMILY SERVER_REASON CLIENT_REASON ("-": none)
expect() {
	local server client
	reasons server > /dev/null
	reasons client > /dev/null
	exchange "$1" "$2" || return 1
	server=$(reasons server)
	client=$(reasons client)
	echo "server: $server client: $client"
	[ "${server:-}" = "${3/#-/}" ] && [ "${client:-}" = "${4/#-/}" ]
}

three() { echo "$1 $1 $1 "; }

# A TCP connection has the SMC option in none of its segments; one of ours has it
# in the SYN, and in the SYN-ACK if the server has SMC too.
options() {
	local syn synack
	syn=$(wire "tcp.port == $(port) && tcp.flags == 0x2 && frame contains e2:d4:c3:d9" frame.number | wc -l)
	synack=$(wire "tcp.port == $(port) && tcp.flags == 0x12 && frame contains e2:d4:c3:d9" frame.number | wc -l)
	echo "option in $syn SYNs, $synack SYN-ACKs"
	[ "$syn" -eq "$1" ] && [ "$synack" -eq "$2" ]
}

# The C module has its loopback device to offer, for which ours has no use.
declined() {
	local server client
	reasons server > /dev/null
	reasons client > /dev/null
	exchange 43 43 || return 1
	server=$(reasons server)
	client=$(reasons client)
	echo "server: $server client: $client"
	[ "$client" = "$(three $PEER_DECLINED)" ] && [[ $server =~ ^(0x30[3c][0-9a-f]{4}\ ){3}$ ]]
}

plan 13
check "this module on both hosts" modules smc_rs smc_rs
check "a TCP client: the peer has no SMC" expect 43 2 "$(three $PEER_NO_SMC)" -
check "and does not confirm an option that it has not got" options 0 0
check "a TCP server: the peer has no SMC" expect 2 43 - "$(three $PEER_NO_SMC)"
check "it was offered SMC" options 3 0
check "both: the client has no device, and says so" expect 43 43 "$(three $PEER_DECLINED)" "$(three $NO_DEVICE)"
check "both have said that they have SMC" options 3 3
check "IPv6" eval 'on -t 40 server "stream server 43 1 5151 2 > /dev/null & wait_listen 5151" && on -t 40 client "stream client 43 1 \$PEER6 5151 2 100000"'
check "the C module as the server" modules smc smc_rs
check "gets the same Decline from our client" expect 43 43 "$(three $PEER_DECLINED)" "$(three $NO_DEVICE)"
check "the C module as the client" modules smc_rs smc
check "is declined by our server" declined
check "a TCP client of ours again" expect 43 2 "$(three $PEER_NO_SMC)" -
finish
