# SPDX-License-Identifier: GPL-2.0
"""Reads the KTAP of a test, writes that of the run.

Format: Documentation/dev-tools/ktap.rst of the kernel.
"""

import re
import threading
import time
from dataclasses import dataclass, field
from typing import List, Optional

RESULT = re.compile(r"^(\s*)(ok|not ok)\s+(\d+)\s*(?:-\s*)?(.*)$")
PLAN = re.compile(r"^(\s*)1\.\.(\d+)")


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Counts") -> None:
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


@dataclass
class Parsed:
    """What a test's own output says of its cases."""

    counts: Counts = field(default_factory=Counts)
    problem: Optional[str] = None


def parse(output: str) -> Parsed:
    """Counts the cases at the output's outermost level."""
    parsed = Parsed()
    planned = None
    seen = 0
    for line in output.splitlines():
        plan = PLAN.match(line)
        if plan and not plan.group(1) and planned is None:
            planned = int(plan.group(2))
            continue
        result = RESULT.match(line)
        if not result or result.group(1):
            continue
        seen += 1
        description = result.group(4)
        if re.search(r"#\s*SKIP", description, re.I):
            parsed.counts.skipped += 1
        elif result.group(2) == "ok" or re.search(r"#\s*XFAIL", description, re.I):
            parsed.counts.passed += 1
        else:
            parsed.counts.failed += 1
    if planned is not None and planned != seen:
        parsed.problem = f"{planned} cases planned, {seen} reported"
    elif seen == 0:
        parsed.problem = "no case reported"
    return parsed


class Writer:
    """Writes a run as KTAP, one test file a subtest.

    Tests may run at the same time: at most one of them in the foreground, whose
    lines are written as they come; those of the others follow it.
    """

    def __init__(self, out, total: int):
        self.out = out
        self.number = 0
        self.counts = Counts()
        self._lock = threading.Lock()
        self._foreground: Optional["Report"] = None
        self._waiting: List["Report"] = []
        self.line("KTAP version 1")
        self.line(f"1..{total}")

    def line(self, line: str) -> None:
        self.out.write(line + "\n")
        self.out.flush()

    def begin(self, name: str, foreground: bool) -> "Report":
        report = Report(self, name, foreground)
        if foreground:
            with self._lock:
                self._foreground = report
        report.line(f"# Subtest: {name}")
        return report

    def end(self, report: "Report") -> None:
        """Counts a report that is complete, and writes what is left of it."""
        with self._lock:
            self._waiting.append(report)
            if self._foreground is report:
                self._foreground = None
            elif self._foreground is not None:
                return
            # It first, whose lines are there already.
            self._waiting.sort(key=lambda r: not r.foreground)
            for done in self._waiting:
                self.number += 1
                self.counts.add(done.counts)
                for line in done.lines:
                    self.line(line)
                self.line(f"{done.word} {self.number} {done.name}{done.tail}")
            self._waiting.clear()

    def summary(self) -> None:
        self.line(f"# Totals: pass:{self.counts.passed} fail:{self.counts.failed} "
                  f"skip:{self.counts.skipped}")
        self.line(str(self.counts))


class Report:
    """What is written of one test."""

    def __init__(self, writer: Writer, name: str, foreground: bool):
        self.writer = writer
        self.name = name
        self.foreground = foreground
        self.lines: List[str] = []
        self.counts = Counts()
        self.word = "ok"
        self.tail = ""
        self.began = time.monotonic()

    def line(self, line: str) -> None:
        if self.foreground:
            self.writer.line(line)
        else:
            self.lines.append(line)

    def comment(self, text: str) -> None:
        for line in text.splitlines() or [""]:
            self.line(f"# {line}")

    def passthrough(self, line: str) -> None:
        self.line(f"    {line}")

    def end(self, counts: Counts, failure: Optional[str], skip: Optional[str],
            cpu: float) -> None:
        if failure is not None and counts.failed == 0:
            counts.failed += 1
        if skip is not None and failure is None and not (counts.passed or counts.skipped):
            counts.skipped += 1
        self.counts = counts
        self.word = "not ok" if failure is not None else "ok"
        self.tail = f" # SKIP {skip}" if skip is not None and failure is None else ""
        if failure is not None:
            self.comment(f"{self.name}: {failure}")
        self.comment(f"{self.name} took {time.monotonic() - self.began:.1f} s, "
                     f"{cpu:.1f} s of CPU")
        self.writer.end(self)


def failed_names(lines: List[str]) -> List[str]:
    """The descriptions of the cases that failed."""
    names = []
    for line in lines:
        result = RESULT.match(line)
        if result and result.group(2) == "not ok" and not re.search(r"#\s*(SKIP|XFAIL)", line, re.I):
            names.append(result.group(4))
    return names
