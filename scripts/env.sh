# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the other scripts: where things are kept and which tools are used.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${SMC_RS_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/smc_rs}
BUILD=${SMC_RS_BUILD:-$TOP/build}
TOOLS=$CACHE/tools

# What is fetched at a pinned version, because Debian has none or too old a one.
BINDGEN_VERSION=0.73.2
BINDGEN_MIN=0.65.1
VIRTME_NG_VERSION=1.42
RUSTC_MIN=1.83.0
LLVM_MIN=16
LLVM_WANTED=19

VENV=$TOOLS/venv-$VIRTME_NG_VERSION

say() { printf '%s\n' "smc_rs: $*" >&2; }
die() { say "$*"; exit 1; }

# version_ge A B: A >= B
version_ge() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Runs a command that must not go on for ever and shows its output only if it fails.
quietly() {
	local log
	log=$(mktemp)
	if ! "$@" >"$log" 2>&1 </dev/null; then
		tail -n 30 "$log" >&2
		rm -f "$log"
		return 1
	fi
	rm -f "$log"
}

# The suffix of the LLVM tools ("-19"); the newest complete set wins.
llvm_suffix() {
	local v
	for v in 22 21 20 19 18 17 16; do
		if command -v "clang-$v" "ld.lld-$v" "llvm-nm-$v" >/dev/null &&
		   [ -e "/usr/lib/llvm-$v/lib/libclang.so" -o -e "/usr/lib/llvm-$v/lib/libclang.so.1" ]; then
			echo "-$v"
			return
		fi
	done
	return 1
}

rust_sysroot() { rustc --print sysroot 2>/dev/null; }

# The library source that belongs to the rustc in use, or nothing.
rust_lib_src() {
	local sysroot ver d
	sysroot=$(rust_sysroot) || return 1
	ver=$(rustc --version | cut -d' ' -f2)
	for d in "$sysroot/lib/rustlib/src/rust/library" "/usr/src/rustc-$ver/library"; do
		[ -e "$d/core/src/lib.rs" ] && { echo "$d"; return; }
	done
	return 1
}

# Debian has `bindgen`; Debian 12's is older than the kernel wants.
find_bindgen() {
	local b
	for b in "$TOOLS/bindgen-$BINDGEN_VERSION/bin/bindgen" "$(command -v bindgen || true)"; do
		[ -x "$b" ] || continue
		version_ge "$("$b" --version workaround-for-0.69.0 2>/dev/null | cut -d' ' -f2)" "$BINDGEN_MIN" || continue
		echo "$b"
		return
	done
	return 1
}

# Sets KMAKE: the variables that every kernel and module build is given.
load_toolchain() {
	local suffix sysroot
	suffix=$(llvm_suffix) || die "no clang, lld and llvm >= $LLVM_MIN found: run 'make setup'"
	command -v rustc >/dev/null || die "no rustc found: run 'make setup'"
	sysroot=$(rust_sysroot)
	BINDGEN=$(find_bindgen) || die "no bindgen >= $BINDGEN_MIN found: run 'make setup'"
	RUST_LIB_SRC=$(rust_lib_src) || die "no library source for $(rustc --version): run 'make setup'"
	LLVM_SUFFIX=$suffix
	RUSTC=$sysroot/bin/rustc
	export LIBCLANG_PATH=/usr/lib/llvm$suffix/lib
	KMAKE=(ARCH=x86_64 "LLVM=$suffix" "RUSTC=$RUSTC" "BINDGEN=$BINDGEN"
	       "RUSTDOC=$sysroot/bin/rustdoc" "RUSTFMT=$sysroot/bin/rustfmt"
	       "CLIPPY_DRIVER=$sysroot/bin/clippy-driver" "RUST_LIB_SRC=$RUST_LIB_SRC")
}

# One line that changes whenever any tool that makes code does.
toolchain_id() {
	"$RUSTC" -vV | tr '\n' ' '
	"clang$LLVM_SUFFIX" --version | head -n 1
	"$BINDGEN" --version workaround-for-0.69.0
}
