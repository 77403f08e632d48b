#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Builds smc_rs.ko for a kernel build folder:
#
#   module.sh TARGET KDIR      TARGET: modules, clippy, doc, rust-analyzer, modules_install
#   module.sh path KDIR        prints where smc_rs.ko is (there or not)
#   module.sh dkms KDIR        builds here, in a copy that DKMS has made for one kernel
#
# Kbuild wants objects beside the sources; so that several kernels can be built
# for and the checkout stays clean, it is given a folder of links to them.
. "$(dirname "$0")/env.sh"

target=${1:?}
[ -n "${2:-}" ] || exit 1 # what should have built the kernel has said why
kdir=$(realpath -m "$2")
farm=$BUILD/module/$(basename "$kdir")-$(printf '%s' "$kdir" | sha256sum | cut -c1-8)

check_kdir() {
	local c=$kdir/include/config/auto.conf
	[ -e "$c" ] || die "$kdir is not a configured kernel build folder (KDIR=)"
	grep -q '^CONFIG_RUST=y' "$c" || die "the kernel in $kdir has no Rust: it needs CONFIG_RUST=y"
	grep -q '^CONFIG_SMC=' "$c" || die "the kernel in $kdir has no SMC: it needs CONFIG_SMC=m (or y), for TCP's part of the handshake"
	grep -qw tcp_fastopen_smc_only "$kdir/Module.symvers" 2>/dev/null ||
		say "note: the kernel in $kdir has not the series in patches/: connections will take two round trips (the module finds out when it is loaded)"
	grep -q '^CONFIG_SMC=y' "$c" && say "note: CONFIG_SMC=y: the C module is built into this kernel, smc_rs will not load on it"
	grep -q '^CONFIG_CC_IS_CLANG=y' "$c" || die "the kernel in $kdir was built with gcc: it must be built with LLVM=1"
	grep -qF "$("$RUSTC" --version)" <(grep "^CONFIG_RUSTC_VERSION_TEXT=" "$c") ||
		die "the kernel in $kdir was built with another rustc ($(sed -n 's/^CONFIG_RUSTC_VERSION_TEXT=//p' "$c")) than $("$RUSTC" --version)"
}

link_sources() {
	local f
	mkdir -p "$farm"
	find "$farm" -xtype l -delete
	(cd "$TOP" && find Kbuild rust -type f \
		\( -name Kbuild -o -name '*.rs' -o -name '*.c' -o -name '*.h' -o -name '*.lds' -o -name 'linker.sh' -o -name bindgen_parameters \) \
		! -path 'rust/proto/fuzz/*' ! -path 'rust/proto/target/*') |
	while read -r f; do
		[ -L "$farm/$f" ] && continue
		mkdir -p "$farm/$(dirname "$f")"
		ln -s "$TOP/$f" "$farm/$f"
	done
}

# carry_over BUILT: what clippy does not look at, from the folder of the module itself, if
# that has been built. Kbuild makes anew what has changed since.
carry_over() {
	local f cmd
	for f in rust/bindings/{bindings,helpers,layout}_generated.rs; do
		cmd=$(dirname "$f")/.$(basename "$f").cmd
		[ -e "$1/$f" ] && [ -e "$1/$cmd" ] || continue
		cp -p "$1/$f" "$farm/$f"
		sed "s,$1/,$farm/,g" "$1/$cmd" > "$farm/$cmd"
	done
}

kbuild() { make -C "$kdir" M="$farm" "${KMAKE[@]}" -j"$(nproc)" --no-print-directory "$@"; }

# rustdoc is given what Kbuild gave rustc.
document() {
	local crate cmd
	for crate in proto/smc_proto smc_rs; do
		cmd=$(sed -n 's/^savedcmd_[^ ]* := //p' "$farm/rust/$(dirname "$crate")/.$(basename "$crate").o.cmd" |
			sed -E -e 's/ ; .*//' -e "s,$RUSTC,${RUSTC%c}doc," -e 's/ --emit=[^ ]*//g' \
			       -e 's/ --out-dir [^ ]*//' -e 's/ -Z?binary_dep_depinfo=y//')
		(cd "$kdir" && RUSTC_BOOTSTRAP=1 bash -c "$cmd --document-private-items -Astable_features -o '$BUILD/doc'")
	done
	say "documentation is in $BUILD/doc: smc_rs/index.html, smc_proto/index.html"
}

if [ "$target" = path ]; then
	echo "$farm/smc_rs.ko"
	exit 0
fi
load_toolchain
check_kdir
if [ "$target" = dkms ]; then
	farm=$TOP
	kbuild modules
	exit
fi
link_sources
exec 8>"$farm.lock"
flock 8
case $target in
modules)
	kbuild modules ;;
modules_install)
	kbuild modules_install ;;
clippy)
	# In a folder of its own, always anew: clippy says nothing of what it finds made.
	built=$farm
	farm=$farm-clippy
	mkdir -p "$farm"
	find "$farm" \( -name '*.o' -o -name '*.rmeta' \) -delete
	link_sources
	carry_over "$built"
	# What it makes is not for use: without optimisation it makes that sooner.
	kbuild CLIPPY=1 KRUSTFLAGS="-Dwarnings -Copt-level=0" KBUILD_SMC_LTO=n modules ;;
doc)
	kbuild modules
	document ;;
rust-analyzer)
	kbuild modules
	quietly make -C "$kdir" "${KMAKE[@]}" rust-analyzer || die "the kernel's own project file could not be made"
	python3 "$TOP/scripts/rust_analyzer.py" "$kdir/rust-project.json" "$TOP" "$farm" > "$TOP/rust-project.json"
	say "rust-project.json is there" ;;
*)
	die "no such target: $target" ;;
esac
