#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Shows how far a kernel build is: reads make's output, one step a line.

progress.py LABEL EXPECTED LOG
EXPECTED is about how many steps there will be.  On a terminal one line is
kept up to date, elsewhere a line comes every 30 seconds.  Everything goes to
LOG; the number of steps taken is the last line on stdout.
"""

import re
import sys
import time

STEP = re.compile(r"^\s+(?:[A-Z][A-Z0-9_]*)(?: [A-Z])?(?: \[M\])? +(\S+)")


def main() -> int:
    label, expected, log_path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    tty = sys.stderr.isatty()
    start = shown = time.monotonic()
    steps = 0
    with open(log_path, "w", encoding="utf-8") as log:
        for line in sys.stdin:
            log.write(line)
            step = STEP.match(line)
            if not step:
                continue
            steps += 1
            now = time.monotonic()
            if now - shown < (0.2 if tty else 30):
                continue
            shown = now
            total = max(expected, steps)
            text = (f"{label}: {steps}/{total} files ({steps * 100 // total} %), "
                    f"{int(now - start) // 60}:{int(now - start) % 60:02} elapsed")
            if tty:
                sys.stderr.write(f"\r\033[K{text}  {step.group(1)[-50:]}")
            else:
                sys.stderr.write(f"{text}\n")
            sys.stderr.flush()
    if tty:
        sys.stderr.write("\r\033[K")
    print(steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
