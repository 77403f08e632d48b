# SPDX-License-Identifier: GPL-2.0
"""python3 -m harness [--flavour base|debug] [--only TEXT] [--out DIR] FOLDER...

Runs the tests in the folders (below selftests/) and prints KTAP.  Which
kernels, module and tools to use comes from the environment (see run.sh).
"""

import argparse
import dataclasses
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import Callable, Deque, Dict, List, Tuple

from . import demo, ktap
from .guest import BEHIND, FAR_BEHIND, HOSTS, Setup, probe_accel
from .suite import Suite, Test, discover, stderr_log

SELFTESTS = Path(__file__).resolve().parent.parent
TOP = SELFTESTS.parent

# Tests, and the kernel that each has.
Runs = List[Tuple[Test, str]]


def environment_setup(out: Path, sockets: Path, capture: bool) -> Callable[[str], Setup]:
    """How guests of each flavour are made, as run.sh says in the environment."""
    cache = Path(os.environ["SMC_RS_CACHE"])
    lock = threading.Lock()

    def setup(flavour: str) -> Setup:
        with lock:
            return make(flavour)

    def make(flavour: str) -> Setup:
        kdir = Path(os.environ[f"SMC_RS_KDIR_{flavour.upper()}"])
        built = Path(os.environ[f"SMC_RS_MODULE_{flavour.upper()}"])
        # A copy: a build meanwhile shall not change what is tested.
        module = out / f"module-{flavour}" / built.name
        if not module.exists() and built.exists():
            module.parent.mkdir()
            shutil.copy(built, module)
        return Setup(
            kdir=kdir, flavour=flavour, module=module,
            vng=Path(os.environ["SMC_RS_VNG"]),
            accel=probe_accel(kdir / "bzImage.boot", cache),
            out=out, sockets=sockets, capture=capture, hosts=other_kernels(),
            # For what a debug kernel puts beside each object.
            memory="3G" if flavour == "debug" else "1G",
            # Where this is run by a test that lets others have the CPUs first.
            behind=max(0, os.getpriority(os.PRIO_PROCESS, 0)))

    return setup


def other_kernels() -> Dict[str, Tuple[Path, Path]]:
    """Hosts that do not have the kernel of their flavour: SMC_RS_KDIR_CLIENT and the like."""
    return {
        host: (Path(kdir), Path(os.environ[f"SMC_RS_MODULE_{host.upper()}"]))
        for host in HOSTS if (kdir := os.environ.get(f"SMC_RS_KDIR_{host.upper()}"))}


def main() -> int:
    parser = argparse.ArgumentParser(prog="harness")
    parser.add_argument("--flavour", choices=("base", "debug"), default="base")
    parser.add_argument("--only")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--demo", action="store_true", help="shows what the module does, instead")
    parser.add_argument("--quick", action="store_true", help="the demo with less of it")
    parser.add_argument("--part", action="append", default=[], choices=demo.PARTS,
                        help="only these parts of the demo")
    parser.add_argument("--no-capture", action="store_true",
                        help="does not keep what is on the wire: the disk would set the pace")
    parser.add_argument("folders", nargs="*")
    args = parser.parse_args()

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    out = args.out.resolve()
    before = demo.Results.read(out / "demo.json") if args.demo and args.part else None
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sockets = Path(tempfile.mkdtemp(prefix="smc_rs."))
    setup = environment_setup(out, sockets, not args.no_capture)
    try:
        if args.demo:
            return demo.run(setup(args.flavour), demo.plan_of(args.quick, args.part), TOP, before)
        return run_tests(args, out, sockets, setup)
    except KeyboardInterrupt:
        stderr_log("interrupted")
        return 130
    finally:
        shutil.rmtree(sockets, ignore_errors=True)


def run_anywhere(suite: Suite, take: Callable[[], Tuple[Test, str]]) -> None:
    """Takes its turn at tests that need no guests, until none is left."""
    try:
        while True:
            suite.run(*take(), False)
    except IndexError:
        pass


class Beside(threading.Thread):
    """Runs tests while others run, on a wire of their own, and leaves those the CPUs.

    Then it takes its turn at those that nobody has begun: they need no guests. Without
    tests of its own it does so from the start, with what all others leave, and begins at
    the other end.
    """

    def __init__(self, name: str, tests: Runs, anywhere: Deque, suite: Callable[..., Suite],
                 setup: Callable[[str], Setup], sockets: Path, **of_guests):
        super().__init__(daemon=True)
        own = sockets / name
        own.mkdir()
        self.tests = tests
        self.anywhere = anywhere
        self.take = anywhere.popleft if tests else anywhere.pop
        behind = BEHIND if tests else FAR_BEHIND
        self.suite = suite(
            lambda flavour: dataclasses.replace(setup(flavour), sockets=own, behind=behind,
                                                **of_guests),
            sockets=own, behind=behind)

    def run(self) -> None:
        for test, flavour in self.tests:
            self.suite.run(test, flavour, False)
        self.suite.close()
        run_anywhere(self.suite, self.take)

    def end(self) -> None:
        """Also before its time."""
        self.anywhere.clear()
        self.suite.end()
        self.suite.close()


def run_tests(args, out: Path, sockets: Path, setup: Callable[[str], Setup]) -> int:
    tests = discover(SELFTESTS, args.folders, args.only)
    runs = [(t, t.kernel or args.flavour) for t in tests]
    # What needs none of the guests, or one of another kernel, and what does not mind
    # having to wait goes on beside: the others wait for the wire or for a timer half of
    # the time.
    inside = [(t, f) for t, f in runs if t.hosts and f == args.flavour]
    # Two pairs of guests in the debug kernel would take more memory than some have.
    guests = [(t, f) for t, f in inside if t.beside and args.flavour == "base"]
    others = [(t, f) for t, f in runs if t.hosts and (t, f) not in inside]
    inside = [(t, f) for t, f in inside if (t, f) not in guests]
    anywhere = deque((t, f) for t, f in runs if not t.hosts)
    writer = ktap.Writer(sys.stdout, len(tests))

    def make(setups: Callable[[str], Setup], sockets: Path, behind: int) -> Suite:
        environment = {"SMC_RS_SELFTESTS": str(SELFTESTS), "SMC_RS_SOCKETS": str(sockets)}
        return Suite(setups, out, writer, environment, stderr_log, behind)

    suite = make(setup, sockets, 0)
    # Few have a kernel of their own, and load little: kmemleak looks at every page of its
    # guest, and needs five seconds for a gigabyte.
    besides = [Beside(name, row, anywhere, make, setup, sockets, **of_guests)
               for name, row, of_guests in (("others", others, {"memory": "1G"}),
                                            ("guests", guests, {}), ("none", [], {}))
               if row or name == "none"]
    for thread in besides:
        thread.start()
    try:
        for test, flavour in inside:
            suite.run(test, flavour)
        suite.close()
        run_anywhere(suite, anywhere.popleft)
        for thread in besides:
            thread.join()
    finally:
        suite.close()
        for thread in besides:
            thread.end()
    writer.summary()
    if writer.number == 0:
        stderr_log("no such test")
        return 1
    return 1 if writer.counts.failed or writer.number != len(tests) else 0


if __name__ == "__main__":
    sys.exit(main())
