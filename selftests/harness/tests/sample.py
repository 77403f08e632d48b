# SPDX-License-Identifier: GPL-2.0
"""Results as a run could have had them."""

from harness.demo.plan import COLUMNS, PARTS, ROWS, WIRES
from harness.demo.results import Frames, Latency, Load, Memory, Results

ABOUT = {
    "date": "2026-01-02 03:04 UTC", "revision": "0123456789ab", "kernel": "6.12.1", "plan": "full",
    "cpu": "A <fast> processor", "cores": 2, "memory_gib": 8, "host_kernel": "6.1.0",
    "parts": {part: "2026-01-02 03:04 UTC" for part in PARTS}, "accel": "tcg", "flavour": "base", "guest_cpus": 2, "minutes": 20.5,
}
# Of TCP's requests/s.
SHARES = {"TCP": 1.0, "C smc": 0.125, "smc_rs 2-RTT": 0.5, "smc_rs 1-RTT": 0.75}
BASE_RATE = 400.0


def results() -> Results:
    """Complete and without a failure."""
    made = Results(dict(ABOUT))
    for wire in WIRES:
        for row in ROWS:
            for column in COLUMNS:
                rate = BASE_RATE * SHARES[row.name]
                made.load.append(Load(
                    wire.name, row.name, column.name, rate=rate, requests=int(rate * 8), seconds=8.0,
                    over_rdma=int(rate * 8) if row.smc else 0))
    for i, row in enumerate(ROWS):
        made.latency.append(Latency(row.name, 100, (1.02, 4.1, 2.03, 1.04)[i],
                                    (2.04, 5.2, 3.05, 2.06)[i], [1.0]))
        made.frames.append(Frames(row.name, (10, 40, 22, 20)[i], (0, 22, 12, 12)[i], [10]))
        made.memory.append(Memory(row.name, (3.25, 280.0, 270.0, 270.0)[i], 200))
    return made
