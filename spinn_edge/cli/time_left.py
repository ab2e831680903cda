"""How long steps of equal work will go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

SHORTEST_S = 2.0
"""Less than this is not worth a word."""


class TimeLeft:
    """Times rounds: epochs, or the launches of everything that is timed in turn."""

    def __init__(
        self, rounds: int, clock: Callable[[], float] = time.monotonic, *, unlike: int = 0
    ) -> None:
        """Begin the first round when something of it is first asked about.

        Args:
            rounds: how many there are.
            clock: seconds.
            unlike: rounds that go before and tell nothing of the others, for they compile.
        """
        self._rounds = rounds
        self._clock = clock
        self._first = unlike + 1
        self._round = 0
        self._began_s = self._round_began_s = 0.0

    def begin(self, number: int) -> None:
        """Begin a round, or stay in it; numbers count from 1 and never fall."""
        self._go_to(number, self._clock())

    def seconds(self) -> float | None:
        """Return how long all that is left will take; None before a round has ended."""
        return self._seconds_at(self._clock())

    def words(self, number: int) -> str:
        """Return ``, about 40 s left``; empty in the first round, and where little is left.

        Args:
            number: of the round that something begins in, from 1; never falling.
        """
        now_s = self._clock()
        self._go_to(number, now_s)
        left_s = self._seconds_at(now_s)
        return f", {about(left_s)}" if left_s is not None and left_s >= SHORTEST_S else ""

    def _go_to(self, number: int, now_s: float) -> None:
        if number <= self._round:
            return
        if self._round < self._first:  # nothing that counts has ended
            self._first = max(self._first, number)
            self._began_s = now_s
        self._round, self._round_began_s = number, now_s

    def _seconds_at(self, now_s: float) -> float | None:
        ended = self._round - self._first
        if ended < 1:
            return None
        each_s = (self._round_began_s - self._began_s) / ended
        left_s = each_s * (self._rounds - self._round + 1) - (now_s - self._round_began_s)
        return max(left_s, 0.0)


class StepsLeft:
    """Time left of steps that say themselves how many of how many have ended."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, unlike: int = 0) -> None:
        """See :class:`TimeLeft`."""
        self._clock, self._unlike = clock, unlike
        self._at = (0, 0)
        self.now: TimeLeft | None = None

    def words(self, done: int, total: int) -> str:
        """Return ``, about 40 s left`` or nothing.

        Args:
            done: steps that have ended; fewer than before begin a new row of steps.
            total: all of them; 0 where nobody knows.
        """
        before, of = self._at
        self._at = (done, total)
        if total < 1:
            self.now = None
            return ""
        if self.now is None or total != of or done < before:
            self.now = TimeLeft(total, self._clock, unlike=self._unlike)
        return self.now.words(done + 1)


class TimedLines:
    """A line for each step with the time left; plain, where something is measured meanwhile.

    A spinner would take time from it.
    """

    def __init__(self, say: Callable[[str], None], *, unlike: int = 0) -> None:
        self._say, self._left = say, StepsLeft(unlike=unlike)

    def step(self, words: str, done: int, total: int) -> None:
        """Print what begins now; see :meth:`StepsLeft.words`."""
        self._say(f"{words}{self._left.words(done, total)}")


def about(seconds: float) -> str:
    """Return ``about 40 s left``."""
    return f"about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """Return ``40 s``, ``3 min`` or ``1.5 h``, rounded up."""
    if seconds < 100:
        return f"{math.ceil(seconds)} s"
    if seconds < 6000:
        return f"{math.ceil(seconds / 60)} min"
    return f"{seconds / 3600:.1f} h"
