#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Runs in a guest as what virtme-ng executes: takes commands on stdin, answers
# on stdout.
#
#   run ID LIMIT    runs SHARE/ID.sh for a test, output to SHARE/ID.out; "done ID STATUS"
#   admin ID LIMIT  the same for the harness: it outlives the end of a test
#   off             ends the guest
share=$1
host=$2
here=$(dirname "$(readlink -f "$0")")
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
export SMC_RS_HOST=$host SMC_RS_LIB=$here HOME=/tmp
. "$share/env.sh"
. "$here/guest.sh"

guest_setup >/dev/null
echo ready

while read -r op id limit; do
	case $op in
	run|admin)
		(
			[ "$op" = admin ] || echo "$BASHPID" > /run/smc_rs.cgroup/test/cgroup.procs
			timeout -k 5 "$limit" bash -c '. "$1"/guest.sh; . "$2"' - "$here" "$share/$id.sh" \
				>"$share/$id.out" 2>&1 </dev/null
			echo "done $id $?"
		) &
		;;
	off)
		break
		;;
	esac
done
