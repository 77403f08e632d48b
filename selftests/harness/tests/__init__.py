# SPDX-License-Identifier: GPL-2.0
"""Tests of what needs no guest: python3 -m unittest, by host/python.sh."""
