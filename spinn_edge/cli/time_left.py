"""How long rounds of equal work will go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SHORTEST_S = 2.0
"""Less than this is not worth a word."""


class TimeLeft:
    """Times rounds, such as the launches of everything that is timed in turn."""

    def __init__(self, rounds: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin the first round when something of it is first asked about.

        Args:
            rounds: how many there are.
            clock: seconds.
        """
        self._rounds = rounds
        self._clock = clock
        self._round = 0
        self._began_s = self._round_began_s = 0.0

    def words(self, number: int) -> str:
        """Return ``, about 40 s left``; empty in the first round, and where little is left.

        Args:
            number: of the round that something begins in, from 1; never falling.
        """
        now_s = self._clock()
        if number > self._round:
            self._began_s = now_s if self._round == 0 else self._began_s
            self._round, self._round_began_s = number, now_s
        if self._round < 2:
            return ""
        each_s = (self._round_began_s - self._began_s) / (self._round - 1)
        left_s = each_s * (self._rounds - self._round + 1) - (now_s - self._round_began_s)
        return f", about {duration(left_s)} left" if left_s >= SHORTEST_S else ""


def duration(seconds: float) -> str:
    """Return ``40 s``, ``3 min`` or ``1.5 h``, rounded up."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    if seconds < 6000:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
