# SPDX-License-Identifier: GPL-2.0
#
# The user's interface; Kbuild has the module's objects.  `make help` lists the
# targets.

KDIR ?=
DEBUG ?=
ONLY ?=

MAKEFLAGS += --no-print-directory
SHELL := /bin/bash

# The kernel that the module is built against: KDIR=, else the cached one.
kdir = $(or $(KDIR),$(shell scripts/kernel.sh kdir $(flavour)))
flavour := $(if $(filter-out 0,$(DEBUG)),debug,base)

ifeq ($(KDIR),)
kernel_needed := kernel
else
kernel_needed := setup
endif

.DEFAULT_GOAL := module

help:
	@echo 'Main targets (nothing needs to be set up by hand):'
	@echo '  demo            two virtual hosts with the module, and what it does'
	@echo '  check           every test; KTAP on stdout, summary as the last line'
	@echo '                  DEBUG=1: all in the debug kernel   ONLY=text: tests with that name'
	@echo 'The module:'
	@echo '  module          smc_rs.ko for the cached kernel, or for KDIR=folder [default]'
	@echo '  install         installs it for the kernel of KDIR= (default: the running one)'
	@echo '  clippy, fmt, fmt-check, doc, rust-analyzer'
	@echo 'The kernel of the tests:'
	@echo '  kernel          builds it (DEBUG=1: the debug kernel) unless it is cached'
	@echo '  shell           a shell in a guest with the module loaded'
	@echo '  where           KERNEL=, KDIR= and MODULE=, for eval in scripts'
	@echo 'Other:'
	@echo '  setup           installs the tools that are missing'
	@echo '  clean           removes build/; the cache is kept ($${XDG_CACHE_HOME:-~/.cache}/smc_rs)'

setup:
	@scripts/setup.sh

kernel: setup
	@scripts/kernel.sh build $(flavour)

module: $(kernel_needed)
	@scripts/module.sh modules "$(kdir)"

install: KDIR := $(or $(KDIR),/lib/modules/$(shell uname -r)/build)
install: setup
	@scripts/module.sh modules "$(KDIR)"
	@scripts/module.sh modules_install "$(KDIR)"
	@install -D -m 644 scripts/modprobe.conf $(DESTDIR)/etc/modprobe.d/smc_rs.conf

clippy: $(kernel_needed)
	@scripts/module.sh clippy "$(kdir)"

rust-analyzer: $(kernel_needed)
	@scripts/module.sh rust-analyzer "$(kdir)"

# rustfmt follows the modules of these.
rust_sources = rust/smc_rs.rs rust/bindings/smc_bindings.rs rust/proto/smc_proto.rs \
	$(wildcard rust/proto/*/benches/*.rs rust/proto/benches/*.rs rust/proto/examples/*.rs \
		   rust/proto/tests/*.rs rust/proto/fuzz/*.rs rust/proto/fuzz/*/*.rs)
fmt fmt-check: setup
	@rustfmt $(if $(filter fmt-check,$@),--check) $(rust_sources)

doc: $(kernel_needed)
	@scripts/module.sh doc "$(kdir)"

where:
	@kdir=$$(realpath -m "$(kdir)"); \
	echo "KERNEL=$$kdir/bzImage.boot"; \
	echo "KDIR=$$kdir"; \
	echo "MODULE=$$(scripts/module.sh path "$$kdir")"

# Tests of the debug kernel are part of every run, so both are needed.
kernels: setup
	@scripts/kernel.sh build base
	@scripts/kernel.sh build debug
	@scripts/module.sh modules "$$(scripts/kernel.sh kdir base)"
	@scripts/module.sh modules "$$(scripts/kernel.sh kdir debug)"

check: kernels
	@selftests/run.sh --out build/check --flavour $(flavour) $(if $(ONLY),--only "$(ONLY)") \
		host module interop

demo: module
	@selftests/demo.sh

shell: module
	@selftests/shell.sh

clean:
	rm -rf build rust-project.json

.PHONY: help setup kernel kernels module install clippy rust-analyzer fmt fmt-check doc where \
	check demo shell clean
