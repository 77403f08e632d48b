# SPDX-License-Identifier: GPL-2.0
"""make bench and make bench-compare: measurements as JSON, and two of them side by side."""
