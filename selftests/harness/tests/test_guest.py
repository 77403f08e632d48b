# SPDX-License-Identifier: GPL-2.0
"""Which CPUs a guest has."""

import os
import unittest
from unittest import mock

from harness.guest import HOSTS, shares_of_cpus


class Shares(unittest.TestCase):
    def shares(self, cpus):
        with mock.patch.object(os, "sched_getaffinity", return_value=cpus):
            shares = shares_of_cpus()
        self.assertEqual(set(shares), set(HOSTS))
        return shares

    def test_none_is_for_both(self):
        for cpus in ({0, 1}, {2, 5, 7}, set(range(64))):
            shares = self.shares(cpus)
            self.assertFalse(shares["server"] & shares["client"])
            for share in shares.values():
                self.assertEqual(len(share), len(cpus) // 2)
                self.assertLessEqual(share, cpus)

    def test_too_few(self):
        self.assertEqual(self.shares({3}), {"server": {3}, "client": {3}})
