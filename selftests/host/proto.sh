#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The protocol crate on this machine: unit, property and vector tests, the
# exhaustive searches, the simulator, and the corpus of the fuzz targets.
#
# limit: 1200
. "$SMC_RS_SELFTESTS/lib/lib.sh"

log=$SMC_RS_TEST_OUT/cargo.log
cd "$SMC_RS_TOP/rust/proto" || exit 1
CARGO_TARGET_DIR=$SMC_RS_CACHE/cargo cargo test --locked --features sim --no-fail-fast > "$log" 2>&1
cargo_status=$?

# One case for each test that cargo ran, and one for cargo itself.
mapfile -t results < <(awk '
	/^ +(Running|Doc-tests) / { crate = $0; sub(/^ +(Running|Doc-tests) (unittests )?/, "", crate); sub(/ \(.*/, "", crate); sub(/.*\//, "", crate); sub(/\.rs$/, "", crate); crate = crate == "main" ? "" : crate " " }
	/^test .* \.\.\. (ok|FAILED|ignored)/ { word = $0; sub(/.* \.\.\. /, "", word); sub(/[, ].*/, "", word); print word, crate $2 }' "$log")
plan $((${#results[@]} + 1))
for result in "${results[@]}"; do
	read -r word name <<< "$result"
	case $word in
	ok) ktap_test_pass "$name" ;;
	ignored) skip "$name" "marked as ignored" ;;
	*) ktap_test_fail "$name" ;;
	esac
done
[ $cargo_status -eq 0 ] || sed -n -e '/^failures:/,$p' -e '/^error/,+12p' "$log" | tail -n 60 | sed 's/^/# /'
cargo_succeeds() { [ $cargo_status -eq 0 ] && [ ${#results[@]} -gt 100 ]; }
check "cargo test, with no less than 100 tests" cargo_succeeds
finish
