# SPDX-License-Identifier: GPL-2.0
"""Writes results: JSON, charts, the page."""

from pathlib import Path
from typing import Dict

from . import page, svg
from .plan import WIRES
from .results import Results


def charts(results: Results) -> Dict[str, str]:
    """Those that there is something for, by name."""
    made = {}
    for wire in WIRES:
        if wire.name in results.wires():
            made[f"requests-{wire.name}"] = svg.ratios(
                results, wire.name, f"Requests/s, TCP = 1, {wire.title}")
    for name in ("latency", "frames", "memory"):
        if getattr(results, name):
            made[name] = getattr(svg, name)(results)
    return made


def write(results: Results, out: Path) -> Path:
    """Puts everything into `out`; where the page is."""
    made = charts(results)
    (out / "demo.json").write_text(results.to_json(), encoding="utf-8")
    for name, chart in made.items():
        (out / f"{name}.svg").write_text(chart, encoding="utf-8")
    index = out / "index.html"
    index.write_text(page.page(results, made), encoding="utf-8")
    return index
