# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# For tests of what the module tells the administrator: the same with either
# module in.

# same SCRIPT: prints the same with either module in.
same() {
	local c ours
	c=$(on -t 200 server "module_in smc && { $1
	}" 2>&1)
	ours=$(on -t 200 server "module_in smc_rs && smcnl ueid-flush && { $1
	}" 2>&1)
	diff <(printf '%s\n' "$c") <(printf '%s\n' "$ours") &&
		[ -n "$c" ] && printf '%s\n' "$c"
}

# As somebody without any privilege.
NOBODY='setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all'
# In a namespace of its own.
NETNS='unshare --net --mount sh -c'
