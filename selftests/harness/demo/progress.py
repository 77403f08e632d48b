# SPDX-License-Identifier: GPL-2.0
"""How far a run is, a line for each value."""

import time
from typing import Callable


class Progress:
    """Says what was measured, and about when the rest will be."""

    def __init__(self, total: int, say: Callable[[str], None], now: Callable[[], float] = time.monotonic):
        self.total = total
        self.say = say
        self.now = now
        self.done = 0
        self.began = now()
        self.name = ""

    def begin(self, name: str) -> None:
        self.name = name

    def end(self, outcome: str) -> None:
        self.done += 1
        width = len(str(self.total))
        self.say(f"[{self.done:{width}}/{self.total}{self._left()}] {self.name:40} {outcome}")

    def skip(self, steps: int) -> None:
        """Steps that will not be taken."""
        self.done = min(self.total, self.done + steps)

    def _left(self) -> str:
        """By the time that a step has taken so far, once that says something."""
        if self.done < 4 or self.done >= self.total:
            return "       "
        seconds = (self.now() - self.began) / self.done * (self.total - self.done)
        return f", {max(1, round(seconds / 60)):2} min"
