# SPDX-License-Identifier: GPL-2.0
"""Tables, charts and the page say what the results are."""

import re
import tempfile
import unittest
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from harness.demo import output, svg, text
from harness.demo.plan import COLUMNS, FULL, QUICK, ROWS
from harness.demo.progress import Progress

from . import sample

NS = "{http://www.w3.org/2000/svg}"


def texts(chart: str):
    return [e.text for e in ElementTree.fromstring(chart).iter(NS + "text")]


def bars(chart: str):
    return [e for e in ElementTree.fromstring(chart).iter(NS + "rect") if e.find(NS + "title") is not None]


class Table(unittest.TestCase):
    def test_numbers(self):
        self.assertEqual([text.number(v) for v in (None, 0.333, 9.99, 9.996, 99.94, 99.96, 12345.6)],
                         ["-", "0.33", "9.99", "10.0", "99.9", "100", "12346"])

    def test_load(self):
        lines = text.load_table(sample.results(), "bare")
        self.assertEqual(len(lines), 1 + len(ROWS))
        self.assertEqual(re.split(r"\s{2,}", lines[0].strip()), [c.name for c in COLUMNS])
        self.assertEqual(re.split(r"\s{2,}", lines[4].strip()),
                         ["smc_rs 1-RTT"] + ["300 0.75"] * len(COLUMNS))
        self.assertEqual(len({len(line) for line in lines}), 1)

    def test_failed(self):
        results = sample.results()
        results.cell("bare", "C smc", "-c5 -t1").problem = "errors: read 1"
        report = text.report(results)
        self.assertEqual(report.count(text.FAILED + " "), 1)
        self.assertIn("  C smc, bare, -c5 -t1: errors: read 1", report)
        self.assertNotIn("No connection failed", report)
        self.assertIn("No connection failed", text.report(sample.results()))

    def test_notes(self):
        results = sample.results()
        results.notes.append("C smc, client: the kernel complains")
        self.assertIn("Besides:\n  C smc, client: the kernel complains", text.report(results))

    def test_some_parts(self):
        results = sample.results()
        results.load, results.memory = [], []
        report = text.report(results)
        self.assertNotIn("Requests/s", report)
        self.assertIn("1.04", report)

    def test_rows_not_measured(self):
        results = sample.results()
        for part in (results.load, results.latency, results.frames, results.memory):
            part[:] = [v for v in part if v.row != "C smc"]
        self.assertNotIn("C smc", text.report(results))


class Charts(unittest.TestCase):
    def test_ratios(self):
        chart = svg.ratios(sample.results(), "bare", "A title")
        self.assertEqual(len(bars(chart)), 3 * len(COLUMNS))
        heights = {float(b.get("height")) for b in bars(chart)}
        self.assertEqual(len(heights), 3)
        self.assertAlmostEqual(max(heights) / min(heights), 0.75 / 0.125, places=1)
        shown = texts(chart)
        for word in ("A title", "TCP", "-c2000 -t8", "0.75", "C smc"):
            self.assertIn(word, shown)

    def test_a_ratio_above_one(self):
        results = sample.results()
        results.cell("bare", "smc_rs 1-RTT", "-c1 -t1").rate = sample.BASE_RATE * 1.31
        for b in bars(svg.ratios(results, "bare", "")):
            self.assertGreaterEqual(float(b.get("y")), 60)

    def test_failed(self):
        results = sample.results()
        results.cell("bare", "C smc", "-c1 -t1").problem = "errors"
        results.memory[1].problem = "took too long"
        chart = svg.ratios(results, "bare", "")
        self.assertEqual(len(bars(chart)), 3 * len(COLUMNS) - 1)
        self.assertEqual(texts(chart).count("✗"), 1)
        self.assertIn("failed", texts(svg.memory(results)))

    def test_lines(self):
        chart = svg.frames(sample.results())
        widths = [float(b.get("width")) for b in bars(chart)]
        # Two parts each; RDMA has none of TCP's frames.
        self.assertEqual(len(widths), 8)
        self.assertAlmostEqual(widths[2] / widths[0], 1.8, places=1)
        self.assertIn("40, 22 of them RDMA's", texts(chart))
        self.assertIn("4.10", texts(svg.latency(sample.results())))

    def test_scale(self):
        for most, end, step in ((1.0, 1.0, 0.25), (1.2, 1.5, 0.5), (0.08, 0.08, 0.02), (7, 8, 2)):
            got = svg.scale(most)
            self.assertAlmostEqual(got[0], end)
            self.assertAlmostEqual(got[1], step)


class Tags(HTMLParser):
    """Whether what is opened is closed, and what the page asks the network for."""

    VOID = {"meta", "br"}

    def __init__(self):
        super().__init__()
        self.open, self.foreign, self.bad = [], [], []

    def handle_starttag(self, tag, attrs):
        self.foreign += [v for k, v in attrs if k in ("src", "href") or (v or "").startswith("url(")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.bad.append(tag)


class Page(unittest.TestCase):
    def written(self, results):
        with tempfile.TemporaryDirectory() as folder:
            index = output.write(results, Path(folder))
            return index.read_text(encoding="utf-8"), sorted(p.name for p in Path(folder).iterdir())

    def test_complete(self):
        page, files = self.written(sample.results())
        self.assertEqual(files, ["demo.json", "frames.svg", "index.html", "latency.svg", "memory.svg",
                                 "requests-10ms.svg", "requests-bare.svg"])
        tags = Tags()
        tags.feed(page)
        self.assertEqual((tags.open, tags.bad, tags.foreign), ([], [], []))
        self.assertEqual(page.count("<svg"), 5)
        self.assertIn("A &lt;fast&gt; processor", page)
        self.assertIn("<td>0.75<small>300/s</small></td>", page)
        self.assertIn("none fell back", page)

    def test_failed(self):
        results = sample.results()
        results.cell("bare", "C smc", "-c1 -t1").problem = 'errors: "read" 1'
        page, _ = self.written(results)
        self.assertEqual(page.count(">failed</td>"), 1)
        self.assertIn("What failed", page)
        self.assertNotIn("none fell back", page)

    def test_parts(self):
        results = sample.results()
        results.load = [v for v in results.load if v.wire == "bare"]
        results.latency, results.frames = [], []
        page, files = self.written(results)
        self.assertEqual(files, ["demo.json", "index.html", "memory.svg", "requests-bare.svg"])
        self.assertEqual(page.count("<svg"), 2)


class Progressing(unittest.TestCase):
    def test_time_left(self):
        said, clock = [], iter([0.0, 40.0])
        progress = Progress(10, said.append, lambda: next(clock))
        for i in range(4):
            progress.begin(f"step {i}")
            progress.end("done")
        # Once there are four of them: six are left, at ten seconds each.
        self.assertEqual([" min" in line for line in said], [False, False, False, True])
        self.assertIn("[ 4/10,  1 min] step 3", said[3])

    def test_steps(self):
        self.assertEqual(FULL.steps(), 4 * (7 + 7 + 3))
        self.assertEqual(QUICK.steps(), 4 * (3 + 2 + 3) - 1)
