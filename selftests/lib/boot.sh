#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh COMMAND...: runs virtme-ng with less for the guest's init to do.
#
# A guest sees this host's files.  Of what udev does there a test needs only the names
# of the console's ports, of tmpfiles nothing; both cost many seconds without KVM.  So
# something short stands in their place, in a mount namespace of this process.
#
# The wire is a pair of datagram sockets, and ten frames are what such a socket has
# room for: a burst fills it, and then most of what the emulator does is trying once
# more.  How many there are to be is said in a network namespace of this process, which
# has no use for another one.
if [ "$(id -u)" = 0 ] && [ -z "${SMC_RS_IN_NS:-}" ]; then
	SMC_RS_IN_NS=1 exec unshare --mount --net --propagation private "$0" "$@"
fi
if [ -n "${SMC_RS_IN_NS:-}" ]; then
	stand_in=$(dirname "$(readlink -f "$0")")/udev.sh
	# The first two are one file mostly.
	for program in /usr/lib/systemd/systemd-udevd "$(command -v udevadm)" \
		       "$(command -v systemd-tmpfiles)"; do
		[ ! -e "$program" ] || mount --bind "$stand_in" "$(readlink -f "$program")"
	done
	{ echo 1024 > /proc/sys/net/unix/max_dgram_qlen; } 2> /dev/null
fi
exec "$@"
