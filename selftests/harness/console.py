# SPDX-License-Identifier: GPL-2.0
"""What in a guest's kernel log makes a test fail."""

import re
from typing import List

SPLAT = re.compile(
    r"""(
      \bBUG:
    | \bWARNING:
    | \bKASAN:
    | \bUBSAN:
    | \bOops\b
    | general[ ]protection[ ]fault
    | Kernel[ ]panic
    | possible[ ](circular|recursive)[ ]locking
    | possible[ ]irq[ ]lock[ ]inversion
    | inconsistent[ ]lock[ ]state
    | suspicious[ ]RCU[ ]usage
    | Invalid[ ]wait[ ]context
    | bad[ ]unlock[ ]balance
    | blocked[ ]for[ ]more[ ]than
    | self-detected[ ]stall
    | rcu:.*detected[ ].*stalls
    | soft[ ]lockup
    | workqueue[ ]lockup
    | ODEBUG:
    | rust_kernel:[ ]panicked
    | refcount_t:
    | unregister_netdevice:[ ]waiting
    | kmem_cache_destroy.*still[ ]has[ ]objects
    | ref_tracker:.*(leaked|reference)
    | panicked[ ]at
    )""",
    re.VERBOSE,
)

# Lines around a splat that are worth showing.
CONTEXT = 40


def splats(log: str) -> List[str]:
    """The first splat in `log` with what follows it, or nothing."""
    lines = log.splitlines()
    for i, line in enumerate(lines):
        if SPLAT.search(line):
            return lines[max(0, i - 2):i + CONTEXT]
    return []
