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

plan 9
check "a first build" first
check "a second one makes nothing" nothing
check "the stack and an abstraction changed: only their crate" only \
	"rust/smc/socket/create.rs rust/abstractions/net/sock.rs" "smc_rs.o"
check "the protocol changed: it and the stack" only rust/proto/smc_proto.rs "smc_proto.o smc_rs.o"
check "a helper changed: helpers, bindings and the stack" only rust/helpers/net_sock.c \
	"helpers.o helpers_generated.rs smc_bindings.o smc_rs.o"
check "overflow checks are on" overflow_checked
check "a kernel without CONFIG_SMC is refused" fake_kdir no-smc CONFIG_SMC "it needs CONFIG_SMC=m"
check "by Kbuild itself as well" kbuild_refuses
check "a kernel without CONFIG_RUST is refused" fake_kdir no-rust CONFIG_RUST "it needs CONFIG_RUST=y"
finish
