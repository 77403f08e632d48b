# SPDX-License-Identifier: GPL-2.0
"""Runs kselftests that need two hosts on one wire: see Documentation/testing.rst."""
