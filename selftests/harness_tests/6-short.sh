#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Plans two cases and reports one.
echo "TAP version 13"
echo "1..2"
echo "ok 1 the first"
exit 0
