#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module comes and goes, and shares the machine with nobody.
#
# hosts: server=none
# limit: 90
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"

names="INET6_SMC INET_SMC SMC SMC6"

in_protocols() { on server "awk '\$1 ~ /SMC/ {print \$1}' /proc/net/protocols | sort | xargs"; }

registered() { [ "$(in_protocols)" = "$names" ]; }
unregistered() { [ -z "$(in_protocols)" ]; }

# Gone, the family is an unknown one again.
socket_afnosupport() { on server '! sockets 43 1 0' | grep -x '43 1 0 EAFNOSUPPORT'; }

held_by_socket() {
	on server '
		sockets hold 43 1 0 & holders=$!
		sockets hold 2 1 256 & holders="$holders $!"
		for i in {1..100}; do [ "$(cat /sys/module/smc_rs/refcnt)" -ge 4 ] && break; sleep 0.1; done
		rmmod smc_rs && { echo "unloaded under an open socket"; exit 1; }
		loaded smc_rs || { echo "gone"; exit 1; }
		kill $holders; wait
		rmmod smc_rs
	'
}

refused_beside_c() {
	on server 'module_in smc && ! insmod $SMC_RS_MODULE && ! loaded smc_rs && loaded smc && modules_out' &&
		on --console server | grep -F 'smc_rs: AF_SMC is taken'
}

c_refused_beside() {
	on server 'module_in smc_rs && ! insmod $SMC_RS_KDIR/net/smc/smc.ko && ! loaded smc && loaded smc_rs && modules_out' &&
		on --console server | grep -F 'module smc is refused: smc_rs serves AF_SMC'
}

# After a refusal either of them can be had.
both_in_turn() { on server 'module_in smc && module_in smc_rs && module_in smc && module_in smc_rs && modules_out'; }

aliases() {
	on server '
		for a in net-pf-43 net-pf-2-proto-256-type-1 net-pf-10-proto-256-type-1; do
			modinfo -F alias $SMC_RS_MODULE | grep -qx $a || { echo "no alias $a"; exit 1; }
		done'
}

plan 10
check "loads" on server module_in smc_rs
check "its protocols are in /proc/net/protocols" registered
check "unloads" on server modules_out
check "its protocols are gone, and the family" unregistered
check "without it AF_SMC is an unknown family" socket_afnosupport
check "rmmod is refused while a socket is open" eval "on server module_in smc_rs && held_by_socket"
check "refused beside the C module, and says why" refused_beside_c
check "refuses the C module, and says why" c_refused_beside
check "either can be loaded after the other" both_in_turn
check "has the aliases that load it on demand" aliases
finish
