# SPDX-License-Identifier: GPL-2.0
"""Measurements are put together and compared."""

import contextlib
import io
import json
import tempfile
import unittest
from pathlib import Path

from harness.bench import compare, raw
from harness.bench.__main__ import collect, main

from . import sample

FALLBACK = """1:TCP:100:50:9.5:900:2100
1:ours, client:98:49:9.4:950:2200
2:TCP:102:52:9.7:880:2000
2:ours, client:99:50:9.6:930:2080
"""
DATA = """1:C:bulk:1:1024:40
1:C:pingpong:1:1:2000
1:C:idle:200:1:280
1:ours:bulk:1:1024:60
1:ours:pingpong:1:1:1000
1:ours:idle:200:1:280
"""
FLOOR = """1:tcp:1:0:400
1:rdma:1:0:200
1:rdma:10:5:250
"""


def bench(**changes):
    made = {"format": 1, "about": dict(sample.ABOUT), "demo": json.loads(sample.results().to_json()),
            "fallback": raw.fallback(FALLBACK), "data": raw.data(DATA), "floor": raw.floor(FLOOR)}
    made.update(changes)
    return made


class Raw(unittest.TestCase):
    def test_fallback(self):
        got = raw.fallback(FALLBACK)
        self.assertEqual(got["ours, client"]["connections/s"], [49.0, 50.0])
        self.assertEqual(got["TCP"]["connect us"], [900.0, 880.0])
        with self.assertRaises(ValueError):
            raw.fallback("1:TCP:100:50:9\n")

    def test_data(self):
        got = raw.data(DATA)
        self.assertEqual(got["ours"], {"1024 B x 1, Mbit/s": [60.0], "1 B there and back, us": [1000.0],
                                       "idle connection, KiB": [280.0]})
        with self.assertRaises(ValueError):
            raw.data("1:C:other:1:1:5\n")

    def test_floor(self):
        got = raw.floor(FLOOR)
        self.assertEqual(got["rdma"], {"1 at a time, 0 ms RTT, connections/s": [200.0],
                                       "10 at a time, 10 ms RTT, connections/s": [250.0]})
        with self.assertRaises(ValueError):
            raw.floor("1:tcp:1:400\n")


class Compare(unittest.TestCase):
    def test_figures(self):
        got = compare.figures(bench())
        self.assertEqual(got["bare -c1 -t1, C smc, of TCP"], compare.Figure(0.125, True))
        self.assertEqual(got["bare -c1 -t1, TCP, requests/s"], compare.Figure(400.0, True))
        self.assertEqual(got["frames of a connection, smc_rs 1-RTT"], compare.Figure(20, False))
        # The lower median of two rounds, to that of TCP.
        self.assertAlmostEqual(got["fallback: connect us, ours, client, of TCP"].value, 930 / 880)
        self.assertFalse(got["fallback: connect us, ours, client, of TCP"].more)
        self.assertEqual(got["data: 1024 B x 1, Mbit/s, ours, of C"], compare.Figure(1.5, True))
        self.assertEqual(got["data: 1 B there and back, us, C"], compare.Figure(2000.0, False))
        self.assertEqual(got["floor: 1 at a time, 0 ms RTT, connections/s, rdma, of tcp"],
                         compare.Figure(0.5, True))

    def test_failed_cells_are_none(self):
        results = sample.results()
        results.cell("bare", "C smc", "-c1 -t1").problem = "errors: read 1"
        got = compare.figures(bench(demo=json.loads(results.to_json())))
        self.assertNotIn("bare -c1 -t1, C smc, of TCP", got)
        self.assertIn("bare -c2 -t1, C smc, of TCP", got)

    def test_the_same(self):
        report = compare.report(bench(), bench())
        self.assertIn(" 0 worse", report)
        self.assertNotIn("Not the same", report)

    def test_worse(self):
        results = sample.results()
        results.cell("bare", "smc_rs 1-RTT", "-c1 -t1").rate *= 0.8
        results.frames[3].total = 30
        results.latency[3].connect = 1.0
        report = compare.report(bench(), bench(demo=json.loads(results.to_json())))
        lines = [line for line in report.splitlines() if line.endswith("worse")]
        self.assertEqual([line.split("  ")[0] for line in lines],
                         ["bare -c1 -t1, smc_rs 1-RTT, of TCP", "frames of a connection, smc_rs 1-RTT"])
        self.assertIn("-20 %", lines[0])
        self.assertIn("+50 %", lines[1])
        self.assertIn(" 2 worse", report)

    def test_what_one_has_not(self):
        report = compare.report(bench(), bench(data=None))
        line = next(l for l in report.splitlines() if l.startswith("data: 1024 B x 1, Mbit/s, C "))
        self.assertEqual(line.split()[-2:], ["40.0", "-"])

    def test_other_machine(self):
        report = compare.report(bench(), bench(about=dict(sample.ABOUT, accel="kvm")))
        self.assertIn("  accel: tcg, kvm", report)

    def test_other_format(self):
        with self.assertRaises(ValueError):
            compare.figures(bench(format=0))


class Files(unittest.TestCase):
    def test_collect(self):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path, text in (("demo/demo.json", sample.results().to_json()),
                               ("tests/bench-fallback.sh/raw", FALLBACK)):
                (folder / path).parent.mkdir(parents=True)
                (folder / path).write_text(text, encoding="utf-8")
            path = collect(folder)
            self.assertEqual(path.name, "0123456789ab.json")
            kept = json.loads(path.read_text(encoding="utf-8"))
            self.assertIsNone(kept["data"])
            self.assertIsNone(kept["floor"])
            self.assertEqual(kept["about"], sample.ABOUT)
            self.assertIn("fallback: Mbit/s, TCP", compare.figures(kept))
            out = io.StringIO()
            with contextlib.redirect_stdout(out):
                self.assertEqual(main(["compare", str(path), str(path)]), 0)
            self.assertIn("A: 0123456789ab", out.getvalue())

    def test_nothing_there(self):
        with tempfile.TemporaryDirectory() as name, contextlib.redirect_stderr(io.StringIO()) as err:
            self.assertEqual(main(["collect", name]), 1)
            self.assertIn("demo.json is not there", err.getvalue())
