# SPDX-License-Identifier: GPL-2.0
"""Reads the KTAP of a test, writes that of the run.

Format: Documentation/dev-tools/ktap.rst of the kernel.
"""

import re
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
    """Writes a run as KTAP, one test file a subtest."""

    def __init__(self, out, total: int):
        self.out = out
        self.number = 0
        self.counts = Counts()
        self.began = time.monotonic()
        self._print("KTAP version 1")
        self._print(f"1..{total}")

    def _print(self, line: str) -> None:
        self.out.write(line + "\n")
        self.out.flush()

    def comment(self, text: str) -> None:
        for line in text.splitlines() or [""]:
            self._print(f"# {line}")

    def begin(self, name: str) -> None:
        self.began = time.monotonic()
        self._print(f"# Subtest: {name}")

    def passthrough(self, line: str) -> None:
        self._print(f"    {line}")

    def end(self, name: str, counts: Counts, failure: Optional[str], skip: Optional[str]) -> None:
        self.number += 1
        if failure is not None and counts.failed == 0:
            counts.failed += 1
        if skip is not None and failure is None and not (counts.passed or counts.skipped):
            counts.skipped += 1
        self.counts.add(counts)
        word = "not ok" if failure is not None else "ok"
        tail = f" # SKIP {skip}" if skip is not None and failure is None else ""
        if failure is not None:
            self.comment(f"{name}: {failure}")
        self.comment(f"{name} took {time.monotonic() - self.began:.1f} s")
        self._print(f"{word} {self.number} {name}{tail}")

    def summary(self) -> None:
        self._print(f"# Totals: pass:{self.counts.passed} fail:{self.counts.failed} "
                    f"skip:{self.counts.skipped}")
        self._print(str(self.counts))


def failed_names(lines: List[str]) -> List[str]:
    """The descriptions of the cases that failed."""
    names = []
    for line in lines:
        result = RESULT.match(line)
        if result and result.group(2) == "not ok" and not re.search(r"#\s*(SKIP|XFAIL)", line, re.I):
            names.append(result.group(4))
    return names
