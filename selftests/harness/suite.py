# SPDX-License-Identifier: GPL-2.0
"""Finds tests, gives each the hosts it asks for, and judges it.

A test is an executable that speaks KTAP, with a header of comments:

    # hosts: server=smc_rs client=smc     the SMC module on each host; "none"
                                          for no module; no line: no guest
    # kernel: base | debug                only on that kernel; no line: on the
                                          kernel of the run
    # limit: 120                          seconds it may take
    # beside: yes                         in guests of its own, as quickly as other
                                          tests leave it the CPUs
    # apart: yes                          no CPU is for both guests
"""

import itertools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from . import console, ktap
from .control import Control
from .guest import HOSTS, Guest, GuestError, Setup, shares_of_cpus, stand_behind

SKIP_ALL = re.compile(r"^1\.\.0\s*#\s*SKIP\s*(.*)$", re.M)
# A debug kernel under TCG is this much slower.
DEBUG_FACTOR = 4
# And what leaves the CPUs to others.
BEHIND_FACTOR = 3
# How often a boot is tried: emulators crash, if seldom.
BOOTS = 3
# The number of each boot of a run.
BOOT = itertools.count(1)
RUNS = 2


@dataclass
class Test:
    path: Path
    name: str
    hosts: Dict[str, str] = field(default_factory=dict)
    kernel: Optional[str] = None
    limit: float = 60
    beside: bool = False
    apart: bool = False

    @staticmethod
    def load(path: Path, top: Path) -> "Test":
        test = Test(path, str(path.relative_to(top)))
        for line in path.read_text(encoding="utf-8").splitlines():
            if not line.startswith("#"):
                break
            m = re.match(r"#\s*(hosts|kernel|limit|beside|apart):\s*(.*\S)", line)
            if not m:
                continue
            key, value = m.groups()
            if key == "limit":
                test.limit = float(value)
            elif key == "kernel":
                test.kernel = value
            elif key in ("beside", "apart"):
                setattr(test, key, value == "yes")
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


def at_once(guests: Dict[str, Guest], what: Callable[[str, Guest], object]) -> Dict:
    """Does the same in all of these, and gives the result for each."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(guests, pool.map(what, guests.keys(), guests.values())))


class Suite:
    """Runs tests for which guests of each flavour are booted as needed."""

    def __init__(self, setups: Callable[[str], Setup], out: Path, writer: ktap.Writer,
                 environment: Dict[str, str], log: Callable[[str], None], behind: int = 0):
        self.behind = behind
        self.setups = setups
        self.out = out
        self.writer = writer
        self.environment = environment
        self.log = log
        self.guests: Dict[Tuple[str, str], Guest] = {}
        self.report: Optional[ktap.Report] = None
        self.process: Optional[subprocess.Popen] = None
        # What tests have had of this machine's CPUs, without their guests.
        self.cpu = 0.0

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
            guest = Guest(setup, host, next(BOOT))
            guest.start()
            self.guests[flavour, host] = guest
        for host in missing:
            self.guests[flavour, host].wait_ready(900 if flavour == "debug" or self.behind else 240)
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

    def _cpu_seconds(self) -> float:
        return self.cpu + sum(guest.cpu_seconds() for guest in self.guests.values())

    # ---- one test --------------------------------------------------------

    def run(self, test: Test, flavour: str, foreground: bool = True) -> bool:
        """Runs `test` on `flavour` and reports it; whether it passed."""
        name = test.name if flavour == "base" else f"{test.name} [{flavour}]"
        out = self.out / re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-")
        out.mkdir(parents=True, exist_ok=True)
        self.report = self.writer.begin(name, foreground)
        counts, failure, skip = ktap.Counts(), None, None
        before = self._cpu_seconds()
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
        # Guests that have ended meanwhile took theirs with them.
        self.report.end(counts, failure, skip, max(0.0, self._cpu_seconds() - before))
        return failure is None

    def _run(self, test: Test, flavour: str, out: Path):
        guests: Dict[str, Guest] = {}
        if test.hosts:
            self._boot(flavour, sorted(test.hosts, reverse=True))
            guests = {h: self.guests[flavour, h] for h in test.hosts}
        for host, guest in guests.items():
            guest.stay_on(shares_of_cpus()[host] if test.apart else os.sched_getaffinity(0))
        slow = DEBUG_FACTOR if flavour == "debug" else 1
        if self.behind and test.hosts:
            slow *= BEHIND_FACTOR
        marks = {h: g.console_size() for h, g in guests.items()}
        capture = next((g for g in guests.values() if g.captures), None)
        pcap_mark = capture.pcap_size() if capture else 0
        for host, (status, text) in at_once(guests, lambda host, guest: self._prepare(
                guest, test.hosts[host], slow)).items():
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
        capture = next((g for g in guests.values() if g.captures), None)

        def handle(request: Dict) -> Dict:
            if request["op"] == "pcap":
                if capture is None:
                    raise GuestError("none of the test's hosts keeps what is on the wire")
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
        if self.behind:
            stand_behind(process.pid, self.behind)
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            os.killpg(process.pid, signal.SIGKILL)

        timer = threading.Timer(max(1.0, test.limit * slow), expire)
        timer.start()
        try:
            with open(out / "output.tap", "w", buffering=1, encoding="utf-8") as log:
                for raw in process.stdout:
                    line = raw.decode(errors="replace").rstrip("\n")
                    lines.append(line)
                    log.write(line + "\n")
                    self.report.passthrough(line)
            # Not reaped before the timer is off: it ends whom the number belongs to.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            timer.cancel()
            timer.join()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = status = os.waitstatus_to_exitcode(status)
            self.cpu += usage.ru_utime + usage.ru_stime
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

    @staticmethod
    def _prepare(guest: Guest, module: str, slow: float):
        """Gives the guest the state that a test starts from."""
        reset = "" if guest.clean else "guest_reset; "
        guest.clean = False
        return guest.run(f"{reset}leak_clear; module_in {module}", 60 * slow, admin=True)

    @staticmethod
    def _put_back(guest: Guest, slow: float):
        """Ends what is left of a test; prints what it has leaked."""
        # One that hangs need not have the time that the rest may take.
        guest.run("true", 5 * slow, admin=True, grace=5 * slow)
        status, text = guest.run(
            f"dmesg > {guest.share}/dmesg; guest_end_test && guest_reset && leak_report",
            60 * slow, admin=True, grace=10 * slow)
        guest.clean = status == 0
        return status, text

    def _aftermath(self, guests: Dict[str, Guest], marks: Dict[str, int], out: Path,
                   slow: float) -> Optional[str]:
        """What the test left behind in the guests that it must not."""
        bad = None
        ends = at_once(guests, lambda _, guest: self._put_back(guest, slow))
        for host, guest in guests.items():
            status, text = ends[host]
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
