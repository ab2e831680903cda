"""Rows of contenders whose launches alternated: one beside another, and the latency of one."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from spinn_edge.bench.measurement import Row


def at_batch(rows: Sequence[Row], batch: int) -> Row:
    """Return a contender's row of one batch size; it was timed at one boundary."""
    (row,) = (row for row in rows if row.batch == batch)
    return row


def beside(row: Row, reference: Row) -> Row:
    """Return a row that is compared with another: speed-up, interval and verdict follow from it.

    Args:
        row: what is judged.
        reference: of another contender of the same schedule.
    """
    if not row.samples_s or not reference.samples_s:
        return row
    return replace(
        row,
        baseline_median_s=reference.median_s,
        baseline_medians_s=reference.launch_medians_s,
    )


def beside_baseline(rows: Sequence[Row], baseline: str | None) -> tuple[Row, ...]:
    """Put the baseline's row of the same conditions beside every other bundle's.

    Args:
        rows: of contenders of one schedule.
        baseline: name of the bundle that others are compared with; None for no comparison.
    """
    known = {row.conditions: row for row in rows if row.bundle == baseline}
    return tuple(
        beside(row, known[row.conditions])
        if row.bundle != baseline and row.conditions in known
        else row
        for row in rows
    )


def latency_s(row: Row) -> float | None:
    """Return the geometric mean of the launches' medians, seconds; None where nothing was timed."""
    return statistics.geometric_mean(row.launch_medians_s) if row.launch_medians_s else None
