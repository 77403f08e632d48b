# SPDX-License-Identifier: GPL-2.0
"""Reads what wrk, smcnl and the programs of the tests print."""

import re
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple


class Unreadable(Exception):
    """A program has printed something else than it does."""


# ---- wrk -----------------------------------------------------------------

UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4, "h": 3.6e6}


@dataclass
class Wrk:
    requests: int
    seconds: float
    latency_ms: float
    # Kinds of socket errors, and answers that are none, with their number.
    errors: Dict[str, int] = field(default_factory=dict)

    @property
    def rate(self) -> float:
        return self.requests / self.seconds


def wrk(text: str) -> Wrk:
    total = re.search(r"^\s*(\d+) requests in ([\d.]+)(us|ms|s|m|h),", text, re.M)
    if not total:
        raise Unreadable("wrk says nothing of requests: " + last_line(text))
    latency = re.search(r"^\s*Latency\s+([\d.]+)(us|ms|s|m|h)\s", text, re.M)
    errors = {}
    sockets = re.search(r"^\s*Socket errors: (.*)$", text, re.M)
    if sockets:
        for kind, number in re.findall(r"(\w+) (\d+)", sockets.group(1)):
            if int(number):
                errors[kind] = int(number)
    bad = re.search(r"^\s*Non-2xx or 3xx responses: (\d+)", text, re.M)
    if bad:
        errors["status"] = int(bad.group(1))
    seconds = float(total.group(2)) * UNITS[total.group(3)] / 1e3
    if seconds <= 0:
        raise Unreadable("wrk took no time")
    return Wrk(int(total.group(1)), seconds,
               float(latency.group(1)) * UNITS[latency.group(2)] if latency else 0.0, errors)


def last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:160] if lines else "nothing at all"


# ---- what the modules count ----------------------------------------------


@dataclass
class Counters:
    """Connections of a host since its module was loaded."""

    client: int = 0  # came up over RDMA
    server: int = 0
    client_fallbacks: int = 0
    server_fallbacks: int = 0
    # Handshakes that failed altogether.
    client_errors: int = 0
    server_errors: int = 0
    # Why connections fell back: (at the server?, code) with their number.
    reasons: Dict[Tuple[bool, int], int] = field(default_factory=dict)
    # Proposals in SYNs: the counters of smc_rs by their names.
    syns: Dict[str, int] = field(default_factory=dict)

    def since(self, before: "Counters") -> "Counters":
        def less(now: Dict, then: Dict) -> Dict:
            return {k: v - then.get(k, 0) for k, v in now.items() if v - then.get(k, 0)}

        return Counters(
            self.client - before.client, self.server - before.server,
            self.client_fallbacks - before.client_fallbacks,
            self.server_fallbacks - before.server_fallbacks,
            self.client_errors - before.client_errors,
            self.server_errors - before.server_errors,
            less(self.reasons, before.reasons), less(self.syns, before.syns))


def attributes(line: str) -> Dict[str, str]:
    return dict(re.findall(r"(\S+?)=(\S*)", line))


def counters(text: str) -> Counters:
    """Of `smcnl dump stats`, `fback-stats` and `fastopen`, in any order."""
    result = Counters()
    for line in text.splitlines():
        what, _, rest = line.partition(" ")
        values = attributes(rest)
        if what == "stats":
            result.client = sum(int(values.get(f"SMCR.CLNT_V{v}_SUCC", 0)) for v in (1, 2))
            result.server = sum(int(values.get(f"SMCR.SRV_V{v}_SUCC", 0)) for v in (1, 2))
            result.client_errors = int(values.get("CLNT_HS_ERR_CNT", 0))
            result.server_errors = int(values.get("SRV_HS_ERR_CNT", 0))
        elif what == "fback-stats":
            # The totals are in each message, or in the first one only.
            result.client_fallbacks = max(result.client_fallbacks, int(values.get("CLNT_CNT", 0)))
            result.server_fallbacks = max(result.server_fallbacks, int(values.get("SRV_CNT", 0)))
            if "RSN_CODE" in values:
                key = (values.get("TYPE") == "1", int(values["RSN_CODE"]))
                result.reasons[key] = int(values.get("RSN_CNT", 0))
        elif what == "fastopen":
            result.syns = {name: int(value) for name, value in values.items()}
    return result


# ---- sections of a script's output ---------------------------------------


@dataclass
class CellOutput:
    before: str
    wrk: str
    status: int
    after: str


def cell(text: str) -> CellOutput:
    """What load_cell of lib/load.sh prints."""
    parts = re.split(r"^=== (before|wrk|status (\d+))$\n?", text, flags=re.M)
    # The text before the first mark, then (mark, status, text) for each.
    if len(parts) != 10 or parts[1] != "before" or parts[4] != "wrk" or parts[8] is None:
        raise Unreadable("the script of a cell stopped: " + last_line(text))
    return CellOutput(parts[3], parts[6], int(parts[8]), parts[9])


# ---- stream, frames, memory ----------------------------------------------


def connects(text: str) -> List[Tuple[int, int]]:
    """Microseconds to connect() and to the first answer, of each connection."""
    return [(int(a), int(b)) for a, b in re.findall(r"^connect (\d+) first (\d+)$", text, re.M)]


def shorts(text: str) -> List[Tuple[int, int]]:
    """Frames of each connection, and those of RDMA among them."""
    marks = [(int(a), int(b)) for a, b in re.findall(r"^frames (\d+) (\d+)$", text, re.M)]
    if len(marks) % 2:
        raise Unreadable("a count of frames is missing")
    return [(after[0] - before[0], after[1] - before[1])
            for before, after in zip(marks[::2], marks[1::2])]


def memory(text: str) -> int:
    found = re.search(r"^memory (\d+)$", text, re.M)
    if not found:
        raise Unreadable("no memory: " + last_line(text))
    return int(found.group(1))


def median(values: List) -> Optional[Any]:
    """The middle one, the lower of two."""
    return sorted(values)[(len(values) - 1) // 2] if values else None
