# SPDX-License-Identifier: GPL-2.0
"""make demo: two guests with the module, and what a program sees of it."""

import time

from .guest import HOSTS, Guest, GuestError, Setup

SOCKETS = (
    ("AF_SMC over IPv4", "43 1 0"),
    ("AF_SMC over IPv6", "43 1 1"),
    ("AF_INET, IPPROTO_SMC", "2 1 256"),
    ("AF_INET6, IPPROTO_SMC", "10 1 256"),
)


def run(setup: Setup) -> int:
    """Boots both hosts and shows the main job; the exit status."""
    print(f"Two guests on one wire ({setup.flavour} kernel, {setup.accel}) ...", flush=True)
    start = time.monotonic()
    guests = [Guest(setup, name, i) for i, name in enumerate(sorted(HOSTS, reverse=True))]
    try:
        for guest in guests:
            guest.start()
        for guest in guests:
            guest.wait_ready(300)
        print(f"... are up after {time.monotonic() - start:.1f} s\n")
        return max(show(guest) for guest in guests)
    except GuestError as e:
        print(f"{e}; its console is in {setup.out}")
        return 1
    finally:
        for guest in guests:
            guest.stop()


def show(guest: Guest) -> int:
    """Loads the module on one host and says what sockets became."""
    address = HOSTS[guest.name][1]
    print(f"{guest.name} ({address})")
    status, text = guest.run("uname -r && module_in smc_rs && cat /sys/module/smc_rs/coresize", 60)
    lines = text.decode(errors="replace").split()
    if status != 0:
        print(f"  smc_rs does not load: {' '.join(lines)}")
        return 1
    print(f"  Linux {lines[0]}, smc_rs loaded ({int(lines[-1]) // 1024} KiB)")
    worst = 0
    for what, triple in SOCKETS:
        status, text = guest.run(
            f"became() {{ awk '/SMC/ && $3 > 0 {{print $1}}' /proc/net/protocols | grep .; }}; "
            f"sockets hold {triple} & wait_for 10 became && became; "
            "status=$?; kill $!; wait $! 2>/dev/null; exit $status", 60)
        became = text.decode(errors="replace").split()
        if status != 0 or not became:
            print(f"  {what:24} no socket: {' '.join(became)}")
            worst = 1
        else:
            print(f"  {what:24} a socket of protocol {', '.join(became)}")
    print()
    return worst
