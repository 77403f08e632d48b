# SPDX-License-Identifier: GPL-2.0
"""The results of a run, as they are kept in JSON, and what is to be said of them."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from .parse import Counters, Wrk
from .plan import BASE, ROWS, WIRES, Row

FORMAT = 1
# Below this share of connections with the proposal in the SYN a row is none of
# one round trip.
ONE_RTT_SHARE = 0.9


@dataclass
class Load:
    """A cell of the table of requests."""

    wire: str
    row: str
    column: str
    rate: Optional[float] = None
    requests: int = 0
    seconds: float = 0.0
    latency_ms: float = 0.0
    errors: Dict[str, int] = field(default_factory=dict)  # wrk's
    over_rdma: int = 0  # connections, at the client
    fallbacks: int = 0  # at either end
    one_rtt: int = 0  # connections whose proposal the server took out of the SYN
    problem: Optional[str] = None


@dataclass
class Latency:
    """Round trips of connect(), and until the first answer."""

    row: str
    rtt_ms: int = 0
    connect: Optional[float] = None
    answer: Optional[float] = None
    samples: List[float] = field(default_factory=list)
    problem: Optional[str] = None


@dataclass
class Frames:
    """Ethernet frames of a short connection, and those of RDMA among them."""

    row: str
    total: Optional[int] = None
    rdma: int = 0
    samples: List[int] = field(default_factory=list)
    problem: Optional[str] = None


@dataclass
class Memory:
    """KiB of kernel memory that an idle connection takes of both hosts."""

    row: str
    kib: Optional[float] = None
    connections: int = 0
    problem: Optional[str] = None


@dataclass
class Results:
    about: Dict = field(default_factory=dict)  # machine, kernel, revision, date
    load: List[Load] = field(default_factory=list)
    latency: List[Latency] = field(default_factory=list)
    frames: List[Frames] = field(default_factory=list)
    memory: List[Memory] = field(default_factory=list)
    problems: List[str] = field(default_factory=list)  # of no single value
    notes: List[str] = field(default_factory=list)  # what is no failure of this module

    def cell(self, wire: str, row: str, column: str) -> Optional[Load]:
        for load in self.load:
            if (load.wire, load.row, load.column) == (wire, row, column):
                return load
        return None

    def ratio(self, load: Load) -> Optional[float]:
        """To TCP under the same load in the same run."""
        base = self.cell(load.wire, BASE, load.column)
        if load.rate is None or base is None or not base.rate:
            return None
        return load.rate / base.rate

    def columns(self, wire: str) -> List[str]:
        """Of that wire, in the order in which they were measured."""
        return list(dict.fromkeys(load.column for load in self.load if load.wire == wire))

    def wires(self) -> List[str]:
        return list(dict.fromkeys(load.wire for load in self.load))

    def _failed_values(self) -> List[Tuple[str, str]]:
        """The row of each, and a line that says what it is."""
        lines = [(load.row, f"{load.row}, {load.wire}, {load.column}: {load.problem}")
                 for load in self.load if load.problem]
        for what, values in (("latency", self.latency), ("frames", self.frames),
                             ("memory", self.memory)):
            lines += [(value.row, f"{value.row}, {what}: {value.problem}")
                      for value in values if value.problem]
        return lines

    def failures(self) -> List[str]:
        """A line for everything that did not work."""
        return [line for _, line in self._failed_values()] + self.problems

    def failed(self) -> bool:
        """Whether the run is a failed one. What the C module does not do is shown, and no
        more: nobody can mend it here."""
        others = {row.name for row in ROWS if row.module == "smc"}
        return bool(self.problems or any(row not in others for row, _ in self._failed_values()))

    def sort(self) -> None:
        """As the tables have them, however they were measured."""
        rows, wires = [row.name for row in ROWS], [wire.name for wire in WIRES]
        self.load.sort(key=lambda load: (wires.index(load.wire), rows.index(load.row)))
        for values in (self.latency, self.frames, self.memory):
            values.sort(key=lambda value: rows.index(value.row))

    # ---- JSON ------------------------------------------------------------

    def to_json(self) -> str:
        return json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n"

    @staticmethod
    def from_dict(data: Dict) -> "Results":
        if data.get("format") != FORMAT:
            raise ValueError(f"not results of format {FORMAT}")
        return Results(
            data["about"],
            [Load(**v) for v in data["load"]],
            [Latency(**v) for v in data["latency"]],
            [Frames(**v) for v in data["frames"]],
            [Memory(**v) for v in data["memory"]],
            list(data["problems"]), list(data["notes"]))

    @staticmethod
    def read(path: Path) -> Optional["Results"]:
        """Of that file, if it is there."""
        if not path.exists():
            return None
        return Results.from_dict(json.loads(path.read_text(encoding="utf-8")))


def judge(cell: Load, row: Row, wrk: Wrk, client: Counters, server: Counters) -> None:
    """Fills in a cell, and says what is wrong with it.

    `client` and `server` have counted since before the load. Each request has its
    own connection, so there is none too few over RDMA; wrk begins further ones that
    it gives up at the end.
    """
    cell.rate = wrk.rate
    cell.requests, cell.seconds, cell.latency_ms = wrk.requests, wrk.seconds, wrk.latency_ms
    cell.errors = wrk.errors
    problems = []
    if wrk.errors:
        problems.append("errors: " + ", ".join(f"{k} {n}" for k, n in wrk.errors.items()))
    if not wrk.requests:
        problems.append(f"no answer in {wrk.seconds:.0f} s")
    if row.smc:
        cell.over_rdma = client.client
        cell.fallbacks = max(client.client_fallbacks, server.server_fallbacks)
        cell.one_rtt = client.syns.get("SAVED", 0)
        if cell.fallbacks:
            reasons = {code for counted in (client, server) for _, code in counted.reasons}
            codes = ", ".join(f"0x{code:08x}" for code in sorted(reasons))
            problems.append(f"{cell.fallbacks} fell back to TCP" + (f" ({codes})" if codes else ""))
        elif client.client < wrk.requests:
            problems.append(f"{wrk.requests - client.client} of {wrk.requests} not over RDMA")
        if row.one_rtt and cell.one_rtt < ONE_RTT_SHARE * client.client:
            problems.append(f"only {cell.one_rtt} of {client.client} in one round trip")
        if not row.one_rtt and client.syns.get("SENT", 0):
            problems.append(f"{client.syns['SENT']} proposals in SYNs")
    cell.problem = "; ".join(problems) or None
