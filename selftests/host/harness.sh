#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The harness judges: a test that splats, one that hangs and one that leaks are
# each reported as failed, and the next test is not harmed by them.
#
# limit: 600
. "$SMC_RS_SELFTESTS/lib/lib.sh"

out=$SMC_RS_TEST_OUT/nested
log=$SMC_RS_TEST_OUT/nested.tap
# One CPU each: the guest that hangs keeps all that it has busy until it is given up.
SMC_RS_CPUS=1 python3 -m harness --out "$out" harness_tests > "$log"
nested_status=$?

line() { grep -xE "$1" "$log"; }
failed_for() { line "not ok [0-9]+ harness_tests/$1( \[debug\])?" && line "# harness_tests/$1( \[debug\])?: .*$2.*"; }

plan 13
check "a good test passes" line 'ok [0-9]+ harness_tests/1-pass.sh'
check "a kernel warning fails a test" failed_for 2-splat.sh "the kernel complains: .*WARNING"
check "and is shown" grep -q '^# .*lkdtm_WARNING' "$log"
check "a guest that hangs fails a test" failed_for 3-hang.sh "server (hangs|has gone)"
check "a leak fails a test" failed_for 4-leak.sh "kmemleak reports a leak"
check "a test that reports nothing fails" failed_for 5-mute.sh "no case reported"
check "one that reports less than planned fails" failed_for 6-short.sh "2 cases planned, 1 reported"
check "one that takes too long fails" failed_for 7-slow.sh "took longer than 2 s"
check "one that skips itself is skipped" line 'ok [0-9]+ harness_tests/8-skip.sh # SKIP nothing to test with'
check "the test after them passes" line 'ok [0-9]+ harness_tests/9-after.sh'
check "a guest is kept on its own CPUs" line 'ok [0-9]+ harness_tests/a-apart.sh'
queue() { cat /proc/sys/net/unix/max_dgram_qlen; }
alone=$(queue)
wire() { [ "$("$SMC_RS_SELFTESTS/lib/boot.sh" cat /proc/sys/net/unix/max_dgram_qlen)" -eq 1024 ] && [ "$(queue)" -eq "$alone" ]; }
if [ "$(id -u)" = 0 ]; then
	check "the wire has room for a burst of frames, and this machine's sockets what they had" wire
else
	skip "the wire has room for a burst of frames" "only root can say so"
fi
counted() { [ $nested_status -eq 1 ] && line '[0-9]+ passed, 6 failed, 2 skipped'; }
check "all are counted, and the run fails" counted
finish
