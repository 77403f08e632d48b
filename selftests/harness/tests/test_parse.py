# SPDX-License-Identifier: GPL-2.0
"""What programs print is read, and what they do not is refused."""

import unittest

from harness.demo import parse

WRK = """Running 8s test @ http://10.99.0.1:8080/
  4 threads and 200 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.50s   889.15us  12.92ms   93.69%
    Req/Sec    56.20     8.07     62.00     86.54%
  3200 requests in 8.00s, 1.20MB read
Requests/sec:    400.00
Transfer/sec:    153.60KB
"""


class Wrk(unittest.TestCase):
    def test_good(self):
        got = parse.wrk(WRK)
        self.assertEqual((got.requests, got.seconds, got.rate), (3200, 8.0, 400.0))
        self.assertEqual(got.latency_ms, 1500.0)
        self.assertEqual(got.errors, {})

    def test_units(self):
        self.assertAlmostEqual(parse.wrk(WRK.replace("in 8.00s", "in 2.00m")).seconds, 120.0)
        self.assertAlmostEqual(parse.wrk(WRK.replace("in 8.00s", "in 500.00ms")).seconds, 0.5)

    def test_errors(self):
        text = WRK + "  Socket errors: connect 3, read 0, write 1, timeout 20\n" \
                     "  Non-2xx or 3xx responses: 7\n"
        self.assertEqual(parse.wrk(text).errors,
                         {"connect": 3, "write": 1, "timeout": 20, "status": 7})

    def test_no_requests(self):
        got = parse.wrk(WRK.replace("3200 requests", "0 requests"))
        self.assertEqual((got.requests, got.rate), (0, 0.0))

    def test_something_else(self):
        for text in ("", "unable to connect to 10.99.0.1:8080 Connection refused\n",
                     WRK.replace("in 8.00s", "in 0.00us")):
            with self.assertRaises(parse.Unreadable):
                parse.wrk(text)


STATS = """stats SMCD.CLNT_V1_SUCC=9 SMCR.CLNT_V1_SUCC=1 SMCR.CLNT_V2_SUCC=40 SMCR.SRV_V1_SUCC=0 \
SMCR.SRV_V2_SUCC=7 CLNT_HS_ERR_CNT=2 SRV_HS_ERR_CNT=3
fback-stats TYPE=1 SRV_CNT=5 CLNT_CNT=6 RSN_CODE=50331648 RSN_CNT=5
fback-stats TYPE=0 RSN_CODE=50528256 RSN_CNT=6
fastopen SENT=30 TAKEN=29 NOT_TAKEN=1 SAVED=28
"""


class Counters(unittest.TestCase):
    def test_all(self):
        got = parse.counters(STATS)
        self.assertEqual((got.client, got.server), (41, 7))
        self.assertEqual((got.client_errors, got.server_errors), (2, 3))
        self.assertEqual((got.client_fallbacks, got.server_fallbacks), (6, 5))
        self.assertEqual(got.reasons, {(True, 50331648): 5, (False, 50528256): 6})
        self.assertEqual(got.syns["SAVED"], 28)

    def test_since(self):
        later = STATS.replace("CLNT_V2_SUCC=40", "CLNT_V2_SUCC=50").replace("SAVED=28", "SAVED=38") \
            .replace("TYPE=0 RSN_CODE=50528256 RSN_CNT=6", "TYPE=0 RSN_CODE=50528256 RSN_CNT=8") \
            .replace("CLNT_CNT=6", "CLNT_CNT=8")
        got = parse.counters(later).since(parse.counters(STATS))
        self.assertEqual(got, parse.Counters(client=10, client_fallbacks=2,
                                             reasons={(False, 50528256): 2}, syns={"SAVED": 10}))

    def test_nothing(self):
        self.assertEqual(parse.counters(""), parse.Counters())


class Cell(unittest.TestCase):
    def test_sections(self):
        got = parse.cell("=== before\nstats A=1\n=== wrk\n" + WRK + "=== status 0\nstats A=2\n")
        self.assertEqual((got.before, got.status, got.after), ("stats A=1\n", 0, "stats A=2\n"))
        self.assertEqual(parse.wrk(got.wrk).requests, 3200)

    def test_without_a_module(self):
        got = parse.cell("=== before\n=== wrk\nx\n=== status 1\n")
        self.assertEqual((got.before, got.wrk, got.status, got.after), ("", "x\n", 1, ""))

    def test_stopped(self):
        for text in ("", "=== before\nstats A=1\n", "=== before\n=== wrk\nx\n"):
            with self.assertRaises(parse.Unreadable):
                parse.cell(text)


class Others(unittest.TestCase):
    def test_connects(self):
        self.assertEqual(parse.connects("connect 101000 first 202000\nconnect 5 first 0\nx\n"),
                         [(101000, 202000), (5, 0)])

    def test_shorts(self):
        self.assertEqual(parse.shorts("frames 10 2\nconnect 1 first 2\nframes 30 14\n"
                                      "frames 31 14\nframes 51 26\n"), [(20, 12), (20, 12)])
        with self.assertRaises(parse.Unreadable):
            parse.shorts("frames 10 2\n")

    def test_memory(self):
        self.assertEqual(parse.memory("memory 4242\n"), 4242)
        with self.assertRaises(parse.Unreadable):
            parse.memory("sync: error\n")

    def test_median(self):
        self.assertEqual(parse.median([3, 1, 2]), 2)
        self.assertEqual(parse.median([4, 1, 3, 2]), 2)
        self.assertEqual(parse.median([(20, 1), (19, 9)]), (19, 9))
        self.assertIsNone(parse.median([]))
