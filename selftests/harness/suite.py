# SPDX-License-Identifier: GPL-2.0
"""Finds tests, gives each the hosts it asks for, and judges it.

A test is an executable that speaks KTAP, with a header of comments:

    # hosts: server=smc_rs client=smc     the SMC module on each host; "none"
                                          for no module; no line: no guest
    # kernel: base | debug                only on that kernel; no line: on the
                                          kernel of the run
    # limit: 120                          seconds it may take
"""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from . import console, ktap
from .control import Control
from .guest import HOSTS, Guest, GuestError, Setup

SKIP_ALL = re.compile(r"^1\.\.0\s*#\s*SKIP\s*(.*)$", re.M)
# A debug kernel under TCG is this much slower.
DEBUG_FACTOR = 4
# How often a boot is tried: emulators crash, if seldom.
BOOTS = 3
RUNS = 2


@dataclass
class Test:
    path: Path
    name: str
    hosts: Dict[str, str] = field(default_factory=dict)
    kernel: Optional[str] = None
    limit: float = 60

    @staticmethod
    def load(path: Path, top: Path) -> "Test":
        test = Test(path, str(path.relative_to(top)))
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            m = re.match(r"#\s*(hosts|kernel|limit):\s*(.*\S)", line)
            if not m:
                continue
            key, value = m.groups()
            if key == "limit":
                test.limit = float(value)
            elif key == "kernel":
                test.kernel = value
            else:
                for word in value.split():
                    host, _, module = word.partition("=")
                    if host not in HOSTS or module not in ("smc", "smc_rs", "none"):
                        raise ValueError(f"{path}: bad hosts line: {value}")
                    test.hosts[host] = module
        return test


def discover(top: Path, folders: List[str], pattern: Optional[str]) -> List[Test]:
    """The tests in `folders` whose name contains `pattern`, in order."""
    tests = []
    for folder in folders:
        for path in sorted((top / folder).iterdir()):
            if path.is_file() and os.access(path, os.X_OK):
                test = Test.load(path, top)
                if pattern is None or pattern in test.name:
                    tests.append(test)
    return tests


class Suite:
    """Runs tests for which guests of each flavour are booted as needed."""

    def __init__(self, setups: Callable[[str], Setup], out: Path, writer: ktap.Writer,
                 environment: Dict[str, str], log: Callable[[str], None]):
        self.setups = setups
        self.out = out
        self.writer = writer
        self.environment = environment
        self.log = log
        self.guests: Dict[Tuple[str, str], Guest] = {}
        self.generation = 0
        self.report: Optional[ktap.Report] = None
        self.process: Optional[subprocess.Popen] = None

    # ---- guests ----------------------------------------------------------

    def _boot(self, flavour: str, hosts: List[str]) -> None:
        # One flavour at a time: two cores, and both would own the same wire.
        for key in [k for k in self.guests if k[0] != flavour]:
            self.guests.pop(key).stop()
        setup = self.setups(flavour)
        for attempt in range(BOOTS):
            missing = [h for h in hosts if (flavour, h) not in self.guests
                       or not self.guests[flavour, h].alive()]
            if not missing:
                return
            try:
                self._boot_some(setup, flavour, missing)
            except GuestError as e:
                if attempt == BOOTS - 1:
                    raise
                self.log(f"{e}; once more")
                for host in missing:
                    self._drop(flavour, host)

    def _boot_some(self, setup: Setup, flavour: str, missing: List[str]) -> None:
        self.log(f"booting {' and '.join(missing)} ({flavour} kernel, {setup.accel})")
        start = time.monotonic()
        for host in missing:
            self.generation += 1
            guest = Guest(setup, host, self.generation)
            guest.start()
            self.guests[flavour, host] = guest
        for host in missing:
            self.guests[flavour, host].wait_ready(900 if flavour == "debug" else 240)
        self.log(f"up after {time.monotonic() - start:.1f} s")

    def _drop(self, flavour: str, host: str) -> None:
        guest = self.guests.pop((flavour, host), None)
        if guest is not None:
            guest.kill()

    def end(self) -> None:
        """Ends the test that runs in another thread, if one does."""
        process = self.process
        if process is not None:
            try:
                os.killpg(process.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass

    def close(self) -> None:
        for guest in self.guests.values():
            guest.stop()
        self.guests.clear()

    # ---- one test --------------------------------------------------------

    def run(self, test: Test, flavour: str, foreground: bool = True) -> bool:
        """Runs `test` on `flavour` and reports it; whether it passed."""
        name = test.name if flavour == "base" else f"{test.name} [{flavour}]"
        out = self.out / re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
        out.mkdir(parents=True, exist_ok=True)
        self.report = self.writer.begin(name, foreground)
        counts, failure, skip = ktap.Counts(), None, None
        for attempt in range(RUNS):
            try:
                counts, failure, skip = self._run(test, flavour, out)
                break
            except GuestError as e:
                failure = str(e)
                lost = self._give_up(flavour, out)
                # A guest that ends without a word from its kernel: so did the emulator.
                if not lost or attempt == RUNS - 1:
                    break
                self.report.comment(f"{name}: {failure}, by no fault of its kernel; once more")
        self.report.end(counts, failure, skip)
        return failure is None

    def _run(self, test: Test, flavour: str, out: Path):
        guests: Dict[str, Guest] = {}
        if test.hosts:
            self._boot(flavour, sorted(test.hosts, reverse=True))
            guests = {h: self.guests[flavour, h] for h in test.hosts}
        slow = DEBUG_FACTOR if flavour == "debug" else 1
        marks = {h: g.console_size() for h, g in guests.items()}
        capture = guests.get("server") or next(iter(guests.values()), None)
        pcap_mark = capture.pcap_size() if capture else 0
        for host, guest in guests.items():
            status, text = guest.run(f"guest_reset; leak_clear; module_in {test.hosts[host]}",
                                     60 * slow, admin=True)
            if status != 0:
                return ktap.Counts(), (f"{host}: module {test.hosts[host]} did not load: "
                                       f"{text.decode(errors='replace')[-400:]}"), None

        status, output = self._execute(test, out, guests, pcap_mark, marks, slow)

        parsed = ktap.parse(output)
        failure = None
        skip_all = SKIP_ALL.search(output)
        if status == 4 or (skip_all and status == 0):
            return parsed.counts, None, skip_all.group(1) if skip_all else "skipped by itself"
        if status == "timeout":
            failure = f"took longer than {test.limit * slow:.0f} s"
        elif parsed.problem:
            failure = f"{parsed.problem} (exit status {status})"
        elif parsed.counts.failed:
            failure = f"{parsed.counts.failed} of its cases failed"
        elif status != 0:
            failure = f"exit status {status}"
        bad = self._aftermath(guests, marks, out, slow)
        if capture:
            capture.pcap_slice(pcap_mark, out / "wire.pcap")
        return parsed.counts, failure or bad, None

    def _execute(self, test: Test, out: Path, guests: Dict[str, Guest], pcap_mark: int,
                 marks: Dict[str, int], slow: float):
        capture = guests.get("server") or next(iter(guests.values()), None)

        def handle(request: Dict) -> Dict:
            if request["op"] == "pcap":
                capture.pcap_slice(pcap_mark, Path(request["file"]))
                return {}
            guest = guests.get(request["host"])
            if guest is None:
                raise GuestError(f"the test has no host {request['host']}")
            if request["op"] == "console":
                return {"text": guest.console_since(marks[request["host"]])}
            keep = out / f".output-{time.monotonic_ns()}"
            status, _ = guest.run(request["script"], request["limit"] * slow, keep)
            return {"status": status, "output": str(keep)}

        sock = self._control_path()
        control = Control(sock, handle)
        env = dict(os.environ, **self.environment, SMC_RS_CONTROL=str(sock),
                   SMC_RS_TEST_OUT=str(out))
        lines: List[str] = []
        status = None
        # pylint: disable=consider-using-with
        process = subprocess.Popen([str(test.path)], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                   start_new_session=True, env=env, cwd=out)
        self.process = process
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(max(1.0, test.limit * slow), expire)
        timer.start()
        try:
            with open(out / "output.tap", "w", encoding="utf-8") as log:
                for raw in process.stdout:
                    line = raw.decode(errors="replace").rstrip("\n")
                    lines.append(line)
                    log.write(line + "\n")
                    self.report.passthrough(line)
            # Not reaped before the timer is off: it ends whom the number belongs to.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            timer.cancel()
            timer.join()
            status = process.wait()
        finally:
            self.process = None
            timer.cancel()
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            control.close()
        return ("timeout" if expired.is_set() else status), "\n".join(lines) + "\n"

    def _control_path(self) -> Path:
        """Where tests reach the guests."""
        return Path(self.environment["SMC_RS_SOCKETS"]) / f"control-{id(self)}"

    def _aftermath(self, guests: Dict[str, Guest], marks: Dict[str, int], out: Path,
                   slow: float) -> Optional[str]:
        """What the test left behind in the guests that it must not."""
        bad = None
        for guest in guests.values():
            # One that hangs need not have the time that the rest may take.
            guest.run("true", 5 * slow, admin=True, grace=5 * slow)
        for host, guest in guests.items():
            status, text = guest.run(
                f"dmesg > {guest.share}/dmesg; guest_end_test && guest_reset && leak_report",
                60 * slow, admin=True, grace=10 * slow)
            report = text.decode(errors="replace")
            (guest.share / "dmesg").replace(out / f"dmesg-{host}")
            if status != 0:
                bad = bad or f"{host} could not be put back: {report[-400:]}"
            elif "unreferenced object" in report:
                self.report.comment(report[:4000])
                bad = bad or f"{host}: kmemleak reports a leak"
        for host, guest in guests.items():
            text = guest.console_since(marks[host])
            (out / f"console-{host}").write_text(text, encoding="utf-8")
            splat = console.splats(text)
            if splat:
                self.report.comment("\n".join(splat))
                # It first: what follows in a broken kernel explains little.
                bad = f"{host}: the kernel complains: {splat[min(2, len(splat) - 1)].strip()}"
                self.guests.pop((guest.setup.flavour, host)).stop()
        return bad

    def _give_up(self, flavour: str, out: Path) -> bool:
        """A guest is lost: keep its log, and boot anew for the next test.

        Whether one has ended without its kernel having complained.
        """
        silent = False
        for key in [k for k in self.guests if k[0] == flavour]:
            guest = self.guests.pop(key)
            text = guest.console_since(0)
            (out / f"console-{guest.name}").write_text(text, encoding="utf-8")
            silent = silent or not guest.alive() and not console.splats(text)
            tail = console.splats(text) or text.splitlines()[-15:]
            self.report.comment(f"{guest.name}'s console:\n" + "\n".join(tail))
            guest.kill()
        return silent


def stderr_log(text: str) -> None:
    sys.stderr.write(f"smc_rs: {text}\n")
    sys.stderr.flush()
