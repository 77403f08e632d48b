#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest as what virtme-ng executes: takes commands on stdin, answers
# on stdout.
#
#   run ID     runs SHARE/ID.sh for a test, output to SHARE/ID.out; "done ID STATUS"
#   admin ID   the same for the harness: it outlives the end of a test
#   kill ID    ends that script; "done ID 124"
#   off        ends the guest
#
# A script is a fork of this shell: programs to begin with would cost it more than
# most scripts do. It has no numbers for its jobs: kill $!, not %1.
share=$1
host=$2
here=${0%/*}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export SMC_RS_HOST=$host SMC_RS_LIB=$here HOME=/tmp
. "$share/env.sh"
. "$here/guest.sh"

guest_setup >/dev/null
echo ready

# job OP ID: in a process group of its own
declare -A jobs
job() {
	set +m
	[ "$1" = admin ] || echo "$BASHPID" > /run/smc_rs.cgroup/test/cgroup.procs
	(
		exec > "$share/$2.out" 2>&1 < /dev/null
		unset jobs op id
		. "$share/$2.sh"
	)
	echo "done $2 $?"
}

# end ID: as timeout(1) does it
end() {
	kill -TERM -- "-${jobs[$1]}"
	for _ in {1..50}; do
		kill -0 -- "-${jobs[$1]}" 2>/dev/null || break
		sleep 0.1
	done
	kill -KILL -- "-${jobs[$1]}"
	echo "done $1 124"
}

set -m
while read -r op id; do
	case $op in
	run|admin)
		job "$op" "$id" &
		jobs[$id]=$!
		;;
	kill)
		end "$id" 2>/dev/null &
		;;
	off)
		break
		;;
	esac
done
