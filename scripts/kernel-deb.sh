#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Debian packages of a kernel for real machines, with patches/ applied and what
# the module needs:
#
#   kernel-deb.sh build           all of it; packages in build/kernel-deb/
#   kernel-deb.sh config FOLDER   configures in FOLDER only
#   kernel-deb.sh package FOLDER  packages what is built in FOLDER, beside it
#
# The configuration is that of KCONFIG (default: that of the running kernel) with
# the least that has to change.
. "$(dirname "$0")/env.sh"

# Rust of 6.12 cannot be had with these; the keys are those of whoever built the
# other kernel.
CHANGES=(
	--disable MODVERSIONS --disable GCC_PLUGINS --disable RANDSTRUCT_FULL --disable RANDSTRUCT_PERFORMANCE
	--enable RANDSTRUCT_NONE --disable CFI_CLANG --enable RUST
	--module INFINIBAND --enable INFINIBAND_USER_ACCESS --enable INFINIBAND_ADDR_TRANS --module RDMA_RXE
	--module SMC --module SMC_DIAG
	--set-str SYSTEM_TRUSTED_KEYS "" --set-str SYSTEM_REVOCATION_KEYS ""
	--set-str LOCALVERSION "-smc-rs" --disable LOCALVERSION_AUTO
)
WANTED=(CONFIG_RUST=y CONFIG_CC_IS_CLANG=y CONFIG_SMC=m CONFIG_SMC_DIAG=m CONFIG_INFINIBAND=m
	CONFIG_TASKS_RCU=y)

kmake() { make -C "$src" O="$1" "${KMAKE[@]}" "${@:2}"; }

config_file() {
	local c=${KCONFIG:-/boot/config-$(uname -r)}
	[ -e "$c" ] || die "there is no $c: KCONFIG=file says which configuration to begin with"
	case $c in
	*.xz) xzcat "$c" ;;
	*.gz) zcat "$c" ;;
	*) cat "$c" ;;
	esac
}

configure() {
	local kdir=$1 w missing=0
	mkdir -p "$kdir"
	config_file > "$kdir/.config"
	"$src/scripts/config" --file "$kdir/.config" "${CHANGES[@]}"
	quietly kmake "$kdir" olddefconfig || die "the kernel could not be configured"
	for w in "${WANTED[@]}"; do
		grep -qx "$w" "$kdir/.config" && continue
		say "the configuration comes out without $w"
		missing=1
	done
	[ $missing = 0 ] || die "that is no configuration for the module"
}

# What modules in Rust need of a kernel, and the kernel's own packages leave out.
add_rust() {
	local deb=$1 kdir=$2 tree headers
	tree=$(mktemp -d)
	dpkg-deb -R "$deb" "$tree"
	headers=$(echo "$tree"/usr/src/linux-headers-*)
	mkdir -p "$headers/rust"
	cp "$kdir"/rust/*.rmeta "$kdir"/rust/*.so "$src/rust/bindgen_parameters" "$headers/rust/"
	(cd "$tree" && find usr -type f -print0 | xargs -0 md5sum > DEBIAN/md5sums)
	dpkg-deb --root-owner-group ${KDEB_COMPRESS:+-Z"$KDEB_COMPRESS"} -b "$tree" "$deb" > /dev/null
	rm -rf "$tree"
}

package() {
	local kdir=$1 out release deb
	out=$(dirname "$kdir")
	command -v dh_listpackages > /dev/null || die "debhelper is missing: apt-get install debhelper"
	kmake "$kdir" -j"$(nproc)" bindeb-pkg
	release=$(cat "$kdir/include/config/kernel.release")
	for deb in "$out/linux-headers-${release}"_*.deb; do add_rust "$deb" "$kdir"; done
	# It is for all programs of a machine, and the distribution's is as good.
	rm -f "$out"/linux-libc-dev_*.deb
	say "packages of Linux $release:"
	ls "$out"/linux-image-"$release"_*.deb "$out"/linux-headers-"$release"_*.deb
}

load_toolchain
src=$("$TOP/scripts/kernel.sh" source)
case ${1:-} in
config)  configure "${2:?}" ;;
package) package "$(realpath "${2:?}")" ;;
build)
	configure "$BUILD/kernel-deb/linux"
	say "building Linux with $(nproc) jobs: half an hour with many processors, hours with two"
	package "$BUILD/kernel-deb/linux" ;;
*) die "usage: kernel-deb.sh build | config FOLDER | package FOLDER" ;;
esac
