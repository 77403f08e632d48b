#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Cannot run here, and says so as kselftests do.
. "$SMC_RS_SELFTESTS/lib/lib.sh"
skip_all "nothing to test with"
