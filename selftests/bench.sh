#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What `make bench` runs once everything is built: the measurements of the demo,
# bench-fallback, bench-data and bench-floor, and all of them as one JSON file, build/bench/
# REVISION.json.  QUICK, as for the demo.
. "$(dirname "$0")/../scripts/env.sh"

out=$BUILD/bench
options=()
if [ -n "${QUICK:-}" ] && [ "$QUICK" != 0 ]; then
	options+=(--quick)
	export BENCH_ROUNDS=1 BENCH_SECONDS=2 BENCH_MS=500
fi
# One that has failed has measured all the same.
status=0
"$TOP/selftests/run.sh" --demo --out "$out/demo" "${options[@]}" || status=1
"$TOP/selftests/run.sh" --no-capture --out "$out/tests" bench || status=1
file=$(PYTHONPATH=$TOP/selftests PYTHONDONTWRITEBYTECODE=1 python3 -m harness.bench collect "$out")
say "the figures are in $file"
exit $status
