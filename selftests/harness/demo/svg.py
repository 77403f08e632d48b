# SPDX-License-Identifier: GPL-2.0
"""Charts as SVG, light or dark as the reader's screen is."""

import math
from dataclasses import dataclass
from html import escape
from typing import List, Optional, Sequence, Tuple

from .plan import BASE, ROWS
from .results import Results
from .text import number, row_names

WIDTH = 760

# Both hues of smc_rs are of one kind; TCP, the measure, has none.
STYLE = """
.chart { font: 12px system-ui, sans-serif; }
.chart text { fill: #1f2328; }
.chart .soft { fill: #59636e; }
.chart .small { font-size: 10px; }
.chart .title { font-size: 14px; font-weight: 600; }
.chart .grid { stroke: #d1d9e0; stroke-width: 1; }
.chart .base { stroke: #59636e; stroke-width: 1.5; stroke-dasharray: 5 3; }
.chart .bad { fill: #cf222e; font-weight: 600; }
.chart .r0 { fill: #818b98; } .chart .r1 { fill: #d4762c; }
.chart .r2 { fill: #79b0ea; } .chart .r3 { fill: #1f5fbf; }
@media (prefers-color-scheme: dark) {
.chart text { fill: #e6edf3; }
.chart .soft { fill: #9198a1; }
.chart .grid { stroke: #3d444d; }
.chart .base { stroke: #9198a1; }
.chart .bad { fill: #ff7b72; }
.chart .r0 { fill: #9198a1; } .chart .r1 { fill: #e08a45; }
.chart .r2 { fill: #a5cdf7; } .chart .r3 { fill: #4a8fe7; }
}
"""


def color(row: str) -> str:
    """The class of a row, the same in every chart."""
    return f"r{[r.name for r in ROWS].index(row)}"


def svg(height: int, title: str, body: Sequence[str]) -> str:
    return "\n".join([
        f'<svg class="chart" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        f'width="{WIDTH}" height="{height}" role="img" aria-label="{escape(title)}">',
        "<!-- SPDX-License-Identifier: GPL-2.0 -->",
        f"<style>{STYLE}</style>",
        f'<text class="title" x="0" y="18">{escape(title)}</text>',
        *body, "</svg>"]) + "\n"


def label(x: float, y: float, what: str, classes: str = "", anchor: str = "middle") -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{classes}" text-anchor="{anchor}">'
            f'{escape(what)}</text>')


def bar(x: float, y: float, width: float, height: float, row: str, what: str, faint=False) -> str:
    opacity = ' opacity="0.55"' if faint else ""
    return (f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
            f'class="{color(row)}"{opacity}><title>{escape(what)}</title></rect>')


def legend(rows: Sequence[str], y: float) -> List[str]:
    """A square for each row, and TCP's line."""
    parts, x = [], 0.0
    for row in rows:
        parts.append(f'<rect x="{x:.1f}" y="{y - 9:.1f}" width="10" height="10" rx="2" class="{color(row)}"/>')
        parts.append(label(x + 15, y, row, "", "start"))
        x += 34 + 7.2 * len(row)
    parts.append(f'<line x1="{x:.1f}" x2="{x + 22:.1f}" y1="{y - 4:.1f}" y2="{y - 4:.1f}" class="base"/>')
    parts.append(label(x + 27, y, BASE, "", "start"))
    return parts


def scale(most: float) -> Tuple[float, float]:
    """The end of an axis and its step: 1, 2, 2.5 or 5 times a power of ten, and room
    for four or five of them."""
    raw = max(most, 1e-9) / 4
    power = 10 ** math.floor(math.log10(raw))
    step = next(m for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999) * power
    return math.ceil(most / step - 1e-9) * step, step


def axis(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def ratios(results: Results, wire: str, title: str) -> str:
    """Bars of requests/s to TCP's, a group for each load; TCP's own is the line at 1."""
    rows = [row for row in row_names(results) if row != BASE]
    columns = results.columns(wire)
    left, top, height = 34, 66, 210
    bottom = top + height
    values = {}
    for row in rows:
        for column in columns:
            cell = results.cell(wire, row, column)
            if cell:
                values[row, column] = None if cell.problem else results.ratio(cell)
    end, step = scale(max([1.0] + [v for v in values.values() if v]))
    group = (WIDTH - left) / max(1, len(columns))
    width = min(30.0, (group - 14) / max(1, len(rows)))
    body = legend(rows, 42)
    for i in range(round(end / step) + 1):
        y = bottom - height * i * step / end
        body.append(f'<line x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="grid"/>')
        body.append(label(left - 6, y + 4, axis(i * step), "soft small", "end"))
    for i, column in enumerate(columns):
        middle = left + group * (i + 0.5)
        for j, row in enumerate(rows):
            if (row, column) not in values:
                continue
            x = middle + width * (j - len(rows) / 2)
            value = values[row, column]
            if value is None:
                body.append(label(x + width / 2, bottom - 4, "✗", "bad"))
                continue
            tall = height * value / end
            body.append(bar(x + 1, bottom - tall, width - 2, tall, row, f"{row}, {column}: {value:.2f}"))
            body.append(label(x + width / 2, bottom - tall - 4, f"{value:.2f}", "small"))
        body.append(label(middle, bottom + 18, column))
    y = bottom - height / end
    body.append(f'<line x1="{left}" x2="{WIDTH}" y1="{y:.1f}" y2="{y:.1f}" class="base"/>')
    return svg(bottom + 28, title, body)


@dataclass
class Line:
    """A bar to the right: what it is made of, in order; none where it failed."""

    row: str
    parts: Optional[Sequence[float]]
    text: str


def lines(title: str, values: Sequence[Line], note: str = "") -> str:
    """A bar for each row; of two parts the second one is faint."""
    left, top, pitch = 110, 34, 30
    most = max([sum(v.parts) for v in values if v.parts] or [1.0])
    room = WIDTH - left - 170
    body = []
    for i, value in enumerate(values):
        y = top + pitch * i
        body.append(label(left - 8, y + 15, value.row, "", "end"))
        x = float(left)
        for j, part in enumerate(value.parts or ()):
            width = room * part / most if most else 0.0
            body.append(bar(x, y, width, 20, value.row, f"{value.row}: {value.text}", faint=j > 0))
            x += width
        body.append(label(x + 8, y + 15, value.text, "bad" if value.parts is None else "", "start"))
    bottom = top + pitch * len(values)
    if note:
        body.append(label(left, bottom + 12, note, "soft small", "start"))
    return svg(bottom + (22 if note else 6), title, body)


def latency(results: Results) -> str:
    rtt = next((v.rtt_ms for v in results.latency if v.rtt_ms), 0)
    return lines(f"Round trips of connect(), {rtt} ms each", [
        Line(v.row, None, "failed") if v.problem else
        Line(v.row, (v.connect,), f"{v.connect:.2f}") for v in results.latency])


def frames(results: Results) -> str:
    return lines("Frames of a connection with five bytes each way", [
        Line(v.row, None, "failed") if v.problem else
        Line(v.row, (v.total - v.rdma, v.rdma),
             f"{v.total}" + (f", {v.rdma} of them RDMA's" if v.rdma else ""))
        for v in results.frames], "dark: TCP's, faint: RDMA's")


def memory(results: Results) -> str:
    return lines("Kernel memory of an idle connection, both hosts together", [
        Line(v.row, None, "failed") if v.problem else
        Line(v.row, (v.kib,), f"{number(v.kib)} KiB") for v in results.memory])
