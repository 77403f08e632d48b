# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of the socket API: the programs, and how one is run.

programs="api_connect api_listen api_data api_flow api_epoll api_options api_fastopen api_life
	api_uring"
# What kernel TLS needs, in this order; a guest does not load it by itself.
tls="lib/crypto/libaes lib/crypto/gf128mul crypto/aes_generic crypto/crypto_null crypto/ghash-generic
	crypto/ctr crypto/gcm net/tls/tls"
tls_in='for m in '${tls//$'\n'/ }'; do loaded $(basename ${m//-/_}) || insmod $SMC_RS_KDIR/$m.ko || exit 1; done'

# prepare HOST MODULE
prepare() { on "$1" "module_in $2 || exit 1; $tls_in"; }

# run HOST MODULE PROGRAM VARIANTS [SECONDS]: its output and status are kept.
run() {
	on -t 600 "$1" "API_LIMIT=${5:-${API_LIMIT:-25}} $3 $4" > "$SMC_RS_TEST_OUT/$3-$2" 2>&1
	echo $? > "$SMC_RS_TEST_OUT/$3-$2.status"
}

# run_all HOST MODULE VARIANTS: two at a time, as they wait for half of theirs
run_all() {
	local p n=0
	for p in $programs; do
		# One ends for each that begins, but for the first two.
		[ $n -lt 2 ] || wait -n
		n=$((n + 1))
		run "$1" "$2" "$p" "$3" &
	done
	wait
}
