# SPDX-License-Identifier: GPL-2.0
"""make demo: what a program sees of the module, and the mailing-list thread's table.

plan.py says what is measured, stage.py measures it in two guests, parse.py reads
what programs print, results.py judges and keeps it; text.py, svg.py, page.py and output.py show
it.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence

from ..guest import GuestError, Setup
from ..machine import describe
from . import sockets, text
from .plan import FULL, LATENCY_RTT_MS, PARTS, QUICK, ROWS, WIRES, Plan, Row
from .progress import Progress
from .results import Frames, Latency, Load, Memory, Results
from .stage import Stage, StageError
from .output import write


def plan_of(quick: bool, parts: Sequence[str]) -> Plan:
    plan = QUICK if quick else FULL
    unknown = set(parts) - set(PARTS)
    if unknown:
        raise ValueError(f"no such part: {', '.join(sorted(unknown))} (there are {', '.join(PARTS)})")
    return replace(plan, parts=tuple(p for p in PARTS if p in parts)) if parts else plan


def begun(about: Dict, plan: Plan, before: Optional[Results]) -> Results:
    """What a run begins with: the parts that one before has measured, if they are other
    ones and all else was the same."""
    about = dict(about, plan=plan.name, parts={part: about["date"] for part in plan.parts})
    same = ("plan", "revision", "kernel", "cpu", "cores", "accel", "guest_cpus")
    if before is None or any(before.about.get(key) != about[key] for key in same) \
            or set(before.about.get("parts", PARTS)) & set(plan.parts):
        return Results(about)
    about["parts"].update(before.about["parts"])
    before.about = about
    return before


def run(setup: Setup, plan: Plan, top: Path, before: Optional[Results]) -> int:
    """Measures, prints and writes everything; the exit status."""
    print(f"Two guests on one wire ({setup.flavour} kernel, {setup.accel}) ...", flush=True)
    began = time.monotonic()
    stage = Stage(replace(setup, capture=False), lambda line: print(line, flush=True))
    results = begun(describe(setup, top), plan, before)
    try:
        print(f"... are up after {stage.boot():.1f} s\n", flush=True)
        if "sockets" in plan.parts:
            for guest in stage.guests.values():
                if not sockets.show(guest):
                    results.problems.append(f"{guest.name}: not every kind of socket")
        if plan.steps():
            measure(stage, plan, results)
    except (GuestError, StageError) as e:
        results.problems.append(f"{e}; the consoles are in {setup.out}")
    finally:
        stage.close()
    results.sort()
    results.problems += stage.complaints
    results.notes += stage.others
    minutes = results.about.get("minutes", 0) + (time.monotonic() - began) / 60
    results.about["minutes"] = round(minutes, 1)
    print()
    print(text.report(results), flush=True)
    if plan.steps():
        print(f"All of it, with charts: {write(results, setup.out)}", flush=True)
    return 1 if results.failed() else 0


def measure(stage: Stage, plan: Plan, results: Results) -> None:
    progress = Progress(plan.steps(), lambda line: print(line, flush=True))
    for row in ROWS:
        try:
            stage.prepare(row)
        except (GuestError, StageError) as e:
            results.problems.append(f"{row.name} could not be measured: {e}")
            progress.skip(plan.steps_of(row))
            continue
        measure_row(stage, plan, row, results, progress)


def measure_row(stage: Stage, plan: Plan, row: Row, results: Results, progress: Progress) -> None:
    """All of a row; first what must not find what a load has left behind."""
    def value(name: str, take: Callable, lost: Callable, show: Callable[..., str]):
        """One value; `lost` makes it where the guests cannot be brought back for it."""
        progress.begin(f"{row.name:13} {name}")
        try:
            if not stage.alive():
                stage.prepare(row)
            taken = take()
        except (GuestError, StageError) as e:
            taken = lost(str(e))
        progress.end(f"failed: {taken.problem}" if taken.problem else show(taken))
        return taken

    if "frames" in plan.parts:
        results.frames.append(value(
            "frames of a short connection", lambda: stage.frames(row, plan),
            lambda why: Frames(row.name, problem=why), lambda v: f"{v.total}, {v.rdma} of RDMA"))
    if "memory" in plan.parts and row.name in plan.memory_rows:
        results.memory.append(value(
            "memory of an idle connection", lambda: stage.memory(row, plan),
            lambda why: Memory(row.name, problem=why), lambda v: f"{text.number(v.kib)} KiB"))
    for wire in WIRES:
        for i, column in enumerate(plan.columns(wire)):
            def take(first=not i, wire=wire, column=column):
                # Also where the guests are new ones.
                if wire.rtt_ms or first:
                    stage.delay(wire.rtt_ms)
                return stage.load(row, wire, column, plan.duration(column))

            cell = value(f"{wire.title}, {column.name}", take,
                         lambda why, wire=wire, column=column:
                         Load(wire.name, row.name, column.name, problem=why),
                         lambda v: f"{text.number(v.rate)} requests/s")
            results.load.append(cell)
    if "latency" in plan.parts:
        def latency():
            stage.delay(LATENCY_RTT_MS)
            return stage.latency(row, plan)

        results.latency.append(value(
            f"connect(), {LATENCY_RTT_MS} ms RTT", latency,
            lambda why: Latency(row.name, problem=why), lambda v: f"{v.connect:.2f} RTTs"))
