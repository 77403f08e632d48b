#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Which devices are on one physical network: as the C module has it.
#
# hosts: server=none
# limit: 300
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/netlink/lib.bash"

pnet='
	smcnl pnet-add name=net1 eth=eth0; smcnl pnet-add name=NET1 ib=rxe9; smcnl dump pnet
	smcnl pnet-add name=NET2 eth=eth0; smcnl pnet-add name=NET2 ib=rxe9 port=2
	smcnl pnet-add name=NET2 ib=rxe7 port=2; smcnl pnet-add name=NET3 eth=later0 ib=rxe8
	smcnl pnet-add name=NET3 eth=eth0 ib=rxe6; smcnl pnet-add name=NET3 eth=eth1 ib=rxe6
	for p in 0 3 255; do smcnl pnet-add name=NET4 ib=rxe5 port=$p; done
	smcnl pnet-add name=NET4 eth=eth5 ib=rxe5 port=3
	for n in "" " " "A B" A_B ABCDEFGHIJKLMNOPQ ABCDEFGHIJKLMNOP "  PAD  "; do
		smcnl pnet-add "name=$n" eth=e${#n}
	done
	smcnl pnet-add name=NOTHING; smcnl pnet-add eth=eth0; smcnl pnet-add
	smcnl pnet-add name=LONG eth=0123456789abcdef; smcnl pnet-add name=LONG eth=0123456789abcde
	smcnl pnet-add name=LONG ib=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
	smcnl pnet-add name=TRIM "ib=  rxe4  "
	smcnl dump pnet
	smcnl pnet-get name=NET1; smcnl pnet-get name=net1; smcnl pnet-get name=NONE; smcnl pnet-get
	smcnl pnet-del name=net1; smcnl pnet-del name=NET1; smcnl pnet-del name=NET1; smcnl pnet-del
	smcnl pnet-del "name=NET2  "; smcnl dump pnet
	smcnl pnet-flush; smcnl pnet-flush; smcnl dump pnet; echo end'

# Each namespace has its own; RDMA devices are the first one's.
pnet_netns="
	smcnl pnet-add name=FIRST eth=eth0
	$NETNS '
		smcnl dump pnet
		smcnl pnet-add name=OTHER ib=rxe0; smcnl pnet-add name=OTHER eth=eth0 ib=rxe0
		smcnl pnet-add name=OTHER eth=lo; smcnl dump pnet; smcnl pnet-get name=FIRST
		smcnl pnet-del name=FIRST; smcnl pnet-flush'
	smcnl dump pnet"

# Devices come, go and are renamed; the entries stay as they were made. More of
# them than fit one buffer.
pnet_devices='
	smcnl pnet-add name=A eth=dummy7; ip link add dummy7 type dummy; smcnl dump pnet
	ip link set dummy7 name dummy8; smcnl dump pnet; ip link del dummy8; smcnl dump pnet
	smcnl pnet-fill B 400; smcnl dump pnet | wc -l; smcnl pnet-get name=B | grep -c many; smcnl pnet-flush'

plan 3
check "the PNET table" same "$pnet"
check "the PNET table of another namespace" same "$pnet_netns"
check "the PNET table while devices come and go" same "$pnet_devices"
finish
