#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# dkms.sh [RELEASE]: gives the sources to DKMS, and has it build and install the
# module for the kernel of that release (default: the running one).  DKMS does so
# by itself for kernels that are installed later.
#
# From the environment: DESTDIR, where the sources' folder is put under; DKMS,
# options for every call of dkms.
. "$(dirname "$0")/env.sh"

release=${1:-$(uname -r)}
read -ra options <<< "${DKMS:-}"
command -v dkms > /dev/null || die "dkms is missing: apt-get install dkms"

# Grows with each commit, as DKMS compares versions.
version() {
	local n
	if n=$(git -C "$TOP" rev-list --count HEAD 2> /dev/null); then
		echo "0.$n+$(git -C "$TOP" rev-parse --short=12 HEAD)"
	else
		echo 0.0
	fi
}

# What a build needs: no tests, no folders of one.
sources() {
	cd "$TOP"
	echo COPYING
	find Kbuild scripts/env.sh scripts/module.sh scripts/modprobe.conf rust -type f \
		\( -path 'rust/proto/fuzz/*' -o -path 'rust/proto/tests/*' -o -path 'rust/proto/target/*' \) -prune -o \
		-type f ! -name '*_generated.rs' -print | grep -vE '\.(o|ko|mod|cmd|rmeta|log)$'
}

v=$(version)
folder=${DESTDIR:-}/usr/src/smc_rs-$v
rm -rf "$folder"
mkdir -p "$folder"
sources | tar -C "$TOP" -c -T - | tar -C "$folder" -x
sed "s/#VERSION#/$v/" "$TOP/dkms.conf" > "$folder/dkms.conf"
install -D -m 644 "$TOP/scripts/modprobe.conf" "${DESTDIR:-}/etc/modprobe.d/smc_rs.conf"
for action in add build install; do
	case $action in
	add) dkms "${options[@]}" status -m smc_rs -v "$v" | grep -q . && continue
	     args=() ;;
	*) args=(-k "$release") ;;
	esac
	dkms "${options[@]}" "$action" -m smc_rs -v "$v" "${args[@]}" || die "dkms $action failed"
done
