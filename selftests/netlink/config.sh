#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What an administrator sets and asks: this module answers as the C module does.
#
# hosts: server=none
# limit: 300
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/netlink/lib.bash"

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

aliases() {
	on server '
		for a in net-pf-16-proto-16-family-SMC_GEN_NETLINK net-pf-16-proto-16-family-SMC_PNETID \
			 net-pf-16-proto-4-type-43; do
			modinfo -F alias $SMC_RS_MODULE | grep -qx $a || { echo "no alias $a"; exit 1; }
		done'
}

plan 10
check "UEIDs, and what is none" same "$ueids"
check "a UEID from the start; as many as a proposal carries" ueid_limit
check "the system's EID cannot be switched here" same "$seid"
check "and there is none" seid_none
check "the limitation of handshakes, by netlink and by sysctl" same "$limit"
check "what the host is" same "$info"
check "no link groups, links, devices, fallbacks" same "$nothing"
check "counters, all zero" same "$stats"
check "who may change what" same "$permissions"
check "aliases" aliases
finish
