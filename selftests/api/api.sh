#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The socket API, call by call: without an RDMA device a socket of the module is
# in all respects a TCP socket.  What each case asks for is what TCP does: the
# same cases pass there first.  How the C module fares is told, and no failure.
#
# This module is on one host, TCP and the C module on the other at the same time;
# all of it is by loopback.
#
# hosts: server=none client=none
# limit: 1200
. "$SMC_RS_SELFTESTS/lib/lib.sh"

programs="api_connect api_listen api_data api_flow api_epoll api_options api_fastopen api_life
	api_uring"
# In the debug kernel it is about splats and leaks: a family of each kind.
if on server '[ -e /sys/kernel/debug/kmemleak ]'; then
	tcp="-v tcp" smc="-v smc -v ipproto6"
else
	tcp="-v tcp -v tcp6 -v tcp_dual -v tcp_mapped"
	smc="-v smc -v smc_client -v smc_server -v ipproto -v ipproto6 -v smc_dual -v ipproto_mapped"
fi
# What kernel TLS needs, in this order; a guest does not load it by itself.
tls="lib/crypto/libaes lib/crypto/gf128mul crypto/aes_generic crypto/crypto_null crypto/ghash-generic
	crypto/ctr crypto/gcm net/tls/tls"
tls_in='for m in '${tls//$'\n'/ }'; do loaded $(basename ${m//-/_}) || insmod $SMC_RS_KDIR/$m.ko || exit 1; done'

# run HOST MODULE PROGRAM VARIANTS [SECONDS]: its output and status are kept.
run() {
	on -t 600 "$1" "module_in $2 || exit 1; $tls_in; API_LIMIT=${5:-${API_LIMIT:-25}} $3 $4" \
		> "$SMC_RS_TEST_OUT/$3-$2" 2>&1
	echo $? > "$SMC_RS_TEST_OUT/$3-$2.status"
}

# passed MODULE PROGRAM: every case has; what has not is shown.
passed() {
	local log=$SMC_RS_TEST_OUT/$2-$1
	grep -aE '^not ok|Expected|unexpectedly|SKIP' "$log"
	grep -aq '^# Totals: pass:[1-9]' "$log" || tail -n 5 "$log"
	[ "$(cat "$log.status")" -eq 0 ]
}

# Much of what the C module fails at would wait for ever.
others() {
	local p
	for p in $programs; do run client none "$p" "$tcp"; done
	for p in $programs; do run client smc "$p" "-v smc" 3; done
	on client 'wait_for 20 rmmod tls'
}

c_module() {
	local p failed cases
	cd "$SMC_RS_TEST_OUT" || return
	failed=$(for p in $programs; do sed -n "s/^not ok [0-9]* api\.smc\./${p#api_}./p" "$p-smc"; done | xargs)
	cases=$(cat api_*-smc | grep -acE '^(not )?ok [0-9]')
	echo "# C module: $(wc -w <<< "$failed") of $cases cases fail: $failed"
}

plan $((2 * $(wc -w <<< "$programs")))
others &
for p in $programs; do
	run server smc_rs "$p" "$smc"
	check "$p" passed smc_rs "$p"
done
on server 'wait_for 20 rmmod tls'
wait
for p in $programs; do check "$p, TCP" passed none "$p"; done
c_module
finish
