#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What two C modules say to each other, as test vectors for rust/proto:
# `make vectors` puts them into rust/proto/tests/vectors.
#
# One file a scenario, one message a line: who sent it, CLC (TCP payload) or
# RDMA (payload of an RDMA send: LLC or CDC), and its bytes.  What the device
# sends again is left out.
#
# For a second link each host gets a second port, a tap device with a soft-RoCE
# device of its own.
#
# hosts: server=smc client=smc
# limit: 500
. "$SMC_RS_SELFTESTS/lib/lib.sh"

vectors=$SMC_RS_TEST_OUT/vectors
mkdir -p "$vectors"

# Cases run in subshells: what was taken last is in a file.
frames() { tshark -r "$1" -T fields -e frame.number 2>/dev/null | tail -n 1; }
forget() { on --pcap "$SMC_RS_TEST_OUT/now.pcap" && frames "$SMC_RS_TEST_OUT/now.pcap" > "$SMC_RS_TEST_OUT/taken"; }

# What has been on the wire since the last call, as lines of a vector file.
take() {
	local what=$1 file=$SMC_RS_TEST_OUT/now.pcap taken
	taken=$(cat "$SMC_RS_TEST_OUT/taken")
	on --pcap "$file" || return 1
	{
		echo "# SPDX-License-Identifier: GPL-2.0"
		echo "# $what"
		echo "# Linux 6.12 net/smc on both hosts, soft-RoCE; captured by selftests/vectors/capture.sh."
		tshark -r "$file" -Y "frame.number > $taken" \
			-T fields -e ip.src -e tcp.payload -e infiniband.bth.opcode -e udp.payload \
			-e infiniband.bth.destqp -e infiniband.bth.psn 2>/dev/null |
		awk -F'\t' '
			{ who = $1 == "10.99.0.1" || $1 == "10.99.0.3" ? "server" : "client" }
			$2 != "" { print who, "clc", $2 }
			# SEND only (4): the 12 bytes of the BTH before, the 4 of the ICRC behind.
			$3 == 4 && !seen[who $5 $6]++ { print who, "rdma", substr($4, 25, length($4) - 32) }'
	} > "$vectors/$what.txt"
	frames "$file" > "$SMC_RS_TEST_OUT/taken"
	[ "$(grep -vc '^#' "$vectors/$what.txt")" -gt 0 ]
}

serve() { on server "stream server 43 0 $1 $2 > /dev/null & wait_listen $1"; }
talk() { on client "stream client 43 0 \$PEER $1 $2 $3"; }

first_contact() { serve 5000 1 && talk 5000 1 100 && sleep 3 && take "$1"; }
later_contact() { serve 5001 1 && talk 5001 1 100 && sleep 1 && take later-contact; }
bulk() { serve 5002 1 && talk 5002 1 200000 && sleep 1 && take bulk; }

decline() { on server 'smcnl ueid-flush' && serve 5003 1 && talk 5003 1 100 && sleep 1 && take decline-no-eid; }

# Closed with unread data.
abort() { serve 5004 1 && on client 'stream client 43 0 $PEER 5004 1 100 -2; sleep 1' && take abort; }

again() {
	both "pkill -x stream; sleep 1"
	both "module_in smc && rxe_up && smcnl ueid-add SMC-RS-SELFTEST && $1" && forget
}

one_link() { again 'sysctl -q -w net.smc.smcr_max_links_per_lgr=1' && first_contact first-contact-one-link; }

# A second port, and what it needs to find the peer's; again when it comes up.
port_up='n=${ADDR##*.} p=${PEER##*.}
	ip link set port1 up && ip route replace 10.99.0.$((p + 2)) dev port1 &&
	ip neigh replace 10.99.0.$((p + 2)) lladdr 02:53:4d:43:01:0$p dev port1 nud permanent'
port_new='{ tapport port1 eth0 > /run/port1 2>&1 & } && wait_for 10 grep -q ready /run/port1 &&
	sysctl -q -w net.ipv6.conf.port1.disable_ipv6=1 && n=${ADDR##*.} &&
	ip link set port1 address 02:53:4d:43:01:0$n &&
	ip addr add 10.99.0.$((n + 2))/24 dev port1 noprefixroute'
second_port() { both "$port_new && $port_up && rdma link add rxe1 type rxe netdev port1"; }

# One connection stays for the rest.
second_link() {
	again true && second_port && forget && serve 5006 1 || return 1
	on client 'stream client 43 0 $PEER 5006 1 100 100 > /dev/null &'
	sleep 6 && take second-link
}
server_port_lost() { on server 'ip link set port1 down' && sleep 4 && take delete-link-server; }
server_port_back() { on server "$port_up" && sleep 5 && take add-link-again; }
client_port_lost() { on client 'ip link set port1 down' && sleep 4 && take delete-link-client; }
client_port_back() { on client "$port_up" && sleep 5 && take req-add-link; }
group_end() { both 'pkill -x stream; sleep 2' && forget && on server modules_out && sleep 2 && take delete-all-links; }

# test_link HOST: one end at a time, since what an end hears puts off its own test.
test_link() {
	again true && on "$1" 'sysctl -q -w net.smc.smcr_testlink_time=2' && serve 5007 1 || return 1
	on client 'stream client 43 0 $PEER 5007 1 100 100 > /dev/null &'
	sleep 3 && forget && sleep 4 && take "test-link-$1"
}
one_port() { both 'pkill -x stream; sleep 1; modules_out && rdma link delete rxe1'; }

# SMC-D over the loopback device: only the CLC messages leave the module.
loopback() {
	both 'pkill -x stream; sleep 1'
	on server 'module_in smc && smcnl ueid-add SMC-RS-SELFTEST || exit 1; tcpdump -q -i lo -w /run/lo.pcap tcp port 5005 2>/dev/null & dump=$!; sleep 2
		stream server 43 0 5005 1 > /dev/null & wait_listen 5005
		stream client 43 0 127.0.0.1 5005 1 100; sleep 1; kill $dump; wait $dump
		echo --; base64 /run/lo.pcap' > "$SMC_RS_TEST_OUT/lo.b64" || return 1
	sed "1,/^--$/d" "$SMC_RS_TEST_OUT/lo.b64" | base64 -d > "$SMC_RS_TEST_OUT/lo.pcap"
	{
		echo "# SPDX-License-Identifier: GPL-2.0"
		echo "# loopback: SMC-D over the loopback device of one host"
		echo "# Linux 6.12 net/smc; captured by selftests/vectors/capture.sh."
		tshark -r "$SMC_RS_TEST_OUT/lo.pcap" -Y 'tcp.len > 0' -T fields -e tcp.srcport -e tcp.payload 2>/dev/null |
		awk -F'\t' '{ print ($1 == 5005 ? "server" : "client"), "clc", $2 }'
	} > "$vectors/smcd-loopback.txt"
	[ "$(grep -vc '^#' "$vectors/smcd-loopback.txt")" -ge 3 ]
}

plan 17
check "set-up" again true
check "first contact, two links" first_contact first-contact
check "later contact" later_contact
check "bulk" bulk
check "abort" abort
check "decline: no common EID" decline
check "first contact, one link" one_link
check "first contact, two ports" second_link
check "a port of the server is lost" server_port_lost
check "and comes back" server_port_back
check "a port of the client is lost" client_port_lost
check "and comes back" client_port_back
check "the link group ends" group_end
check "the second port is not needed any more" one_port
check "the server tests an idle link" test_link server
check "the client tests an idle link" test_link client
check "SMC-D over loopback" loopback
finish
