# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What benchmarks make of the values of their rounds.

# The median of numbers, one a line: of an even number of them the mean of the two in the
# middle.
middle() { sort -n | awk '{v[NR] = $1} END {if (NR) printf "%.3f", (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2; else print "none"}'; }
# middles ROUNDS: what they are to be called
middles() { if [ "$1" -gt 2 ]; then echo "medians of $1"; else echo "means of $1"; fi; }
