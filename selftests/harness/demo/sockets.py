# SPDX-License-Identifier: GPL-2.0
"""The first part: the module loads, and what a program's sockets become."""

from ..guest import HOSTS, Guest

SOCKETS = (
    ("AF_SMC over IPv4", "43 1 0"),
    ("AF_SMC over IPv6", "43 1 1"),
    ("AF_INET, IPPROTO_SMC", "2 1 256"),
    ("AF_INET6, IPPROTO_SMC", "10 1 256"),
)


def show(guest: Guest) -> bool:
    """Loads the module on one host and says what sockets became; whether all did."""
    address = HOSTS[guest.name][1]
    print(f"{guest.name} ({address})")
    status, text = guest.run("uname -r && module_in smc_rs && cat /sys/module/smc_rs/coresize", 60)
    lines = text.decode(errors="replace").split()
    if status != 0:
        print(f"  smc_rs does not load: {' '.join(lines)}")
        return False
    print(f"  Linux {lines[0]}, smc_rs loaded ({int(lines[-1]) // 1024} KiB)")
    good = True
    for what, triple in SOCKETS:
        status, text = guest.run(
            f"became() {{ awk '/SMC/ && $3 > 0 {{print $1}}' /proc/net/protocols | grep .; }}; "
            f"sockets hold {triple} & wait_for 10 became && became; "
            "status=$?; kill $!; wait $! 2>/dev/null; exit $status", 60)
        became = text.decode(errors="replace").split()
        if status != 0 or not became:
            print(f"  {what:24} no socket: {' '.join(became)}")
            good = False
        else:
            print(f"  {what:24} a socket of protocol {', '.join(became)}")
    print(flush=True)
    return good
