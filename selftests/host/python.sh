#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# What of the harness needs no guest: the demo's tables, charts and pages, what it
# reads from programs, and how measurements are compared.
#
# limit: 120
. "$SMC_RS_SELFTESTS/lib/lib.sh"

log=$SMC_RS_TEST_OUT/unittest.log
cd "$SMC_RS_SELFTESTS" || exit 1
python3 -m unittest discover -v -s harness/tests -t . > "$log" 2>&1
unittest_status=$?

# One case for each test, and one for all of them.
mapfile -t results < <(sed -nE 's/^(test_\w+) \(harness\.tests\.test_(\w+\.\w+)[^)]*\).* \.\.\. (ok|FAIL|ERROR|skipped.*)$/\3 \2 \1/p' "$log")
plan $((${#results[@]} + 1))
for result in "${results[@]}"; do
	read -r word name <<< "$result"
	case $word in
	ok) ktap_test_pass "$name" ;;
	*) ktap_test_fail "$name" ;;
	esac
done
[ $unittest_status -eq 0 ] || sed -n '/^=====/,$p' "$log" | tail -n 60 | sed 's/^/# /'
all_of_them() { [ $unittest_status -eq 0 ] && [ ${#results[@]} -eq "$(grep -rhcE '^    def test_' harness/tests | awk '{n += $1} END {print n}')" ]; }
check "unittest, and no test is missing" all_of_them
finish
