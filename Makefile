# SPDX-License-Identifier: GPL-2.0
#
# The user's interface; Kbuild has the module's objects.  `make help` lists the
# targets.

KDIR ?=
DEBUG ?=
ONLY ?=
QUICK ?=
PARTS ?=
TIME ?= 60
TARGET ?=

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

flavour := $(if $(filter-out 0,$(DEBUG)),debug,base)

# The kernel that the module is built against: KDIR=, else the cached one, built
# if need be.  A shell expression.
ifeq ($(KDIR),)
kdir := "$$(scripts/kernel.sh build $(flavour))"
else
kdir := "$(KDIR)"
endif

.DEFAULT_GOAL := module

help:
	@echo 'Main targets (nothing needs to be set up by hand):'
	@echo '  demo            two virtual hosts with the module, what it does, and how fast:'
	@echo '                  a table, and build/demo/index.html; 20 minutes, QUICK=1: three'
	@echo '  check           every test; KTAP on stdout, summary as the last line'
	@echo '                  DEBUG=1: all in the debug kernel   ONLY=text: tests with that name'
	@echo '  check-long      what takes longer: data with the C module, failing allocations'
	@echo 'The module:'
	@echo '  module          smc_rs.ko for the cached kernel, or for KDIR=folder [default]'
	@echo '  install         installs it for the kernel of KDIR= (default: the running one)'
	@echo '  dkms            gives the sources to DKMS, for KVER=release (default: the running one)'
	@echo '  clippy, fmt, fmt-check, doc, rust-analyzer'
	@echo 'The protocol crate, on this machine:'
	@echo '  coverage        line coverage of its tests'
	@echo '  fuzz            its fuzz targets; TIME=seconds each (60), TARGET=name for one'
	@echo '  miri            its unit tests under Miri'
	@echo '  bench-proto     parse and emit of each message, ns'
	@echo '  vectors         captures the test vectors anew from the C module'
	@echo 'Measurements in two guests, on an idle machine:'
	@echo '  bench-fallback  what SMC sockets cost where they are TCP sockets after all'
	@echo '  bench-data      data over RDMA, against the C module and TCP'
	@echo '  bench-floor     what the frames of a short connection cost without SMC'
	@echo '  bench           all three, and the figures of the demo, as build/bench/REVISION.json'
	@echo '  bench-compare   A= B=: two of those files side by side'
	@echo 'The kernel of the tests:'
	@echo '  kernel          builds it (DEBUG=1: the debug kernel) unless it is cached'
	@echo '  shell           a shell in a guest with the module loaded'
	@echo '  kernel-deb      Debian packages of a kernel for real machines, KCONFIG=its configuration'
	@echo '  where           KERNEL=, KDIR= and MODULE=, for eval in scripts'
	@echo 'Other:'
	@echo '  setup           installs the tools that are missing'
	@echo '  clean           removes build/; the cache is kept ($${XDG_CACHE_HOME:-~/.cache}/smc_rs)'

setup:
	@scripts/setup.sh

kernel: setup
	@scripts/kernel.sh build $(flavour) >/dev/null

module: setup
	@scripts/module.sh modules $(kdir)

install: install_kdir = $(or $(KDIR),/lib/modules/$(shell uname -r)/build)
install: setup
	@scripts/module.sh modules "$(install_kdir)"
	@INSTALL_MOD_PATH=$(DESTDIR) scripts/module.sh modules_install "$(install_kdir)"
	@install -D -m 644 scripts/modprobe.conf $(DESTDIR)/etc/modprobe.d/smc_rs.conf

dkms: setup
	@scripts/dkms.sh $(KVER)

kernel-deb: setup
	@scripts/kernel-deb.sh build

clippy: setup
	@scripts/module.sh clippy $(kdir)

rust-analyzer: setup
	@scripts/module.sh rust-analyzer $(kdir)

# rustfmt follows the modules of these.
rust_sources = rust/smc_rs.rs rust/bindings/smc_bindings.rs rust/proto/smc_proto.rs \
	$(wildcard rust/proto/*/benches/*.rs rust/proto/benches/*.rs rust/proto/examples/*.rs \
		   rust/proto/tests/main.rs rust/proto/fuzz/*.rs \
		   rust/proto/fuzz/*/*.rs)
fmt fmt-check: setup
	@rustfmt $(if $(filter fmt-check,$@),--check) $(rust_sources)

doc: setup
	@scripts/module.sh doc $(kdir)

where:
	@kdir=$(if $(KDIR),$$(realpath -m "$(KDIR)"),$$(scripts/kernel.sh kdir $(flavour))); \
	echo "KERNEL=$$kdir/bzImage.boot"; \
	echo "KDIR=$$kdir"; \
	echo "MODULE=$$(scripts/module.sh path "$$kdir")"

# Tests of the debug kernel are part of every run, so both are needed. A module is
# mostly the work of one rustc: two of them take no longer.
kernels: setup
	@base=$$(scripts/kernel.sh build base) && debug=$$(scripts/kernel.sh build debug) && { \
		scripts/module.sh modules "$$debug" & \
		scripts/module.sh modules "$$base" && wait $$! || { wait; exit 1; }; \
	}

check: kernels
	@selftests/run.sh --out build/check --flavour $(flavour) $(if $(ONLY),--only "$(ONLY)") \
		host module socket api netlink interop smcr

# Not part of `check`: this module and the C module in each role, the socket API with
# that, failing allocations, a hostile peer, a wire that loses frames, crowds at a
# listener, routing by policy, packages of a kernel, the kernel after each patch; ten
# minutes each, or more, on a slow machine.
check-long: kernels
	@selftests/run.sh --out build/check-long --flavour $(flavour) $(if $(ONLY),--only "$(ONLY)") long

# Not part of `check`: it takes long, and wants an idle machine.
bench-fallback bench-data bench-floor: module
	@selftests/run.sh --no-capture --out build/$@ --only bench/$(@:bench-%=%) bench

bench: module
	@QUICK=$(QUICK) selftests/bench.sh

bench-compare:
	@[ -n "$(A)" -a -n "$(B)" ] || { echo 'usage: make bench-compare A=file B=file'; exit 2; }
	@PYTHONPATH=selftests PYTHONDONTWRITEBYTECODE=1 python3 -m harness.bench compare "$(A)" "$(B)"

coverage fuzz miri bench-proto: setup
	@scripts/proto.sh $@ $(TIME) $(TARGET)

vectors: module
	@selftests/run.sh --out build/vectors vectors
	@mkdir -p rust/proto/tests/vectors
	@cp build/vectors/vectors-capture.sh/vectors/*.txt rust/proto/tests/vectors/

demo: module
	@QUICK=$(QUICK) PARTS="$(PARTS)" selftests/demo.sh

shell: module
	@selftests/shell.sh

clean:
	rm -rf build rust-project.json

.PHONY: help setup kernel kernels module install clippy rust-analyzer fmt fmt-check doc where \
	dkms kernel-deb check check-long bench bench-compare bench-fallback bench-data bench-floor coverage fuzz miri bench-proto vectors demo shell clean
