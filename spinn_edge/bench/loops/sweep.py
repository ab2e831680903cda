"""A sweep of batch sizes: found by the first launch, repeated by the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from spinn_edge.bench.loops.saturation import next_batch
from spinn_edge.bench.measurement import Row
from spinn_edge.runtimes.base import RuntimeFacts

SWEEP = (0,)
"""In the place of batch sizes: powers of two until throughput is saturated; see ``next_batch``."""


class Sweep:
    """Batch sizes one after the other, each chosen by what those before it gave."""

    def __init__(self, facts: RuntimeFacts) -> None:
        self._facts = facts
        self._done: list[tuple[int, float]] = []

    def __iter__(self) -> Iterator[int]:
        """Return sizes until one was not timed, or :func:`next_batch` names no other."""
        facts = self._facts
        while (batch := next_batch(self._done, facts.max_batch, facts.min_batch)) is not None:
            yield batch
            if not self._done or self._done[-1][0] != batch:
                return

    def note(self, row: Row) -> None:
        """Take in a row of the last size; the first of it that has a throughput counts."""
        timed = {batch for batch, _ in self._done}
        if row.throughput_per_s is not None and row.batch not in timed:
            self._done.append((row.batch, row.throughput_per_s))


def end_of_sweep(row: Row) -> Row:
    """Return the row of a size at which memory ran out: a sweep's end, and no fault."""
    reason = f"out of memory at batch {row.batch}, where the sweep ends"
    return replace(row, status="unavailable", reason=reason, ends_sweep=True)


def swept_sizes(rows: Iterable[Row]) -> tuple[int, ...]:
    """Return the sizes that a first launch timed, in order."""
    return tuple(dict.fromkeys(row.batch for row in rows if row.status == "ok"))


def sizes_to_add(own: Sequence[Row], others: Iterable[Row]) -> tuple[int, ...]:
    """Return sizes that others went on to, so that both have rows to compare.

    Args:
        own: rows of one thing's first launch.
        others: those of what it is compared with.

    Returns:
        Nothing where the own sweep ended for want of memory or by a failure; and no size that the
        own file does not take.
    """
    if any(row.status == "failed" or row.ends_sweep for row in own):
        return ()
    have = swept_sizes(own)
    largest = [row.facts.max_batch for row in own if row.facts is not None]
    return tuple(
        batch
        for batch in sorted(set(swept_sizes(others)) - set(have))
        if batch > max(have, default=0)
        and all(limit is None or batch <= limit for limit in largest)
    )
