#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Packages of a kernel: a configuration is changed as the module needs it; the test
# kernel is packaged, and a module built with what its package of headers has.
#
# The build folder is seen through an overlay, as a kernel that others use must stay
# as it is.
#
# limit: 1200
. "$SMC_RS_SELFTESTS/lib/lib.sh"

command -v dh_listpackages > /dev/null || skip_all "debhelper is not installed"

release=$(cat "$SMC_RS_KDIR_BASE/include/config/kernel.release")
over=$SMC_RS_TEST_OUT/over
debs=$over/upper
tree=$SMC_RS_TEST_OUT/tree
headers=$tree/usr/src/linux-headers-$release
export KDEB_COMPRESS=none

# As a distribution could have it.
configures() {
	local c=$SMC_RS_TEST_OUT/config
	{ cat "$SMC_RS_LINUX/arch/x86/configs/x86_64_defconfig"; printf '%s\n' CONFIG_MODVERSIONS=y \
		'CONFIG_SYSTEM_TRUSTED_KEYS="certs/of-others.pem"' CONFIG_BPF_SYSCALL=y CONFIG_KPROBES=y; } > "$c"
	xz -k -f "$c" && KCONFIG=$c.xz "$SMC_RS_TOP/scripts/kernel-deb.sh" config "$SMC_RS_TEST_OUT/configured" || return 1
	for line in CONFIG_RUST=y CONFIG_SMC=m CONFIG_SMC_DIAG=m CONFIG_RDMA_RXE=m '# CONFIG_MODVERSIONS is not set' \
		'CONFIG_SYSTEM_TRUSTED_KEYS=""' 'CONFIG_LOCALVERSION="-smc-rs"'; do
		grep -Fx "$line" "$SMC_RS_TEST_OUT/configured/.config" || { echo "not $line"; return 1; }
	done
}
no_configuration() {
	! KCONFIG=/nonexistent "$SMC_RS_TOP/scripts/kernel-deb.sh" config "$SMC_RS_TEST_OUT/none" 2>&1 | grep -v 'KCONFIG=file says'
}

packages() {
	local kernels
	kernels=$(dirname "$SMC_RS_KDIR_BASE")
	mkdir -p "$over/upper" "$over/work"
	unshare --mount --propagation private bash -c '
		mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$1" &&
			exec "$3/scripts/kernel-deb.sh" package "$4"' - \
		"$kernels" "$over" "$SMC_RS_TOP" "$SMC_RS_KDIR_BASE" > "$SMC_RS_TEST_OUT/package.log" 2>&1 ||
		{ tail -n 20 "$SMC_RS_TEST_OUT/package.log"; return 1; }
	ls "$debs"/*.deb
}
untouched() { ! find "$SMC_RS_KDIR_BASE" -newer "$SMC_RS_TEST_OUT/configured/.config" -type f | grep .; }
unpacks() {
	mkdir -p "$tree"
	for deb in "$debs"/linux-image-"${release}"_*.deb "$debs"/linux-headers-"${release}"_*.deb; do dpkg-deb -x "$deb" "$tree" || return 1; done
	[ -s "$tree/boot/vmlinuz-$release" ] && grep -x CONFIG_RUST=y "$tree/boot/config-$release" &&
		[ -e "$tree/lib/modules/$release/kernel/net/smc/smc.ko" ]
}
no_libc_headers() { ! ls "$debs" | grep linux-libc-dev; }
sums() { dpkg-deb --ctrl-tarfile "$debs"/linux-headers-"${release}"_*.deb | tar -xO ./md5sums | (cd "$tree" && md5sum --quiet -c); }
builds() {
	SMC_RS_BUILD=$SMC_RS_TEST_OUT/build "$SMC_RS_TOP/scripts/module.sh" modules "$headers" > "$SMC_RS_TEST_OUT/module.log" 2>&1 ||
		{ tail -n 20 "$SMC_RS_TEST_OUT/module.log"; return 1; }
	modinfo -F vermagic "$(SMC_RS_BUILD=$SMC_RS_TEST_OUT/build "$SMC_RS_TOP/scripts/module.sh" path "$headers")" | grep -F "$release "
}

plan 8
check "a configuration has what the module needs" configures
check "without one it says how to name one" no_configuration
check "a kernel is packaged" packages
check "where it was built nothing has changed" untouched
check "its packages have the kernel, and the C module" unpacks
check "not the headers of the C library" no_libc_headers
check "the sums of what was added are right" sums
check "a module is built with the packages of headers alone" builds
finish
