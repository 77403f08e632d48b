#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds the kernel that the tests boot, once for everything that goes into it:
#
#   kernel.sh build base|debug    builds what is not there yet; prints where
#   kernel.sh kdir base|debug     prints where that build is (there or not)
#   kernel.sh source              unpacks and patches the source; prints where
#   kernel.sh where               prints the folders of both builds and of the
#                                 patched source, a line each
#
# linux-source-6.12 with patches/ applied, configured by selftests/config (and
# config.debug) on allnoconfig.  Kept in the cache, keyed by source version,
# patches, configuration and tools.
. "$(dirname "$0")/env.sh"

SOURCE_PACKAGE=linux-source-6.12
SOURCE_TAR=${SMC_RS_LINUX_TAR:-/usr/src/$SOURCE_PACKAGE.tar.xz}

action=${1:?}
flavour=${2:-base}

load_toolchain
mapfile -t patches < <(sed -e 's/#.*//' -e '/^[[:space:]]*$/d' "$TOP/patches/series")

source_version() {
	if [ -n "${SMC_RS_LINUX_TAR:-}" ]; then
		sha256sum "$SOURCE_TAR" | cut -c1-16
	else
		dpkg-query -W -f '${Version}' $SOURCE_PACKAGE 2>/dev/null ||
			die "$SOURCE_PACKAGE is not installed: run 'make setup'"
	fi
}

patch_ids() { local p; for p in ${patches[@]+"${patches[@]}"}; do sha256sum <"$TOP/patches/$p"; done; }

version=$(source_version)
src=$CACHE/src/linux-$version-$( { echo "$version"; patch_ids; } | sha256sum | cut -c1-8)
tools=$(toolchain_id)

# use FLAVOUR: sets what belongs to that kernel.
use() {
	flavour=$1
	case $flavour in
	base)  fragments=("$TOP/selftests/config"); steps=2270 ;;
	debug) fragments=("$TOP/selftests/config" "$TOP/selftests/config.debug"); steps=2350 ;;
	*)     die "no such kernel: $flavour" ;;
	esac
	kdir=$CACHE/kernel/$flavour-$( { echo "$src"; cat "${fragments[@]}"; echo "$tools"; } | sha256sum | cut -c1-12)
}

unpack() {
	local tmp p
	[ -d "$src" ] && return
	mkdir -p "$CACHE/src"
	tmp=$(mktemp -d "$CACHE/src/unpack.XXXXXX")
	say "unpacking $SOURCE_PACKAGE $version"
	tar -C "$tmp" --strip-components=1 -xf "$SOURCE_TAR"
	for p in ${patches[@]+"${patches[@]}"}; do
		patch -d "$tmp" -p1 -s --no-backup-if-mismatch <"$TOP/patches/$p" || { rm -rf "$tmp"; die "patches/$p does not apply"; }
	done
	mv "$tmp" "$src"
}

# Every symbol asked for must have come out as asked: a dependency that went
# missing would turn tests into skips.
configure() {
	local wanted line missing=0
	wanted=$(mktemp)
	cat "${fragments[@]}" >"$wanted"
	quietly make -C "$src" O="$kdir" "${KMAKE[@]}" KCONFIG_ALLCONFIG="$wanted" allnoconfig ||
		die "the kernel could not be configured"
	while read -r line; do
		grep -qxF "$line" "$kdir/.config" && continue
		say "the configuration lacks $line"
		missing=1
	done < <(grep '^CONFIG_' "$wanted")
	rm -f "$wanted"
	[ $missing = 0 ] || { rm -f "$kdir/.config"; die "selftests/config asks for what this kernel can't give"; }
}

build() {
	local log=$kdir/build.log
	[ -e "$kdir/.complete" ] && return
	mkdir -p "$kdir"
	exec 8>"$kdir.lock"
	flock -n 8 || { say "waiting for another build of the $flavour kernel"; flock 8; }
	[ -e "$kdir/.complete" ] && return
	unpack
	[ -e "$kdir/.configured" ] || { configure; touch "$kdir/.configured"; }
	say "building the $flavour kernel $version with $(nproc) jobs (log: $log)"
	if ! make -C "$src" O="$kdir" "${KMAKE[@]}" -j"$(nproc)" bzImage modules 2>&1 |
	     python3 "$TOP/scripts/progress.py" "$flavour kernel" "$steps" "$log" >"$kdir/.steps"; then
		grep -nE 'error|Error' "$log" | head -20 >&2
		tail -n 20 "$log" >&2
		die "the $flavour kernel did not build"
	fi
	# A copy: virtme-ng takes a bzImage inside a build folder for that whole folder.
	cp "$kdir/arch/x86/boot/bzImage" "$kdir/bzImage.boot"
	touch "$kdir/.complete"
	say "the $flavour kernel is built ($(cat "$kdir/.steps") files)"
}

use "$flavour"
case $action in
build) build >&2; echo "$kdir" ;;
kdir)  echo "$kdir" ;;
source) unpack >&2; echo "$src" ;;
where) use base; echo "$kdir"; use debug; echo "$kdir"; echo "$src" ;;
*)     die "usage: kernel.sh build|kdir|source|where [base|debug]" ;;
esac
