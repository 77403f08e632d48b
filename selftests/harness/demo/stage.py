# SPDX-License-Identifier: GPL-2.0
"""The two guests, set up for a row, and what is measured in them (lib/load.sh)."""

import os
import shlex
import threading
import time
from typing import Callable, Dict, List

from .. import console
from ..guest import HOSTS, Guest, GuestError, Setup
from . import parse
from .plan import LATENCY_RTT_MS, ROWS, Column, Plan, Row, Wire
from .results import Frames, Latency, Load, Memory, judge

BOOTS = 3


class StageError(Exception):
    """The guests cannot be set up for a row."""


class Stage:
    """Two guests; new ones for each row, and where one is lost."""

    def __init__(self, setup: Setup, log: Callable[[str], None]):
        self.setup = setup
        self.log = log
        self.guests: Dict[str, Guest] = {}
        self.generation = 0
        self.counted = parse.Counters()  # at the server, before the next cell
        self.fresh = False  # no row has had them
        self.row = ROWS[-1]  # whose guests they are; the part before the rows is smc_rs's
        self.complaints: List[str] = []  # of kernels
        self.others: List[str] = []  # of kernels that had the C module

    # ---- guests ----------------------------------------------------------

    def boot(self) -> float:
        """Seconds that it took."""
        start = time.monotonic()
        for attempt in range(BOOTS):
            try:
                self._boot()
                self.fresh = True
                return time.monotonic() - start
            except GuestError as e:
                self.close()
                if attempt == BOOTS - 1:
                    raise
                self.log(f"{e}; once more")
        raise AssertionError("not reached")

    def _boot(self) -> None:
        for name in sorted(HOSTS, reverse=True):
            self.generation += 1
            guest = self.guests[name] = Guest(self.setup, name, self.generation)
            guest.start()
        for guest in self.guests.values():
            guest.wait_ready(300)

    def close(self) -> None:
        for name, guest in self.guests.items():
            # Nothing in it is needed any more, and a broken one does not go.
            guest.kill()
            splat = console.splats(guest.console_since(0))
            if splat:
                line = splat[min(2, len(splat) - 1)].strip()
                where = self.others if self.row.module == "smc" else self.complaints
                where.append(f"{self.row.name}, {name}: the kernel complains: {line} ({guest.console})")
        self.guests.clear()

    def alive(self) -> bool:
        return len(self.guests) == len(HOSTS) and all(g.alive() for g in self.guests.values())

    def run(self, host: str, script: str, limit: float = 60, admin: bool = False) -> str:
        """What the script prints; StageError if it fails."""
        script = f". {shlex.quote(os.environ['SMC_RS_TOP'])}/selftests/lib/load.sh\n{script}\n"
        status, output = self.guests[host].run(script, limit, admin=admin)
        text = output.decode(errors="replace")
        if status != 0:
            raise StageError(f"{host}: " + (
                "took too long" if status == 124 else parse.last_line(text)))
        return text

    def both(self, script: str, limit: float = 60, admin: bool = False) -> Dict[str, str]:
        """The same on both hosts at once."""
        answers: Dict[str, str] = {}
        errors: List[Exception] = []

        def ask(host: str) -> None:
            try:
                answers[host] = self.run(host, script, limit, admin)
            except (StageError, GuestError) as e:
                errors.append(e)

        threads = [threading.Thread(target=ask, args=(host,)) for host in HOSTS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if errors:
            # That a guest is lost comes before what it means.
            raise next((e for e in errors if isinstance(e, GuestError)), errors[0])
        return answers

    # ---- a row -----------------------------------------------------------

    def prepare(self, row: Row) -> None:
        """Both hosts as `row` has them, servers running, the client known to them."""
        if not self.fresh or not self.alive():
            self.close()
            self.boot()
        self.fresh, self.row = False, row
        fastopen = "" if row.fastopen is None else str(row.fastopen)
        self.both(f"load_host {row.module} {fastopen}", 150, admin=True)
        self.run("server", f"load_serve {row.family} {self._preload(row)}", 90)
        # Programs are read, the link group is there; a listener is known after one
        # connection, its cookie after two.
        self.run("client", f"""
            for i in 1 2 3; do stream client {row.family} 0 $PEER $ECHO_PORT 1 5 || exit; done
            load_cell {row.module} {self._preload(row)} 2 1 1""", 90)
        self.counted = self._server(row)

    @staticmethod
    def _preload(row: Row) -> str:
        return shlex.quote(os.environ["SMC_RS_PROGS"] + "/libpreload.so" if row.smc else "")

    def _server(self, row: Row) -> parse.Counters:
        return parse.counters(self.run("server", f"load_quiet; load_counters {row.module}"))

    def delay(self, rtt_ms: float) -> None:
        self.both(f"load_delay {rtt_ms / 2:g}")

    # ---- values ----------------------------------------------------------

    def load(self, row: Row, wire: Wire, column: Column, seconds: float) -> Load:
        cell = Load(wire.name, row.name, column.name)
        try:
            text = self.run("client", f"load_cell {row.module} {self._preload(row)} "
                            f"{column.connections} {column.threads} {seconds:g}", seconds * 4 + 120)
            output = parse.cell(text)
            server = self._server(row)
            if output.status != 0:
                raise parse.Unreadable(f"wrk: exit status {output.status}: {output.wrk.strip()[:160]}")
            judge(cell, row, parse.wrk(output.wrk),
                  parse.counters(output.after).since(parse.counters(output.before)),
                  server.since(self.counted))
            self.counted = server
        except (StageError, GuestError, parse.Unreadable) as e:
            cell.problem = str(e)
        return cell

    def latency(self, row: Row, plan: Plan) -> Latency:
        value = Latency(row.name, LATENCY_RTT_MS)
        try:
            text = self.run("client", f"stream client {row.family} 0 $PEER $ECHO_PORT {plan.connects} 5")
            times = [(a / 1e3 / LATENCY_RTT_MS, b / 1e3 / LATENCY_RTT_MS)
                     for a, b in parse.connects(text)]
            value.samples = [round(connect, 3) for connect, _ in times]
            value.connect = parse.median([connect for connect, _ in times])
            value.answer = parse.median([answer for _, answer in times])
            if len(times) != plan.connects:
                value.problem = f"{len(times)} of {plan.connects} connections"
        except (StageError, GuestError) as e:
            value.problem = str(e)
        return value

    def frames(self, row: Row, plan: Plan) -> Frames:
        value = Frames(row.name)
        try:
            counted = parse.shorts(self.run("client", f"load_shorts {row.family} {plan.shorts}"))
            value.samples = [total for total, _ in counted]
            # The middle one by its total, a real connection's.
            middle = parse.median(counted)
            if middle is None:
                value.problem = "no connection"
            else:
                value.total, value.rdma = middle
                if row.smc and not value.rdma:
                    value.problem = "none of them of RDMA"
        except (StageError, GuestError, parse.Unreadable) as e:
            value.problem = str(e)
        return value

    def memory(self, row: Row, plan: Plan) -> Memory:
        value = Memory(row.name, connections=plan.idle)
        try:
            # What is made once is no concern of a further connection.
            self.run("client", f"load_idle {self._preload(row)} 20", 120)
            before = self._used()
            self.run("client", f"load_idle {self._preload(row)} {plan.idle}", 120)
            after = self._used()
            self.run("client", "pkill -x hold; load_quiet $IDLE_PORT")
            value.kib = (after - before) / plan.idle
            if value.kib <= 0:
                value.problem, value.kib = f"less than before ({before} to {after} KiB)", None
        except (StageError, GuestError, parse.Unreadable) as e:
            value.problem = str(e)
        return value

    def _used(self) -> int:
        return sum(parse.memory(text) for text in self.both("load_memory").values())
