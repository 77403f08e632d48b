#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Documentation/operations.rst: its commands, in their order, on the hosts that it
# names, each block a case. The module comes by modprobe from a tree that `make install`
# has made, beside the C module.
#
# hosts: server=none client=none
# kernel: base
# limit: 300
. "$SMC_RS_SELFTESTS/lib/lib.sh"

PAGE=$SMC_RS_TOP/Documentation/operations.rst
ROOT=$SMC_RS_TEST_OUT/root
PRELOAD=$SMC_RS_PROGS/libpreload.so

installed() {
	make -s -C "$SMC_RS_TOP" install KDIR="$SMC_RS_KDIR_BASE" DESTDIR="$ROOT" > "$SMC_RS_TEST_OUT/install.log" 2>&1 &&
		make -s -C "$SMC_RS_KDIR_BASE" modules_install INSTALL_MOD_PATH="$ROOT" >> "$SMC_RS_TEST_OUT/install.log" 2>&1 ||
		{ cat "$SMC_RS_TEST_OUT/install.log"; return 1; }
	find "$ROOT" -name smc.ko | grep . && find "$ROOT" -name smc_rs.ko | grep . &&
		grep -x 'blacklist smc' "$ROOT/etc/modprobe.d/smc_rs.conf"
}
mounted() {
	both "mount --bind $ROOT/lib/modules /lib/modules && mount --bind $ROOT/etc/modprobe.d /etc/modprobe.d &&
		ls /lib/modules/\$(uname -r)/updates"
}
# Without the file it is a matter of luck which of the two is loaded.
preferred() {
	on client '
		modprobe --show-depends net-pf-43 | tee /dev/stderr | grep -c "smc.ko" | grep -x 0 || exit 1
		sysctl -q -w kernel.modprobe=/sbin/modprobe
		sockets hold 43 1 0 & wait_for 20 loaded smc_rs; kill $!; wait
		loaded smc_rs && ! loaded smc && rmmod smc_rs'
}
not_without() { on client "modprobe -C /run/nothing --show-depends net-pf-43 | grep -w smc.ko"; }
# Lazily: what has read from there need not have let go yet.
unmounted() { both 'umount -l /etc/modprobe.d /lib/modules && ! mountpoint -q /lib/modules'; }

# run HOST FILE: every line has to succeed
run() {
	local script
	script="set -eo pipefail; PRELOAD=$PRELOAD"$'\n'$(cat "$2")
	case $1 in
	both) both "$script" ;;
	*) on "$1" "$script" ;;
	esac
}

awk -f "$SMC_RS_SELFTESTS/lib/page.awk" "$PAGE" > "$SMC_RS_TEST_OUT/commands"
mapfile -t hosts < <(sed -n 's/^#block //p' "$SMC_RS_TEST_OUT/commands")
csplit -s -z -f "$SMC_RS_TEST_OUT/block." "$SMC_RS_TEST_OUT/commands" '/^#block /' '{*}'
blocks=("$SMC_RS_TEST_OUT"/block.*)

plan $((${#hosts[@]} + 6))
enough() { [ ${#hosts[@]} -ge 10 ] && [ ${#hosts[@]} -eq ${#blocks[@]} ]; }
check "the page has commands" enough
check "make install, beside the kernel's own modules" installed
check "both hosts have them" mounted
check "a socket loads smc_rs, not the C module" preferred
check "which it would without the configuration" not_without
for i in "${!blocks[@]}"; do
	sed -i 1d "${blocks[i]}"
	check "${hosts[i]}: $(head -n 1 "${blocks[i]}")" run "${hosts[i]}" "${blocks[i]}"
done
check "both hosts are put back" unmounted
finish
