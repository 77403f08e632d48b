#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# How fast data go over RDMA: this module on both hosts against the C module on
# both and TCP, in turn, in one run; and what an idle connection takes of the
# hosts' memory.  It prints each value, the medians (of two rounds the means), and
# their ratios to the C module's, which is there twice, under another name the second
# time: how far that ratio is from 1 is what the machine adds.
#
# This module fails where it is slower than the C module, and the rounds agree on it: the
# mean of its ratios to the C module, each of one round, is below 1.0 by more than the
# error of that mean (one-sided, 90 %), or by more than 5 %.  More rounds have a smaller
# error.
#
# Each guest has CPUs of its own: with those that happen to be free a stream goes at 35
# or at 100 Mbit/s for minutes, by where the scheduler has put the emulators' threads.
#
# hosts: server=none client=none
# apart: yes
# limit: 3600
. "$SMC_RS_SELFTESTS/lib/lib.sh"
. "$SMC_RS_SELFTESTS/lib/data.sh"
. "$SMC_RS_SELFTESTS/lib/rounds.sh"

ROUNDS=${BENCH_ROUNDS:-5}
MS=${BENCH_MS:-1500}
# One message there and back differs by 6 % from one connection to the next, so a value is
# the middle of so many.
TRIES=3
IDLE=200

# NAME:MODULE
configs=("C:smc" "ours:smc_rs" "TCP:none" "C again:smc")
# KIND:CONNECTIONS:SIZE
metrics=(bulk:1:1024 bulk:1:16384 bulk:1:65536 bulk:1:1048576 bulk:8:65536 bulk:64:16384
	pingpong:1:1 pingpong:1:4096 pingpong:1:65536 idle:$IDLE:1)
# The C module may not get so many on a slow machine, and cannot be unloaded for a while
# then: it tries last.
MANY=bulk:64:16384
RAW=$SMC_RS_TEST_OUT/raw

describe() {
	case $1 in
	bulk) echo "$3 B x $2, Mbit/s" ;;
	pingpong) echo "$3 B there and back, us" ;;
	idle) echo "KiB for an idle connection" ;;
	esac
}

family() { [ "$1" = none ] && echo 2 || echo 43; }

start() {
	both 'wait_for 60 modules_out' && both "module_in $1" || return 1
	[ "$1" = none ] || devices || return 1
	on server "datarate server $(family "$1") 5000 > /run/datarate.log 2>&1 & wait_listen 5000"
}
# Two of the C module whose programs are killed at the same time wait for each other.
stop() {
	on client 'pkill datarate'
	[ "$1" = none ] || both 'quiet() { ! smcnl dump lgr-smcr | grep "CONNS_NUM=[1-9]"; }; wait_for 40 quiet' || return 1
	on server 'pkill datarate; wait_for 20 sh -c "! pgrep -x datarate"'
}

# What connections that say nothing take of both kernels.  Some are there before, as
# what is made once is no concern of the next one.
idle() {
	local before after f
	f=$(family "$1")
	on -t 60 client "datarate idle $f \$PEER 5000 20 300 > /run/idle0 & wait_for 50 grep idle /run/idle0" || return 1
	before=$(($(on server kernel_memory) + $(on client kernel_memory))) || return 1
	on -t 120 client "datarate idle $f \$PEER 5000 $2 300 > /run/idle1 & wait_for 100 grep idle /run/idle1" || return 1
	after=$(($(on server kernel_memory) + $(on client kernel_memory))) || return 1
	echo $(((after - before) / $2))
}

# there_and_back MODULE SIZE
there_and_back() {
	local all
	all=$(on -t 60 client "for i in {1..$TRIES}; do datarate pingpong $(family "$1") \$PEER 5000 $2 $MS || exit 1; done") || { echo "$all"; return 1; }
	middle <<< "$all"
}

# value MODULE KIND CONNECTIONS SIZE
value() {
	case $2 in
	bulk) on -t 100 client "datarate bulk $(family "$1") \$PEER 5000 $3 $4 $MS" ;;
	pingpong) there_and_back "$1" "$4" ;;
	idle) idle "$1" "$3" ;;
	esac
}

begin() { start "$1" && on -t 60 client "datarate pingpong $(family "$1") \$PEER 5000 1 100"; }

# values ROUND CONFIG: all of it, on one link group, that a first connection makes
values() {
	local name=${2%:*} module=${2#*:} m v
	begin "$module" || return 1
	for m in "${metrics[@]}"; do
		[ "$module:$m" != "smc:$MANY" ] || continue
		# shellcheck disable=SC2086
		v=$(value "$module" ${m//:/ })
		if ! [[ $v =~ ^[0-9.]+$ ]]; then
			echo "$m: $v"
			return 1
		fi
		echo "$1:$name:$m:$v" >> "$RAW.round"
	done
	[ "$module" = none ] || all_rdma
}
# measure ROUND CONFIG: what was measured counts if all of it was.  Where the C module
# fails, or has had a connection over TCP, is its own affair: that round is without it.
measure() {
	local module=${2#*:} status=0
	rm -f "$RAW.round"
	values "$@" || status=1
	stop "$module" || return 1
	if [ $status -eq 0 ]; then
		cat "$RAW.round" >> "$RAW"
	elif [ "$module" = smc ]; then
		echo "# round $1: ${2%:*} failed" >> "$SMC_RS_TEST_OUT/failed"
		status=0
	fi
	return $status
}
# Whether it does or not is its own affair.
try_many() {
	local v
	begin smc || return 1
	# shellcheck disable=SC2086
	v=$(value smc ${MANY//:/ })
	if [[ $v =~ ^[0-9.]+$ ]]; then
		echo "1:C:$MANY:$v" >> "$RAW"
	else
		echo "# C failed: $MANY: $v" >> "$SMC_RS_TEST_OUT/failed"
		: > "$SMC_RS_TEST_OUT/failed-many"
	fi
}
# No connection was anything else, by the client's statistics.
all_rdma() {
	on client '
		smcnl dump stats; smcnl dump fback-stats
		[ "$(smcnl dump stats | grep -o "CLNT_V2_SUCC=[1-9]" | wc -l)" -eq 1 ] &&
			! smcnl dump fback-stats | grep "CLNT_CNT=[1-9]"'
}

show_raw() {
	local m
	for m in "${metrics[@]}"; do
		awk -F: -v round="$1" -v name="$2" -v m="$m" -v what="$(describe ${m//:/ })" '
			$1 == round && $2 == name && $3 ":" $4 ":" $5 == m {
				printf "# round %d  %-8s %-34s %12s\n", $1, $2, what, $6 }' "$RAW"
	done
}

# median CONFIG METRIC
median() {
	awk -F: -v name="$1" -v m="$2" '$2 == name && $3 ":" $4 ":" $5 == m {print $6}' "$RAW" | middle
}

# ratio CONFIG METRIC: to the C module's, above 1 if better
ratio() {
	awk -v a="$(median "$1" "$2")" -v b="$(median C "$2")" -v more="${2%%:*}" 'BEGIN {
		if (!(a * b)) print "none"; else printf "%.3f", more == "bulk" ? a / b : b / a }'
}

table() {
	local c m
	printf '# %-38s' "$(middles "$ROUNDS")"
	for c in "${configs[@]}"; do printf '%12s (C=1) ' "${c%:*}"; done
	echo
	for m in "${metrics[@]}"; do
		printf '# %-38s' "$(describe ${m//:/ })"
		for c in "${configs[@]}"; do printf '%12s %6s ' "$(median "${c%:*}" "$m")" "$(ratio "${c%:*}" "$m")"; done
		echo
	done
}

# verdict METRIC: the mean of the rounds' ratios to the C module, above 1 if better, and its
# error: as logarithms, as those of twice and of half as fast are to cancel out.  Where the
# C module has failed in a round it is compared with what it has done in the others.
verdict() {
	awk -F: -v m="$1" -v more="${1%%:*}" '
		$3 ":" $4 ":" $5 != m || !($6 > 0) {next}
		$2 == "ours" {ours[$1] = log($6)}
		$2 ~ /^C/ {c[$1] += log($6); cs[$1]++; all += log($6); alls++}
		END {
			# Quantiles of the t distribution, by degrees of freedom.
			split("3.08 1.89 1.64 1.53 1.48 1.44 1.41 1.40 1.38 1.37", t, " ")
			for (round in ours) if (alls) {
				r = ours[round] - (cs[round] ? c[round] / cs[round] : all / alls)
				if (more != "bulk") r = -r
				n++; sum += r; squares += r * r
			}
			if (!n) {print "none none"; exit}
			mean = sum / n; error = most = 0.05
			if (n > 1) {
				spread = squares - n * mean * mean
				error = t[n > 11 ? 10 : n - 1] * sqrt((spread > 0 ? spread : 0) / (n - 1) / n)
			}
			printf "%.3f %.3f\n", exp(mean), error < most ? error : most
		}' "$RAW"
}

# As good as the C module; or where that has failed.
as_good() {
	local mean error
	read -r mean error <<< "$(verdict "$1")"
	echo "ours $(median ours "$1"), C $(median C "$1"): $mean, give or take $error"
	# Where the C module is known to fail there is nothing to compare with, and nowhere else.
	[ "$mean" != none ] || { [ "$1" = "$MANY" ] && [[ $(median ours "$1") == *[1-9]* ]] && [ -e "$SMC_RS_TEST_OUT/failed-many" ]; return; }
	awk -v r="$mean" -v e="$error" 'BEGIN {exit !(r * exp(e) >= 1)}'
}

plan $((ROUNDS * ${#configs[@]} + 1 + ${#metrics[@]}))
: > "$RAW"
rm -f "$SMC_RS_TEST_OUT"/failed*
for ((round = 1; round <= ROUNDS; round++)); do
	for i in "${!configs[@]}"; do
		# Not the same one first, and after the same one, each time.
		c=${configs[(i * (round % 2 ? 1 : ${#configs[@]} - 1) + 2 * round) % ${#configs[@]}]}
		check "round $round: ${c%:*}" measure "$round" "$c"
		show_raw "$round" "${c%:*}"
	done
done
check "the C module, with 64 connections" try_many
table
cat "$SMC_RS_TEST_OUT/failed" 2> /dev/null
for m in "${metrics[@]}"; do check "$(describe ${m//:/ }): as the C module" as_good "$m"; done
finish
