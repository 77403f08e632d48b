#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# boot.sh COMMAND...: runs virtme-ng with less for the guest's init to do.
#
# A guest sees this host's files.  Of its udev rules a test needs only the names
# of the console ports, of tmpfiles.d nothing; each costs seconds without KVM.
# So they are hidden, in a mount namespace of this process.
if [ "$(id -u)" = 0 ] && [ -z "${SMC_RS_IN_NS:-}" ]; then
	SMC_RS_IN_NS=1 exec unshare --mount --propagation private "$0" "$@"
fi
if [ -n "${SMC_RS_IN_NS:-}" ]; then
	rules=$(grep -hs virtio-ports /usr/lib/udev/rules.d/*.rules)
	mount -t tmpfs tmpfs /usr/lib/udev/rules.d && mount -t tmpfs tmpfs /usr/lib/tmpfiles.d &&
		printf '%s\n' "$rules" > /usr/lib/udev/rules.d/50-virtio-ports.rules
fi
exec "$@"
