# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What tests of paths that drop SYNs have in common; behind one-rtt.bash.

# drop HOST FILTER...: of what comes to that host, by $DEVICE or by eth0; where the options of a SYN are is
# known. What a filter returns for these is TC_ACT_SHOT, and TC_ACT_UNSPEC for others.
drop() {
	local host=$1 dev=${DEVICE:-eth0} f script
	script="tc qdisc add dev $dev clsact || exit"
	shift
	for f in "$@"; do
		script+="; code=\$(tcpdump -i eth0 -ddd '$f' | sed 's/^6 0 0 0\$/6 0 0 4294967295/; s/^6 0 0 [1-9][0-9]\\{4,5\\}\$/6 0 0 2/' | paste -sd,) &&
			tc filter add dev $dev ingress bpf direct-action bytecode \"\$code\" || exit"
	done
	on "$host" "$script"
}
pass() { on "$1" 'tc qdisc del dev eth0 clsact'; }
SYN='tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn'
MAGIC=0xe2d4c3d9
# Without another option before it, behind the request for a cookie, behind a cookie.
drop_smc() {
	drop server "$SYN and (tcp[44:4] = $MAGIC or tcp[48:4] = $MAGIC or tcp[56:4] = $MAGIC)" \
		"ip6[6] = 6 and ip6[84:4] = $MAGIC"
}
drop_fastopen() { drop server "$SYN and tcp[40] = 34"; }

# The SYNs and the messages of SMC that were sent so far: a line with the port, the
# address and the options, or the ports.
watch() {
	wire 'tcp.flags.syn == 1 && tcp.flags.ack == 0' tcp.dstport ip.dst tcp.options | tr -d : > "$SMC_RS_TEST_OUT/syns" &&
		wire 'tcp.flags.syn == 0 && tcp.payload contains e2:d4:c3:d9' tcp.port > "$SMC_RS_TEST_OUT/clc"
}
# syns REGEX: how many of them
syns() { grep -cE "$1" "$SMC_RS_TEST_OUT/syns"; }
OPTION=fe06e2d4c3d9
clc() { grep -wE "$1" "$SMC_RS_TEST_OUT/clc"; }
# fallbacks HOST: how many for want of SMC at the other end
fallbacks() { on "$1" 'smcnl dump fback-stats' | sed -n "s/.*RSN_CODE=$((0x3010000)) .*RSN_CNT=\([0-9]*\).*/\1/p"; }
