#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The module by DKMS, in trees of its own and for the test kernel: sources are given,
# built and installed, and all of it taken back.
#
# limit: 600
. "$SMC_RS_SELFTESTS/lib/lib.sh"

command -v dkms > /dev/null || skip_all "dkms is not installed"

tree=$SMC_RS_TEST_OUT/tree
modules=$tree/lib/modules
release=$(cat "$SMC_RS_KDIR_BASE/include/config/kernel.release")
mkdir -p "$tree/var/lib/dkms" "$modules/$release"
# depmod would be that of this machine's own modules.
options="--no-depmod --dkmstree $tree/var/lib/dkms --sourcetree $tree/usr/src --installtree $modules"

# It is not run: without optimisation it is there sooner.
export KRUSTFLAGS=-Copt-level=0

dkms_() { dkms $options "$@"; }
installs() {
	DESTDIR=$tree DKMS="$options --kernelsourcedir $SMC_RS_KDIR_BASE" \
		make -s -C "$SMC_RS_TOP" dkms KVER="$release" > "$SMC_RS_TEST_OUT/dkms.log" 2>&1 ||
		{ tail -n 20 "$SMC_RS_TEST_OUT/dkms.log"; cat "$tree"/var/lib/dkms/smc_rs/*/build/make.log; return 1; }
}
status() { dkms_ status smc_rs | tee /dev/stderr | grep -E "^smc_rs[/,].*$release.*: installed"; }
module() { find "$modules/$release" -name 'smc_rs.ko*'; }
is_ours() {
	module | grep -c . | grep -x 1 && modinfo -F vermagic "$(module)" | grep -F "$release " &&
		modinfo -F alias "$(module)" | grep -x net-pf-43
}
nothing_of_the_build() { ! find "$tree/usr/src" \( -name '*.o' -o -name '*_generated.rs' -o -path '*/fuzz/*' \) | grep .; }
configured() { grep -x 'blacklist smc' "$tree/etc/modprobe.d/smc_rs.conf"; }
removes() {
	local v
	v=$(basename "$(echo "$tree"/usr/src/smc_rs-*)")
	dkms_ remove "smc_rs/${v#smc_rs-}" --all && [ -z "$(module)" ]
}

plan 6
check "make dkms" installs
check "the module is installed" status
check "and is one for that kernel" is_ours
check "its sources are only what a build needs" nothing_of_the_build
check "it is preferred to the C module" configured
check "it can be removed" removes
finish
