#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Building the module: what is refused, and that only what changed is made anew.
#
# limit: 600
. "$SMC_RS_SELFTESTS/lib/lib.sh"

# A tree of its own, since sources are touched here.
tree=$SMC_RS_TEST_OUT/tree
mkdir -p "$tree"
cp -r "$SMC_RS_TOP"/{Kbuild,rust,scripts,patches} "$tree/"
mkdir -p "$tree/selftests" && cp "$SMC_RS_SELFTESTS"/config* "$tree/selftests/"
export SMC_RS_BUILD=$tree/build
# What is made here is not run: without optimisation it is there sooner.
export KRUSTFLAGS=-Copt-level=0
export KBUILD_SMC_LTO=n

build() { "$tree/scripts/module.sh" modules "${1:-$SMC_RS_KDIR_BASE}" > "$SMC_RS_TEST_OUT/build.log" 2>&1; }
made() { grep -oE '^  (RUSTC|CC|BINDGEN|GEN) .*' "$SMC_RS_TEST_OUT/build.log" | sed 's,.*/,,' | sort | xargs; }

first() { build || { tail -n 20 "$SMC_RS_TEST_OUT/build.log"; return 1; }; }
nothing() { build && [ -z "$(made)" ] || { made; return 1; }; }
only() {
	local file want=$2 got
	sleep 1
	for file in $1; do touch "$tree/$file"; done
	build || { tail -n 20 "$SMC_RS_TEST_OUT/build.log"; return 1; }
	got=$(made)
	[ "$got" = "$want" ] || { echo "made: $got"; echo "expected: $want"; return 1; }
}

# Where CONFIG_SMC is not set TCP has no hooks for us.
fake_kdir() {
	mkdir -p "$SMC_RS_TEST_OUT/$1/include/config"
	grep -v "^$2=" "$SMC_RS_KDIR_BASE/include/config/auto.conf" > "$SMC_RS_TEST_OUT/$1/include/config/auto.conf"
	! build "$SMC_RS_TEST_OUT/$1" && grep -F "$3" "$SMC_RS_TEST_OUT/build.log"
}
kbuild_refuses() {
	make -C "$SMC_RS_KDIR_BASE" M="$(dirname "$("$tree/scripts/module.sh" path "$SMC_RS_KDIR_BASE")")" CONFIG_SMC= modules 2>&1 |
		tee "$SMC_RS_TEST_OUT/kbuild.log" | grep -F 'smc_rs needs a kernel with CONFIG_SMC=m or =y'
}

overflow_checked() { grep -q overflow-checks=y "$(dirname "$("$tree/scripts/module.sh" path "$SMC_RS_KDIR_BASE")")/rust/.smc_rs.o.cmd"; }

# A compiler or linker that says this of itself.
fake() { printf '#!/bin/sh\ncase $1 in --print) echo %s;; *) echo "%s";; esac\n' "$SMC_RS_TEST_OUT/sysroot" "$2" > "$1" && chmod +x "$1"; }
# linker WANT RUSTC'S_LLVM CLANG LD RUSTC'S_LD
linker() {
	local want=${1:+$SMC_RS_TEST_OUT/$1} own=$SMC_RS_TEST_OUT/sysroot/lib/rustlib/x/bin/gcc-ld got
	mkdir -p "$own"
	fake "$SMC_RS_TEST_OUT/rustc" "LLVM version: $2"
	fake "$SMC_RS_TEST_OUT/clang" "Debian clang version $3 (1)"
	fake "$SMC_RS_TEST_OUT/ld.lld" "Debian LLD $4 (compatible with GNU linkers)"
	fake "$own/ld.lld" "LLD $5 (/rustc/abc)"
	got=$(sh "$tree/rust/lto/linker.sh" "$SMC_RS_TEST_OUT"/{rustc,clang,ld.lld})
	[ "$got" = "$want" ] || { echo "rustc $2, clang $3, lld $4 and $5: '$got', not '$want'"; return 1; }
}
linkers() {
	local own=sysroot/lib/rustlib/x/bin/gcc-ld/ld.lld
	linker ld.lld 19.1.7 19.1.7 19.1.7 19.1.7 &&
		linker ld.lld 19.1.1 20.1.0 20.1.0 19.1.1 &&
		linker $own 22.1.2 19.1.7 19.1.7 22.1.2 &&
		linker '' 22.1.2 19.1.7 19.1.7 19.1.7 &&
		linker '' 19.1.7 22.1.0 19.1.7 19.1.7
}
# The module of `make check` is optimised as a whole, where a linker can do that.
helpers_called() { readelf -rW "$1" | grep -oE 'smc_rs_helper_(sk_state|spin_lock_bh|sock_put)|rust_helper_refcount_inc' | sort | uniq -c | grep .; }
tools_linker() {
	. "$tree/scripts/env.sh"
	load_toolchain
	sh "$tree/rust/lto/linker.sh" "$RUSTC" "clang$LLVM_SUFFIX" "ld.lld$LLVM_SUFFIX"
}
# with_linker COMMAND...: where it can be done
with_linker() {
	if [ -z "$(tools_linker)" ]; then
		echo "no linker reads what rustc writes"
		return "$KSFT_SKIP"
	fi
	"$@"
}
inlined() { [ -s "$SMC_RS_MODULE_BASE" ] && ! helpers_called "$SMC_RS_MODULE_BASE"; }
# The object of a link before must not be taken for this one's.
link_fails() {
	local lds=$tree/rust/lto/sections.lds status
	cp "$lds" "$SMC_RS_TEST_OUT/sections.lds"
	cp "$(dirname "$SMC_RS_MODULE_BASE")/rust/lto/smc_rs_lto.o" \
		"$(dirname "$("$tree/scripts/module.sh" path "$SMC_RS_KDIR_BASE")")/rust/lto/" || return 1
	echo 'BROKEN {' >> "$lds"
	KBUILD_SMC_LTO='' build
	status=$?
	cp "$SMC_RS_TEST_OUT/sections.lds" "$lds"
	[ $status -ne 0 ] && grep 'smc_rs_lto.o\] Error' "$SMC_RS_TEST_OUT/build.log"
}
not_inlined() { helpers_called "$("$tree/scripts/module.sh" path "$SMC_RS_KDIR_BASE")" | wc -l | grep -x 4; }

plan 13
check "a first build" first
check "a second one makes nothing" nothing
check "the stack and an abstraction changed: only their crate" only \
	"rust/smc/socket/create.rs rust/abstractions/net/sock.rs" "smc_rs.o"
check "the protocol changed: it and the stack" only rust/proto/smc_proto.rs "smc_proto.o smc_rs.o"
check "a helper changed: helpers, bindings and the stack" only rust/helpers/net_sock.c \
	"helpers.o helpers_generated.rs smc_bindings.o smc_rs.o"
check "overflow checks are on" overflow_checked
check "a linker that reads what both compilers write" linkers
check "helpers are part of what calls them" with_linker inlined
check "without optimisation at link time they are not" not_inlined
check "a link that fails is an error" with_linker link_fails
check "a kernel without CONFIG_SMC is refused" fake_kdir no-smc CONFIG_SMC "it needs CONFIG_SMC=m"
check "by Kbuild itself as well" kbuild_refuses
check "a kernel without CONFIG_RUST is refused" fake_kdir no-rust CONFIG_RUST "it needs CONFIG_RUST=y"
finish
