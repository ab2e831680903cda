"""Sources of reports, made of results that never ran."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.sources import NamedResult, ReportSources
from tests.unit.report.results import DENSE, ENVIRONMENT, PRUNED, result, row

HOSTILE = [
    "<script>alert(1)</script>",
    "a \"quoted\" 'name', with; everything",
    "=1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "a;=1+1",
    "\\input{/etc/passwd}",
    "100% & $5 #1 _x_ {y} ~z ^w",
    "% comment",
    "[4pt] begins like an argument",
    "* begins like a star",
    "\u202eright to left \u05d0\u05d1",
    "line\nbreak\r\nand\ttab\x00\x1b[31m",
    "half \ud800 a pair",
    "x" * 10_000,
]


def launched(bundle: str, *medians_s: float, **changes: Any) -> Row:
    """Return a row whose launches have these medians."""
    samples = tuple(median for median in medians_s for _ in range(3))
    return row(bundle, 1.0, samples_s=samples, launch_samples=(3,) * len(medians_s), **changes)


def beside(before: tuple[float, ...], after: tuple[float, ...], **changes: Any) -> Row:
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


def compared(before: tuple[float, ...] = SLOW, after: tuple[float, ...] = FAST) -> BenchResult:
    """Return a result of dense and pruned, timed in turn."""
    return result((launched("dense", *before), beside(before, after)))


def named(found: BenchResult, name: str = "results") -> NamedResult:
    """Return a result as if it had been read from its file."""
    return NamedResult.of(name, found, json.loads(to_text(bench_document(found))))


def sources(*results: BenchResult) -> ReportSources:
    """Return sources whose results are called r0, r1 and so on."""
    return ReportSources(results=tuple(named(r, f"r{i}") for i, r in enumerate(results)))


def hostile(name: str) -> BenchResult:
    """Return a result in which everything that has a name has this one."""
    assert DENSE.scores is not None
    scores = replace(
        DENSE.scores, source=name, r2={name: 0.5}, rmse={name: 0.5}, linear_r2={name: 0.5}
    )
    bundles = tuple(
        replace(facts, name=label, scores=scores, file_bytes={name: 5})
        for facts, label in ((DENSE, "dense"), (PRUNED, name))
    )
    rows = (
        launched("dense", *SLOW, runtime=name),
        replace(beside(SLOW, FAST, runtime=name), bundle=name),
        replace(launched("dense", *SLOW, runtime=name, batch=2), status="failed", reason=name,
                samples_s=(), launch_samples=(), parity=None),
    )  # fmt: skip
    environment = replace(ENVIRONMENT, cpu=name, gpu=name, system=name)
    return replace(result(rows, bundles), environment=environment, created_utc=name)
