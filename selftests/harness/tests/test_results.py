# SPDX-License-Identifier: GPL-2.0
"""What makes a value a failed one; results are kept as they are."""

import json
import unittest
from dataclasses import replace

from harness.demo import begun
from harness.demo.parse import Counters, Wrk
from harness.demo.plan import FULL, QUICK, ROWS
from harness.demo.results import Load, Results, judge

from . import sample

TCP, C, TWO, ONE = ROWS


def judged(row, wrk=None, client=Counters(), server=Counters()) -> Load:
    cell = Load("bare", row.name, "-c1 -t1")
    judge(cell, row, wrk or Wrk(800, 8.0, 2.0), client, server)
    return cell


class Judge(unittest.TestCase):
    def test_tcp(self):
        cell = judged(TCP)
        self.assertEqual((cell.rate, cell.requests, cell.problem), (100.0, 800, None))

    def test_over_rdma(self):
        # One more than there were answers: wrk gave it up.
        self.assertIsNone(judged(C, client=Counters(client=801)).problem)
        self.assertIsNone(judged(TWO, client=Counters(client=800)).problem)
        self.assertIsNone(judged(ONE, client=Counters(client=800, syns={"SAVED": 790})).problem)

    def test_not_over_rdma(self):
        self.assertEqual(judged(C, client=Counters(client=799)).problem, "1 of 800 not over RDMA")
        self.assertEqual(judged(C).problem, "800 of 800 not over RDMA")

    def test_fell_back(self):
        why = Counters(client=800, client_fallbacks=2, reasons={(False, 0x03030000): 2})
        self.assertEqual(judged(TWO, client=why).problem, "2 fell back to TCP (0x03030000)")
        # Also where the client does not know.
        at_server = judged(TWO, client=Counters(client=800), server=Counters(server_fallbacks=1))
        self.assertEqual(at_server.problem, "1 fell back to TCP")
        self.assertEqual(at_server.fallbacks, 1)

    def test_errors_of_wrk(self):
        self.assertEqual(judged(TCP, Wrk(800, 8.0, 2.0, {"connect": 3, "timeout": 1})).problem,
                         "errors: connect 3, timeout 1")

    def test_no_answer(self):
        self.assertEqual(judged(TCP, Wrk(0, 8.0, 0.0)).problem, "no answer in 8 s")

    def test_round_trips(self):
        self.assertEqual(judged(ONE, client=Counters(client=800, syns={"SAVED": 700})).problem,
                         "only 700 of 800 in one round trip")
        self.assertEqual(judged(TWO, client=Counters(client=800, syns={"SENT": 5})).problem,
                         "5 proposals in SYNs")


class Kept(unittest.TestCase):
    def test_round_trip(self):
        results = sample.results()
        results.load[3].problem = "errors: read 1"
        results.problems.append("server: the kernel complains")
        results.notes.append("C smc, client: the kernel complains")
        again = Results.from_dict(json.loads(results.to_json()))
        self.assertEqual(again, results)

    def test_another_format(self):
        with self.assertRaises(ValueError):
            Results.from_dict({"format": 0})

    def test_ratio(self):
        results = sample.results()
        cell = results.cell("10ms", ONE.name, "-c10 -t1")
        self.assertEqual(results.ratio(cell), 0.75)
        results.cell("10ms", TCP.name, "-c10 -t1").rate = None
        self.assertIsNone(results.ratio(cell))
        self.assertEqual(results.ratio(results.cell("bare", ONE.name, "-c10 -t1")), 0.75)

    def test_failures(self):
        results = sample.results()
        results.notes.append("C smc, client: the kernel complains")
        self.assertEqual(results.failures(), [])
        results.cell("bare", C.name, "-c1 -t1").problem = "errors: read 1"
        results.latency[1].problem = "6 of 7 connections"
        self.assertEqual(len(results.failures()), 2)
        self.assertFalse(results.failed())
        results.frames[0].problem = "no connection"
        results.memory[2].problem = "took too long"
        results.problems.append("server has gone")
        self.assertEqual(results.failures(), [
            "C smc, bare, -c1 -t1: errors: read 1", "C smc, latency: 6 of 7 connections",
            "TCP, frames: no connection", "smc_rs 2-RTT, memory: took too long", "server has gone"])
        self.assertTrue(results.failed())
        results.frames[0].problem = results.memory[2].problem = None
        self.assertTrue(results.failed())
        results.problems.clear()
        self.assertFalse(results.failed())
        results.memory[2].problem = "took too long"
        self.assertTrue(results.failed())


class Parts(unittest.TestCase):
    """A run of some parts is added to one of others."""

    LATER = dict(sample.ABOUT, date="2026-01-02 04:00 UTC")

    def before(self) -> Results:
        results = sample.results()
        results.about["parts"] = {"bare": "2026-01-02 03:04 UTC"}
        return results

    def test_other_parts(self):
        got = begun(self.LATER, replace(FULL, parts=("10ms",)), self.before())
        self.assertEqual(got.load, self.before().load)
        self.assertEqual(got.about["date"], "2026-01-02 04:00 UTC")
        self.assertEqual(got.about["parts"], {"10ms": "2026-01-02 04:00 UTC", "bare": "2026-01-02 03:04 UTC"})

    def test_anew(self):
        for plan, about in ((replace(FULL, parts=("bare", "10ms")), {}), (replace(QUICK, parts=("10ms",)), {}),
                            (replace(FULL, parts=("10ms",)), {"revision": "another"})):
            got = begun(dict(self.LATER, **about), plan, self.before())
            self.assertEqual(got.load, [])
            self.assertEqual(list(got.about["parts"]), list(plan.parts))
        self.assertEqual(begun(self.LATER, FULL, None).load, [])

    def test_order(self):
        results = sample.results()
        results.load.reverse()
        results.frames.reverse()
        results.sort()
        self.assertEqual([v.row for v in results.frames], [row.name for row in ROWS])
        self.assertEqual(results.load[0].wire + results.load[0].row, "bareTCP")
