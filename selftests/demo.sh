#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make demo` runs once everything is built.  From its environment: QUICK,
# anything but 0 for the short run; PARTS, names of parts for these only.
. "$(dirname "$0")/../scripts/env.sh"

options=()
[ -z "${QUICK:-}" ] || [ "$QUICK" = 0 ] || options+=(--quick)
for part in ${PARTS:-}; do options+=(--part "$part"); done
exec "$TOP/selftests/run.sh" --demo --out "$BUILD/demo" "${options[@]}"
