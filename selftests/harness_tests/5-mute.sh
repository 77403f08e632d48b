#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# Ends well without having reported anything.
exit 0
