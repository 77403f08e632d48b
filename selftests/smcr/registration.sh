#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Memory for a new connection is registered on the link that others use. When the wire
# is gone for so long that their bytes are sent again, soft-RoCE must not execute the
# registration once more: it would find the region in use and end the link.
#
# hosts: server=smc_rs client=smc_rs
# limit: 120
# beside: yes
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"

# A ring of a megabyte is a memory region of its own.  What the receivers drop is what
# soft-RoCE sends, and nothing of TCP.
prepare() {
	devices && both 'sysctl -q -w net.smc.rmem=1048576 && tc qdisc add dev eth0 clsact' &&
		on server "datarate server 43 5000 > /run/datarate.log 2>&1 & wait_listen 5000"
}

# One connection never stops sending; in each gap another begins.
gaps() {
	on -t 100 client "
		# What the filter returns for these is TC_ACT_SHOT.
		roce=\$(tcpdump -i eth0 -ddd udp dst port 4791 | sed 's/^6 0 0 [1-9].*/6 0 0 2/' | paste -sd,)
		again() { cat /sys/class/infiniband/*/ports/1/hw_counters/completer_retry_err; }
		before=\$(again)
		datarate bulk 43 \$PEER 5000 1 65536 60000 > /run/bulk 2>&1 & bulk=\$!
		sleep 1
		for i in 1 2; do
			tc filter add dev eth0 ingress bpf direct-action bytecode \"\$roce\" || exit 1
			datarate idle 43 \$PEER 5000 1 90 > /run/idle.\$i 2>&1 &
			sleep 1.3
			tc filter del dev eth0 ingress
			wait_for 20 grep idle /run/idle.\$i || { cat /run/idle.\$i; exit 1; }
		done
		echo \"\$((\$(again) - before)) times something was sent again\"
		[ \$((\$(again) - before)) -ge 2 ] && kill -0 \$bulk"
}
all_rdma() {
	both '! smcnl dump fback-stats | grep "CNT=[1-9]"' &&
		[ "$(on client 'smcnl dump lgr-smcr | tee /dev/stderr | grep -c "^lgr-smcr .*CONNS_NUM=3"')" = 1 ]
}

plan 3
check "devices, a server" prepare
check "connections that begin while the wire is gone" gaps
check "all of them in one link group, and none over TCP" all_rdma
finish
