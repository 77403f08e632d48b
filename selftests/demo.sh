#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo` runs once everything is built.
. "$(dirname "$0")/../scripts/env.sh"
exec "$TOP/selftests/run.sh" --demo --out "$BUILD/demo"
