#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an administrator sets and asks: this module answers as the C module does.
#
# hosts: server=none
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# same SCRIPT: prints the same with either module in.
same() {
	local c ours
	c=$(on server "module_in smc && { $1
	}" 2>&1)
	ours=$(on server "module_in smc_rs && smcnl ueid-flush && { $1
	}" 2>&1)
	diff <(printf '%s\n' "$c") <(printf '%s\n' "$ours") &&
		[ -n "$c" ] && printf '%s\n' "$c"
}

# As somebody without any privilege.
NOBODY='setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all'
# In a namespace of its own.
NETNS='unshare --net --mount sh -c'

ueids='
	smcnl ueid-add A.B-9 && smcnl ueid-add 0 && smcnl dump ueid
	for e in "" lower -DASH .DOT "IN SIDE" UMLAUT_ A.B-9 0; do smcnl ueid-add "$e"; done
	smcnl ueid-add-raw SHORT; smcnl ueid-add-raw "THIRTYTHREE                      "
	smcnl ueid-add ABCDEFGHIJKLMNOPQRSTUVWXYZ012345 && smcnl ueid-add Z && smcnl dump ueid
	smcnl ueid-del NOTHERE; smcnl ueid-del 0; smcnl ueid-del 0; smcnl ueid-add; smcnl ueid-del
	smcnl dump ueid
	smcnl ueid-flush; smcnl ueid-flush; smcnl dump ueid; true'

# As many as a proposal carries; the C module takes half of them.
ueid_limit() {
	on server '
		module_in smc_rs
		[ "$(smcnl dump ueid)" = "ueid EID=SMCV2-DEFAULT-UEID" ] || { smcnl dump ueid; exit 1; }
		for i in 2 3 4 5 6 7 8; do smcnl ueid-add E$i || exit 1; done
		! smcnl ueid-add E9 && smcnl ueid-del SMCV2-DEFAULT-UEID && smcnl ueid-add E9 &&
			smcnl dump ueid | wc -l | grep -x 8' 2>&1 | grep -A9 'smcnl: ERANGE'
}

seid='smcnl seid-enable; smcnl seid-disable; true'
seid_none() { on server 'module_in smc_rs; [ "$(smcnl dump seid)" = "seid" ]'; }

limit='
	cat /proc/sys/net/smc/limit_smc_hs; smcnl dump hs-limit
	smcnl hs-limit-enable; cat /proc/sys/net/smc/limit_smc_hs; smcnl dump hs-limit
	smcnl hs-limit-disable; cat /proc/sys/net/smc/limit_smc_hs
	echo 1 > /proc/sys/net/smc/limit_smc_hs; smcnl dump hs-limit'

# Whether or not there is a loopback ISM device is the module's business.
info='smcnl dump sys-info | sed "s/IS_ISM_V2=. //; s/ SEID=[^ ]*//"'
nothing='for d in lgr-smcr link-smcr lgr-smcd dev-smcr dev-smcd fback-stats; do smcnl dump $d; echo $d; done'
stats='smcnl dump stats'

permissions="
	for a in 'ueid-add A' 'ueid-del A' ueid-flush seid-enable seid-disable hs-limit-enable \
		 hs-limit-disable 'pnet-add name=A eth=eth0' 'pnet-del name=A' pnet-flush; do
		$NOBODY smcnl \$a
		unshare --user --map-root-user --net smcnl \$a
	done
	smcnl pnet-add name=A eth=eth0
	for d in sys-info ueid seid hs-limit stats fback-stats lgr-smcr pnet; do
		$NOBODY smcnl dump \$d | wc -l
	done
	$NOBODY smcnl pnet-get name=A; true"

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

sysctls='
	cd /proc/sys/net/smc
	stat -c "%n %a %U" *
	for f in *; do
		cat $f
		for v in -1 0 1 2 3 15 16 255 256 16383 16384 1073741823 1073741824 2147483648 \
			 4294967296 x; do
			{ echo $v > $f; } 2>/dev/null || echo refused
			read -r now < $f; echo "$f $v: $now"
		done
	done'

sysctls_netns="
	echo 32768 > /proc/sys/net/smc/wmem
	$NETNS 'mount -t proc proc /proc; cd /proc/sys/net/smc; grep . *; stat -c \"%n %a %U\" *
		echo 65537 > rmem; cat rmem'
	cat /proc/sys/net/smc/rmem
	$NOBODY sh -c 'echo 32769 > /proc/sys/net/smc/wmem' 2>&1 | grep -o Permission.*
	unshare --user --map-root-user --net --mount --pid --fork sh -c \
		'mount -t proc proc /proc; echo 32770 > /proc/sys/net/smc/wmem; cat /proc/sys/net/smc/wmem'
	cat /proc/sys/net/smc/wmem"

aliases() {
	on server '
		for a in net-pf-16-proto-16-family-SMC_GEN_NETLINK net-pf-16-proto-16-family-SMC_PNETID \
			 net-pf-16-proto-4-type-43; do
			modinfo -F alias $SMC_RS_MODULE | grep -qx $a || { echo "no alias $a"; exit 1; }
		done'
}

plan 15
check "UEIDs, and what is none" same "$ueids"
check "a UEID from the start; as many as a proposal carries" ueid_limit
check "the system's EID cannot be switched here" same "$seid"
check "and there is none" seid_none
check "the limitation of handshakes, by netlink and by sysctl" same "$limit"
check "what the host is" same "$info"
check "no link groups, links, devices, fallbacks" same "$nothing"
check "counters, all zero" same "$stats"
check "who may change what" same "$permissions"
check "the PNET table" same "$pnet"
check "the PNET table of another namespace" same "$pnet_netns"
check "the PNET table while devices come and go" same "$pnet_devices"
check "sysctls: names, modes, values, ranges" same "$sysctls"
check "sysctls of another namespace, and who may write" same "$sysctls_netns"
check "aliases" aliases
finish
