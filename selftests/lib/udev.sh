#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# What a guest has instead of systemd's udevd, udevadm and tmpfiles (boot.sh): gives
# the console's ports their names, as udev would, and that is all.
[ "$1" = --daemon ] || exit 0

named() {
	names=
	for port in /sys/class/virtio-ports/*; do
		name=
		! read -r name < "$port/name" || [ -z "$name" ] || names="$names $name:${port##*/}"
	done
	devices=0
	for device in /sys/bus/virtio/drivers/virtio_console/virtio*; do
		[ ! -e "$device" ] || devices=$((devices + 1))
	done
	set -- $names
	[ $# -ge $devices ]
} 2> /dev/null

# A device tells its driver of a port when it has found time for that.
tries=0
until named || [ $tries -eq 50 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
[ -z "$names" ] || mkdir -p /dev/virtio-ports
for port in $names; do
	ln -s "../${port##*:}" "/dev/virtio-ports/${port%:*}"
done
