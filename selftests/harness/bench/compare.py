# SPDX-License-Identifier: GPL-2.0
"""Two results of `make bench` side by side."""

from dataclasses import dataclass
from typing import Dict, List, Optional

from ..demo.parse import median
from ..demo.plan import BASE
from ..demo.results import Results
from ..demo.text import layout, number
from .raw import more_is_better

FORMAT = 1
# Worse by more than this is marked; less is what a machine adds.
MARK = 0.10
# What the ratios of a part are to: TCP, or the C module.
BASES = {"fallback": "TCP", "data": "C", "floor": "tcp"}


@dataclass(frozen=True)
class Figure:
    value: float
    more: bool  # is better


def figures(bench: Dict) -> Dict[str, Figure]:
    """All that can be compared, by name: ratios where a run has what they are to, as
    they say more of the module than of the machine."""
    if bench.get("format") != FORMAT:
        raise ValueError(f"not a result of make bench, format {FORMAT}")
    found: Dict[str, Figure] = {}
    if bench.get("demo"):
        demo_figures(Results.from_dict(bench["demo"]), found)
    for part, base in BASES.items():
        part_figures(part, bench.get(part) or {}, base, found)
    return found


def demo_figures(results: Results, found: Dict[str, Figure]) -> None:
    for load in results.load:
        name = f"{load.wire} {load.column}, {load.row}"
        ratio = results.ratio(load)
        if load.problem:
            continue
        if load.row == BASE:
            found[f"{name}, requests/s"] = Figure(load.rate, True)
        elif ratio is not None:
            found[f"{name}, of {BASE}"] = Figure(ratio, True)
    for latency in results.latency:
        if not latency.problem:
            found[f"connect() in RTTs, {latency.row}"] = Figure(latency.connect, False)
    for frames in results.frames:
        if not frames.problem:
            found[f"frames of a connection, {frames.row}"] = Figure(frames.total, False)
    for memory in results.memory:
        if not memory.problem:
            found[f"KiB of an idle connection, {memory.row}"] = Figure(memory.kib, False)


def part_figures(part: str, values: Dict, base: str, found: Dict[str, Figure]) -> None:
    for config, metrics in values.items():
        for metric, rounds in metrics.items():
            name, more = f"{part}: {metric}, {config}", more_is_better(metric)
            value, to = median(rounds), median(values.get(base, {}).get(metric, []))
            if config == base:
                found[name] = Figure(value, more)
            elif to:
                found[f"{name}, of {base}"] = Figure(value / to, more)


def worse(a: Figure, b: Figure) -> Optional[float]:
    """By which part b is worse than a; negative where it is better."""
    if not a.value or not b.value:
        return None
    return a.value / b.value - 1 if a.more else b.value / a.value - 1


def differences(a: Dict, b: Dict) -> List[str]:
    """What was not the same in both runs, besides the module."""
    return [f"{key}: {a.get(key)}, {b.get(key)}"
            for key in ("cpu", "cores", "memory_gib", "accel", "kernel", "guest_cpus", "plan")
            if a.get(key) != b.get(key)]


def report(a: Dict, b: Dict) -> str:
    lines = [f"A: {a['about']['revision']}, {a['about']['date']}",
             f"B: {b['about']['revision']}, {b['about']['date']}"]
    other = differences(a["about"], b["about"])
    if other:
        lines += ["Not the same in both:"] + [f"  {line}" for line in other]
    one, two = figures(a), figures(b)
    rows, marked = [], 0
    for name in list(one) + [name for name in two if name not in one]:
        if name not in one or name not in two:
            rows.append([name, number(one[name].value) if name in one else "-",
                         number(two[name].value) if name in two else "-", "", ""])
            continue
        by = worse(one[name], two[name])
        change = "" if not one[name].value else f"{(two[name].value / one[name].value - 1) * 100:+.0f} %"
        mark = "worse" if by is not None and by > MARK else ""
        marked += bool(mark)
        rows.append([name, number(one[name].value), number(two[name].value), change, mark])
    lines += [""] + layout(["", "A", "B", "B to A", ""], rows, indent="")
    lines += ["", f"{len(rows)} figures, {marked} worse by more than {MARK * 100:.0f} %"]
    return "\n".join(lines) + "\n"
