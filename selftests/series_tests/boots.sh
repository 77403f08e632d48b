#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# A kernel of which nothing but that is asked: it boots, its TCP and its Fast Open work,
# its C module loads and makes connections, also those that are TCP's after all.
#
# hosts: server=none
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"

at_loopback() { on server "stream client $1 0 127.0.0.1 $2 3 1000"; }

tcp() { on server 'stream server 2 0 5000 100 > /dev/null 2>&1 & wait_listen 5000' && at_loopback 2 5000; }
# The first asks for the cookie, the second shows it: its bytes come with the SYN.
fast_open() {
	on server 'echo 0x403 > /proc/sys/net/ipv4/tcp_fastopen
		stream server 2 0 5002 100 > /dev/null 2>&1 & wait_listen 5002 &&
		stream fastopen 2 0 127.0.0.1 5002 && stream fastopen 2 0 127.0.0.1 5002' |
		tee /dev/stderr | tail -n 1 | grep -x "in the SYN"
}
smc() {
	on server 'module_in smc || exit 1; stream server 43 0 5001 100 > /dev/null 2>&1 & wait_listen 5001' &&
		at_loopback 43 5001 && at_loopback 43 5000 && at_loopback 2 5001
}
gone() { on server 'pkill stream; wait_for 30 modules_out'; }

plan 6
check "it boots" on server 'cat /proc/version'
check "TCP" tcp
check "Fast Open" fast_open
check "the C module: SMC at both ends, at the client's only, at the server's only" smc
check "Fast Open as before" fast_open
check "the C module goes" gone
finish
