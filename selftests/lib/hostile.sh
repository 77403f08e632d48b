# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Running the scenarios of progs/hostile.c on the client, against the module on the
# server. Each has an address of its own in 10.98.0.0/16, where nobody but the
# program answers.

# Scenarios of a name that this matches, and how each has to end.
hostile_scenarios() {
	on client 'hostile list' | awk -v name="${HOSTILE:-.}" '$1 ~ name'
}

# A peer that has gone silent is found by TEST LINK, soon.
hostile_prepare() {
	both 'rxe_up' > /dev/null
	on server '
		ip route replace 10.98.0.0/16 via $PEER dev eth0
		sysctl -q -w net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.eth0.rp_filter=0 \
			net.smc.smcr_testlink_time=5'
}

hostile_listen() {
	on server '
		stream server 43 0 5001 100000 > /dev/null 2>&1 &
		reflect listen 5000 > /run/reflect 2>&1 &
		wait_listen 5000 && wait_listen 5001' &&
		on client 'stream client 43 0 $PEER 5001 1 1000'
}

# hostile_run SCENARIOS: a case for each. After each an honest client has its turn, too.
hostile_run() {
	local name fate n=0
	on -t "${HOSTILE_TIME:-600}" client "
		n=0
		while read -r name fate; do
			n=\$((n + 1))
			hostile eth0 10.98.0.\$n 02:53:4d:43:00:02 \$PEER \$PEER_MAC 5000 \$name > /run/hostile.\$name 2>&1 < /dev/null
			echo \"exit status \$?\" >> /run/hostile.\$name
			stream client 43 0 \$PEER 5001 1 1000 >> /run/hostile.\$name 2>&1 < /dev/null ||
				echo 'an honest client is not served' >> /run/hostile.\$name
		done <<< '$1'"
	on client 'head -v -n 20 /run/hostile.*' > "$SMC_RS_TEST_OUT/hostile"
	on server 'cat /run/reflect' > "$SMC_RS_TEST_OUT/reflect"
	while read -r name fate; do
		n=$((n + 1))
		check "$name: $fate" hostile_outcome "$name" "$fate" "10.98.0.$n"
	done <<< "$1"
}

# What the peer has seen, and what the program was told.
hostile_outcome() {
	local seen told
	seen=$(sed -n "/^==> .*hostile\.$1 <==/,/^==>/p" "$SMC_RS_TEST_OUT/hostile" | grep -v '^==>')
	told=$(grep "^$3 " "$SMC_RS_TEST_OUT/reflect")
	printf '%s\n' "$seen" "$told"
	grep -qx 'exit status 0' <<< "$seen" && ! grep -qx 'an honest client is not served' <<< "$seen" || return 1
	case $2 in
	lives) [ "$(grep -c closed <<< "$told")" = 2 ] ;;
	conn) [ "$(wc -l <<< "$told")" = 2 ] ;;
	group) [ "$(grep -c 'ECONN[A-Z]*$' <<< "$told")" = 2 ] ;;
	esac
}

hostile_nothing_left() {
	on server 'wait_for 20 sh -c "! smcnl dump link-smcr | grep -i :0a62: && ! smcnl sockets | grep 10.98." || { smcnl dump link-smcr; smcnl dump lgr-smcr; smcnl sockets; exit 1; }'
}

hostile_others() {
	local bytes n
	n=$(wire "tcp.port == 5001 && tcp.flags.syn == 1 && tcp.flags.ack == 0" tcp.stream | sort -u | wc -l)
	bytes=$(wire "tcp.port == 5001" tcp.len | awk '{n += $1} END {print n + 0}')
	echo "$bytes bytes in TCP for $n connections"
	[ "$n" -gt 1 ] && [ "$bytes" -lt $((n * 800)) ]
}

hostile_unload() {
	on -t 30 server 'killall reflect stream; wait_for 20 modules_out'
}
