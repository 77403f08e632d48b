# SPDX-License-Identifier: GPL-2.0
"""What figures belong to: the machine, the kernel of the guests, the revision."""

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Dict

from .guest import Setup


def describe(setup: Setup, top: Path) -> Dict:
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": revision(top),
        "kernel": kernel_release(setup.kdir),
        "cpu": cpu_model(Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "host_kernel": platform.release(),
        "accel": setup.accel,
        "flavour": setup.flavour,
        "guest_cpus": int(os.environ.get("SMC_RS_CPUS", "2")),
    }


def cpu_model(cpuinfo: str) -> str:
    found = re.search(r"^model name\s*:\s*(.*\S)", cpuinfo, re.M)
    return re.sub(r"\s+", " ", found.group(1)) if found else platform.machine()


def kernel_release(kdir: Path) -> str:
    try:
        return (kdir / "include/config/kernel.release").read_text(encoding="ascii").strip()
    except OSError:
        return "unknown"


def revision(top: Path) -> str:
    """Git's name of what is built; "-dirty" where it is not what was committed."""
    try:
        done = subprocess.run(["git", "-C", str(top), "describe", "--always", "--dirty", "--abbrev=12"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    except OSError:
        return "unknown"
    return done.stdout.decode().strip() or "unknown"
