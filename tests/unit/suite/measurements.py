"""Measurements that never ran, made of the rows that reports are tested with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spinn_edge.bench.evidence.output_difference import OutputDifference
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BundleFacts
from spinn_edge.suite.measuring import Measured
from tests.unit.report.results import DENSE, PRUNED, result, row

UNLIKE = OutputDifference(max_abs=0.25, of_scale=0.0125)
ALIKE = OutputDifference(max_abs=3e-7, of_scale=1e-7)
BARE_DENSE, BARE_PRUNED = replace(DENSE, scores=None), replace(PRUNED, scores=None)


def launched(bundle: str, *medians_s: float, **changes: Any) -> Row:
    """Return a row whose launches have these medians."""
    samples = tuple(median for median in medians_s for _ in range(3))
    return row(bundle, 1.0, samples_s=samples, launch_samples=(3,) * len(medians_s), **changes)


def against(before: tuple[float, ...], after: tuple[float, ...], **changes: Any) -> Row:
    """Return pruned's row beside dense's."""
    return launched(
        "pruned",
        *after,
        baseline_median_s=sorted(before)[len(before) // 2],
        baseline_medians_s=before,
        **changes,
    )


SLOW, FAST = (4e-4, 4.1e-4, 4.2e-4), (1e-4, 1.01e-4, 1.02e-4)
NOISY, AS_NOISY = (1.0e-4, 1.2e-4, 1.1e-4), (1.1e-4, 1.0e-4, 1.15e-4)


def measured(
    *rows: Row,
    bundles: tuple[BundleFacts, ...] = (BARE_DENSE, BARE_PRUNED),
    difference: OutputDifference = ALIKE,
) -> Measured:
    return Measured(
        result=result(rows, bundles),
        differences={facts.name: difference for facts in bundles[1:]},
    )
