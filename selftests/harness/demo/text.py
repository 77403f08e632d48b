# SPDX-License-Identifier: GPL-2.0
"""The results as tables for a terminal."""

from typing import List, Optional, Sequence

from .plan import PARTS, ROWS, WIRES
from .results import Results

FAILED = "failed"


def number(value: Optional[float]) -> str:
    """Three digits that count, as far as there are any."""
    if value is None:
        return "-"
    if value >= 99.95:
        return f"{value:.0f}"
    return f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"


def ratio(value: Optional[float]) -> str:
    return "-" if value is None else f"{value:.2f}"


def layout(head: Sequence[str], rows: Sequence[Sequence[str]], indent: str = "  ") -> List[str]:
    """The first column to the left, the others to the right."""
    widths = [max(len(line[i]) for line in [head, *rows]) for i in range(len(head))]
    lines = []
    for line in [head, *rows]:
        cells = [line[0].ljust(widths[0])] + [c.rjust(w) for c, w in zip(line[1:], widths[1:])]
        lines.append((indent + "  ".join(cells)).rstrip())
    return lines


def row_names(results: Results) -> List[str]:
    """Of the rows that there are results of, in their order."""
    seen = {v.row for part in (results.load, results.latency, results.frames, results.memory)
            for v in part}
    return [row.name for row in ROWS if row.name in seen]


def load_cell(results: Results, wire: str, row: str, column: str) -> str:
    cell = results.cell(wire, row, column)
    if cell is None:
        return ""
    if cell.problem:
        return FAILED
    return f"{number(cell.rate)} {ratio(results.ratio(cell))}"


def load_table(results: Results, wire: str) -> List[str]:
    columns = results.columns(wire)
    return layout(["", *columns], [
        [row, *(load_cell(results, wire, row, column) for column in columns)]
        for row in row_names(results)])


def others_table(results: Results) -> List[str]:
    """What is counted of a single connection."""
    def of(values, row):
        return next((v for v in values if v.row == row), None)

    def shown(value, text):
        return "" if value is None else FAILED if value.problem else text(value)

    return layout(
        ["", "connect, RTTs", "first answer, RTTs", "frames", "of RDMA", "KiB, idle"],
        [[row,
          shown(of(results.latency, row), lambda v: f"{v.connect:.2f}"),
          shown(of(results.latency, row), lambda v: f"{v.answer:.2f}"),
          shown(of(results.frames, row), lambda v: str(v.total)),
          shown(of(results.frames, row), lambda v: str(v.rdma)),
          shown(of(results.memory, row), lambda v: number(v.kib))]
         for row in row_names(results)])


def about(results: Results) -> List[str]:
    """What it was measured on, a line each."""
    a = results.about
    missing = [part for part in PARTS if part not in a["parts"]]
    return [
        f"{a['date']}, smc_rs {a['revision']}, Linux {a['kernel']}, {a['plan']} run"
        + (f" without {', '.join(missing)}" if missing else "") + f", {a['minutes']:.0f} minutes",
        f"{a['cpu']}, {a['cores']} cores, {a['memory_gib']} GiB; two guests of {a['guest_cpus']} "
        f"processors each by {a['accel']}, soft-RoCE",
    ]


def report(results: Results) -> str:
    lines = []
    for wire in WIRES:
        if wire.name in results.wires():
            lines += [f"Requests/s, and to TCP's, {wire.title}:", *load_table(results, wire.name), ""]
    if results.latency or results.frames or results.memory:
        lines += ["A connection by itself:", *others_table(results), ""]
    lines += about(results)
    failures = results.failures()
    if failures:
        lines += ["", "What failed:"] + [f"  {line}" for line in failures]
    elif results.load:
        lines += ["", "No connection failed, none fell back to TCP."]
    if results.notes:
        lines += ["", "Besides:"] + [f"  {line}" for line in results.notes]
    return "\n".join(lines) + "\n"
