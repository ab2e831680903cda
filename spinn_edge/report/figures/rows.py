"""Rows of a result as figures take them: those that were timed, and what tells them apart."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report import formatting as f
from spinn_edge.report.latency_columns import several_precisions

Place = str
"""Where a model ran, in words: ``ort-cpu`` or ``ort-cpu fp16``."""


def timed_rows(result: BenchResult) -> list[Row]:
    """Return the rows with samples, back to back: a fixed rate is another question."""
    return [row for row in result.rows if row.samples_s and row.rate_per_s is None]


def batches_of(rows: Sequence[Row]) -> list[int]:
    """Return the batch sizes, ascending."""
    return sorted({row.batch for row in rows})


def name_of(row: Row, rows: Sequence[Row]) -> Place:
    """Return the runtime, and the precision where it differs among ``rows``."""
    name = f.served(row.runtime, row.served_by)
    return f"{name} {row.precision}" if several_precisions(rows) else name
