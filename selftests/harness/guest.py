# SPDX-License-Identifier: GPL-2.0
"""A guest: booted by virtme-ng, talked to through its agent (lib/agent.sh)."""

import os
import shlex
import signal
import subprocess
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Set, Tuple

HERE = Path(__file__).resolve().parent
LIB = HERE.parent / "lib"


class GuestError(Exception):
    """The guest does not do what it is told any more."""


@dataclass
class Setup:
    """What all guests of a run have in common."""

    kdir: Path
    flavour: str  # base or debug
    module: Path
    vng: Path
    accel: str  # kvm or tcg
    out: Path  # where logs are kept
    sockets: Path  # a short path for the wire's sockets
    capture: bool = True  # keeps what is on the wire
    behind: int = 0  # how far: others have the CPUs first
    memory: str = "1G"
    # The kernel and the module of a host that has others.
    hosts: Dict[str, Tuple[Path, Path]] = field(default_factory=dict)

    def of_host(self, host: str) -> "Setup":
        kdir, module = self.hosts.get(host, (self.kdir, self.module))
        return replace(self, kdir=kdir, module=module)


HOSTS = {
    "server": ("02:53:4d:43:00:01", "10.99.0.1", "fd99::1"),
    "client": ("02:53:4d:43:00:02", "10.99.0.2", "fd99::2"),
}

# Whose end of the wire is kept: one has all of it.
CAPTURES = "server"


# For each second of such a session nearly ten of others, and nearly seventy.
BEHIND, FAR_BEHIND = 10, 19


def stand_behind(pid: int, behind: int) -> None:
    """Lets others have the CPUs before this session."""
    try:
        os.setpriority(os.PRIO_PGRP, pid, behind)
        # Where sessions share the CPUs evenly, it is the session's that counts.
        Path(f"/proc/{pid}/autogroup").write_text(str(behind), encoding="utf-8")
    except OSError:
        pass  # it has ended already, or the kernel has no such groups


def shares_of_cpus() -> Dict[str, Set[int]]:
    """This machine's CPUs, shared out among the hosts; all for each if there are too few."""
    cpus = sorted(os.sched_getaffinity(0))
    each = len(cpus) // len(HOSTS)
    return {host: set(cpus[i * each:(i + 1) * each] or cpus) for i, host in enumerate(HOSTS)}


class Guest:
    """One guest, from boot to power-off."""

    def __init__(self, setup: Setup, name: str, generation: int):
        self.setup = setup = setup.of_host(name)
        self.name = name
        # Each boot has a folder of its own; a test's slice of the log and the
        # capture is cut out of it.
        self.dir = setup.out / f"guest-{name}-{setup.flavour}-{generation}"
        self.share = self.dir / "share"
        self.share.mkdir(parents=True, exist_ok=True)
        self.console = self.dir / "console.log"
        self.pcap = self.dir / "wire.pcap"
        self.captures = setup.capture and name == CAPTURES
        self.process: Optional[subprocess.Popen] = None
        self._done: Dict[str, int] = {}
        self._ready = False
        # No test has used it since it was put back.
        self.clean = False
        self._cond = threading.Condition()
        self._next = 0

    # ---- life ------------------------------------------------------------

    def start(self) -> None:
        setup = self.setup
        peer = next(h for h in HOSTS if h != self.name)
        wire = (
            f"-netdev dgram,id=wire,local.type=unix,local.path={setup.sockets}/{self.name},"
            f"remote.type=unix,remote.path={setup.sockets}/{peer} "
            f"-device virtio-net-pci,netdev=wire,mac={HOSTS[self.name][0]} "
            + (f"-object filter-dump,id=capture,netdev=wire,file={self.pcap} "
               if self.captures else "") +
            # Each queue of a device, of which a console has two for each port that it
            # could have, is a file in every poll of the emulator, which were most of
            # what it did.
            "-global virtio-serial-pci.max_ports=2 "
            "-global virtio-serial-pci.ioeventfd=off -global virtio-9p-pci.ioeventfd=off"
        )
        agent = shlex.join(["bash", str(LIB / "agent.sh"), str(self.share), self.name])
        command = [
            str(LIB / "boot.sh"), str(setup.vng),
            "--run", str(setup.kdir / "bzImage.boot"),
            "--force-9p", "--user", "root", "--name", self.name, "--verbose",
            "--cpus", os.environ.get("SMC_RS_CPUS", "2"), "--memory", setup.memory,
            "--rwdir", str(self.share),
            "--append=loglevel=8",
            # Emulated on a busy machine, the check finds no timer, and panics.
            "--append=no_timer_check",
            # This host's files do not change under a guest: let it keep what it
            # has read (what they share is a mount of its own, without a cache).
            "--append=rootflags=version=9p2000.L,trans=virtio,access=any,msize=512000,cache=loose",
            f"--qemu-opts={wire}",
            "--exec", agent,
        ]
        if setup.accel != "kvm":
            command.append("--disable-kvm")
            # The emulator translates a program once for each address it has been
            # loaded at, which doubles what a process costs.
            command.insert(-4, "--append=norandmaps")
        env = dict(os.environ, PATH=f"{setup.vng.parent}:{os.environ['PATH']}")
        (self.share / "env.sh").write_text(
            f"export SMC_RS_KDIR={shlex.quote(str(setup.kdir))}\n"
            f"export SMC_RS_MODULE={shlex.quote(str(setup.module))}\n"
            f"export PATH={shlex.quote(os.environ['SMC_RS_PROGS'])}:$PATH\n",
            encoding="utf-8")
        with open(self.console, "wb") as console:
            # pylint: disable=consider-using-with
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=console,
                start_new_session=True, env=env)
        if setup.behind:
            stand_behind(self.process.pid, setup.behind)
        threading.Thread(target=self._read, daemon=True).start()

    def wait_ready(self, limit: float) -> None:
        with self._cond:
            if not self._cond.wait_for(lambda: self._ready or not self.alive(), limit) \
                    or not self._ready:
                raise GuestError(f"{self.name} did not boot within {limit:.0f} s")

    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _processes(self) -> Iterator[Tuple[Path, List[str]]]:
        """The folder in /proc of each process of the guest, and what its stat says."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                # After the name, which may have anything in it: state, parent, group,
                # session, ...
                fields = stat.read_text(encoding="utf-8").rpartition(") ")[2].split()
            except OSError:
                continue
            if self.process is not None and int(fields[3]) == self.process.pid:
                yield stat.parent, fields

    def cpu_seconds(self) -> float:
        """What the guest's processes have had of this machine's CPUs."""
        ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in self._processes())
        return ticks / os.sysconf("SC_CLK_TCK")

    def stay_on(self, cpus: Set[int]) -> None:
        """Has the guest run on these CPUs only, from now on."""
        for process, _ in self._processes():
            for thread in process.glob("task/[0-9]*"):
                try:
                    os.sched_setaffinity(int(thread.name), cpus)
                except ProcessLookupError:
                    pass  # it has ended

    def stop(self) -> None:
        """Powers the guest off, by force if it does not go."""
        if self.process is None:
            return
        try:
            if self.alive() and self._ready:
                self.process.stdin.write(b"off\n")
                self.process.stdin.flush()
                self.process.wait(5)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self.kill()

    def kill(self) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()

    def _read(self) -> None:
        for line in self.process.stdout:
            words = line.decode(errors="replace").split()
            with self._cond:
                if words[:1] == ["ready"]:
                    self._ready = self.clean = True
                elif words[:1] == ["done"] and len(words) == 3:
                    self._done[words[1]] = int(words[2])
                self._cond.notify_all()
        with self._cond:
            self._cond.notify_all()

    # ---- commands --------------------------------------------------------

    def run(self, script: str, limit: float, keep: Optional[Path] = None, admin: bool = False,
            grace: float = 30):
        """Runs a shell script in the guest: (exit status, output).

        The script is ended after `limit` seconds (status 124).  What it starts ends
        with the test, unless `admin`.  A guest that has not answered `grace` seconds
        after that is taken for dead.
        """
        with self._cond:
            self._next += 1
            ident = str(self._next)
        (self.share / f"{ident}.sh").write_text(script, encoding="utf-8")
        try:
            self._tell(f"{'admin' if admin else 'run'} {ident}")
            if not self._wait_done(ident, limit):
                self._tell(f"kill {ident}")
                if not self._wait_done(ident, grace):
                    raise GuestError(f"{self.name} hangs")
        except OSError as e:
            raise GuestError(f"{self.name} has gone") from e
        with self._cond:
            status = self._done.pop(ident)
        out = self.share / f"{ident}.out"
        output = out.read_bytes()
        (self.share / f"{ident}.sh").unlink()
        if keep is None:
            out.unlink()
        else:
            out.rename(keep)
        return status, output

    def _tell(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()

    def _wait_done(self, ident: str, limit: float) -> bool:
        """Whether the script ends within `limit` seconds."""
        deadline = time.monotonic() + limit
        with self._cond:
            while ident not in self._done:
                if not self.alive():
                    raise GuestError(f"{self.name} has gone")
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._cond.wait(min(1.0, left))
        return True

    # ---- logs ------------------------------------------------------------

    def console_size(self) -> int:
        return self.console.stat().st_size if self.console.exists() else 0

    def console_since(self, offset: int) -> str:
        with open(self.console, "rb") as f:
            f.seek(offset)
            return f.read().decode(errors="replace").replace("\r", "")

    def pcap_size(self) -> int:
        return self.pcap.stat().st_size if self.pcap.exists() else 0

    def pcap_slice(self, start: int, dest: Path) -> None:
        """The capture from byte `start` on, with the file's header, as a file."""
        with open(self.pcap, "rb") as f:
            header = f.read(24)
            f.seek(max(start, 24))
            dest.write_bytes(header + f.read())


def probe_accel(kernel: Path, cache: Path) -> str:
    """kvm if it really runs guests here, else tcg.

    A /dev/kvm that hangs is common in nested machines, so a kernel is booted
    on it and must say something in time. The answer holds until reboot.
    """
    forced = os.environ.get("SMC_RS_ACCEL")
    if forced in ("kvm", "tcg"):
        return forced
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    known = cache / f"accel-{boot_id}"
    if known.exists():
        return known.read_text(encoding="ascii")
    command = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "host", "-m", "256M", "-display",
               "none", "-no-reboot", "-serial", "stdio", "-kernel", str(kernel),
               "-append", "console=ttyS0 earlyprintk=ttyS0 panic=-1"]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, timeout=15, check=False)
        accel = "kvm" if b"Linux version" in done.stdout else "tcg"
    except subprocess.TimeoutExpired:
        accel = "tcg"
    for old in cache.glob("accel-*"):
        old.unlink()
    known.write_text(accel, encoding="ascii")
    return accel
