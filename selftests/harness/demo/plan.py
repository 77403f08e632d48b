# SPDX-License-Identifier: GPL-2.0
"""What is measured: the rows and columns of the table, and for how long."""

from dataclasses import dataclass
from typing import Dict, Optional, Sequence, Tuple


@dataclass(frozen=True)
class Row:
    """One way to make the same connections."""

    name: str
    module: str  # as in the hosts line of a test
    family: int  # AF_INET or AF_SMC
    fastopen: Optional[int]  # net.smc.fastopen, where there is such a thing
    about: str

    @property
    def smc(self) -> bool:
        return self.module != "none"

    @property
    def one_rtt(self) -> bool:
        return bool(self.fastopen)


ROWS = (
    Row("TCP", "none", 2, None, "no SMC module, the same programs"),
    Row("C smc", "smc", 43, None, "the kernel's C module on both hosts"),
    Row("smc_rs 2-RTT", "smc_rs", 43, 0, "this module, net.smc.fastopen=0"),
    Row("smc_rs 1-RTT", "smc_rs", 43, 3, "this module, the proposal in the SYN"),
)
BASE = ROWS[0].name


@dataclass(frozen=True)
class Column:
    """A load: wrk's -c and -t."""

    connections: int
    threads: int

    @property
    def name(self) -> str:
        return f"-c{self.connections} -t{self.threads}"


# Those of the table in the mailing-list thread that asked for one round trip.
COLUMNS = tuple(Column(c, t) for c, t in
                ((1, 1), (2, 1), (5, 1), (10, 1), (200, 1), (200, 4), (2000, 8)))


@dataclass(frozen=True)
class Wire:
    """What is between the hosts when requests are counted."""

    name: str
    title: str
    rtt_ms: int


WIRES = (Wire("bare", "bare wire", 0), Wire("10ms", "10 ms RTT", 10))
# Round trips are counted against one that dwarfs what the processors take.
LATENCY_RTT_MS = 100

PARTS = ("sockets", "frames", "memory", "bare", "10ms", "latency")


@dataclass(frozen=True)
class Plan:
    """A run."""

    name: str
    cells: Dict[str, Sequence[Column]]  # by wire
    seconds: float  # of a cell
    crowd_seconds: float  # of a cell with 1000 connections and more
    connects: int  # whose latency is taken
    shorts: int  # connections whose frames are counted
    idle: int  # connections whose memory is measured
    memory_rows: Tuple[str, ...] = tuple(row.name for row in ROWS)
    parts: Tuple[str, ...] = PARTS

    def duration(self, column: Column) -> float:
        return self.crowd_seconds if column.connections >= 1000 else self.seconds

    def columns(self, wire: Wire) -> Sequence[Column]:
        return self.cells[wire.name] if wire.name in self.parts else ()

    def steps_of(self, row: Row) -> int:
        """How many values are taken of a row."""
        return sum(len(self.columns(wire)) for wire in WIRES) \
            + sum(part in self.parts for part in ("frames", "latency")) \
            + ("memory" in self.parts and row.name in self.memory_rows)

    def steps(self) -> int:
        return sum(self.steps_of(row) for row in ROWS)


FULL = Plan("full", {"bare": COLUMNS, "10ms": COLUMNS}, seconds=7, crowd_seconds=15,
            connects=7, shorts=5, idle=200)
QUICK = Plan("quick", {"bare": (COLUMNS[0], COLUMNS[3], COLUMNS[4]), "10ms": (COLUMNS[0], COLUMNS[3])},
             seconds=2, crowd_seconds=2, connects=3, shorts=1, idle=50,
             # The SYN has nothing to do with it.
             memory_rows=(ROWS[0].name, ROWS[1].name, ROWS[3].name))
