"""Pairs of results, launch by launch, for tests of the regression gate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.regression.comparison import Comparison, Limits, compare_results
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.manifest import Scores
from tests.unit.report.results import PRUNED, result, row

QUIET = (0.99, 1.0, 1.0, 1.0, 1.01)
"""Launches that differ by a per cent."""


def launched(median_s: float, factors: Sequence[float] = QUIET, **changes: Any) -> Row:
    """Return a row whose launches have the medians ``median_s`` times each factor."""
    samples = tuple(median_s * factor for factor in factors for _ in range(3))
    counts = (3,) * len(factors)
    bundle = changes.pop("bundle", "pruned")
    return row(bundle, median_s, samples_s=samples, launch_samples=counts, **changes)


def old_result(*rows: Row, **changes: Any) -> BenchResult:
    """Return a stored result of one bundle."""
    found = result(rows or (launched(100e-6),), (PRUNED,))
    return replace(found, created_utc="2026-01-01T00:00:00+00:00", **changes)


def new_result(*rows: Row, **changes: Any) -> BenchResult:
    """Return what is compared with it, of another day."""
    found = result(rows or (launched(100e-6),), (PRUNED,))
    return replace(found, created_utc="2026-02-02T00:00:00+00:00", **changes)


def facts(**changes: Any) -> tuple[BundleFacts, ...]:
    """Return the one bundle, changed."""
    return (replace(PRUNED, **changes),)


def scores(**changes: Any) -> Scores:
    """Return the bundle's scores, changed."""
    assert PRUNED.scores is not None
    return replace(PRUNED.scores, **changes)


def failed_parity(reason: str) -> Parity:
    """Return a comparison with the golden outputs that failed."""
    return Parity(passed=False, output="y", max_abs=3.0, tolerance=1e-5, reason=reason)


def slower(factor: float = 1.15, **limits: Any) -> Comparison:
    """Return a comparison with one row that is slower."""
    return compare_results(old_result(), new_result(launched(factor * 1e-4)), Limits(**limits))
