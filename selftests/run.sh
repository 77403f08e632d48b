#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# run.sh [OPTION...] FOLDER...: the harness with this checkout's kernels and
# module; options as of "python3 -m harness".
. "$(dirname "$0")/../scripts/env.sh"

{ read -r SMC_RS_KDIR_BASE; read -r SMC_RS_KDIR_DEBUG; read -r SMC_RS_LINUX; } < <("$TOP/scripts/kernel.sh" where)
SMC_RS_MODULE_BASE=$("$TOP/scripts/module.sh" path "$SMC_RS_KDIR_BASE")
SMC_RS_MODULE_DEBUG=$("$TOP/scripts/module.sh" path "$SMC_RS_KDIR_DEBUG")
SMC_RS_VNG=$VENV/bin/vng
SMC_RS_PROGS=$BUILD/progs
SMC_RS_TOP=$TOP
SMC_RS_CACHE=$CACHE
export SMC_RS_KDIR_BASE SMC_RS_KDIR_DEBUG SMC_RS_MODULE_BASE SMC_RS_MODULE_DEBUG \
	SMC_RS_LINUX SMC_RS_VNG SMC_RS_PROGS SMC_RS_TOP SMC_RS_CACHE
mkdir -p "$SMC_RS_PROGS"
quietly make -j"$(nproc)" -C "$TOP/selftests/progs" OUT="$SMC_RS_PROGS" || die "the tests' programs do not compile"
export PYTHONPATH=$TOP/selftests PYTHONDONTWRITEBYTECODE=1
exec python3 -m harness "$@"
