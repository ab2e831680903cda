"""What the pages under test are made of: results of benchmarks that never ran, seeded."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Sequence
from dataclasses import replace

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.sources import NamedResult, ReportSources
from tests.unit.report.results import DENSE, PRUNED, result, unavailable

RUNTIMES = {"eager": 3.0, "torchscript": 2.2, "ort-cpu": 1.0}
"""How many times slower than the fastest."""

LAUNCHES, SAMPLES = 5, 240

TURNING = "\u202e\u2066\u200f"
"""Characters that turn the text behind them; a page shows a mark in their place."""

SCRIPT = "<script>alert(1)</script>"
HOSTILE = {
    "script": SCRIPT,
    "end of a data block": f"</script>{SCRIPT}<!--",
    "quotes": "\"onmouseover='alert(2)' x=\"`${alert(3)}`",
    "markup": "</td></table><img src=x onerror=alert(4)>&amp;&lt;",
    "long": "x" * 10_000,
    "right to left": f"dense{TURNING}gnp.exe",
    "style": "}</style><style>*{display:none}",
}
"""Names of models by what is wrong with them."""


def timed(
    bundle: str, runtime: str, batch: int, median_s: float, seed: int, **changes: object
) -> Row:
    """Return a row of five launches about a median, slow inferences among them.

    Clocks count nanoseconds, hence no more digits.
    """
    chance = random.Random(seed)
    samples = tuple(
        round(
            median_s * math.exp(chance.gauss(0.0, 0.03)) * (4 if chance.random() < 0.01 else 1), 9
        )
        for _ in range(LAUNCHES * SAMPLES)
    )
    base = Row(
        bundle=bundle,
        runtime=runtime,
        batch=batch,
        status="ok",
        reason=None,
        threads=1,
        samples_s=samples,
        launch_samples=(SAMPLES,) * LAUNCHES,
        steady=(True,) * LAUNCHES,
        parity=Parity(passed=True, output="y", max_abs=3.25e-7, tolerance=1e-5),
        footprints=(
            Footprint(
                import_s=0.4,
                load_s=0.02,
                first_inference_s=0.003,
                resident_after_load_bytes=90_000_000,
                peak_resident_bytes=120_000_000,
            ),
        ),
        file_bytes=850_000,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def rows_of(dense: str, pruned: str, batches: Sequence[int] = (1, 8, 1000)) -> tuple[Row, ...]:
    """Return rows of both bundles on every runtime at every batch size."""
    rows: list[Row] = []
    for number, (runtime, batch) in enumerate(itertools.product(RUNTIMES, batches)):
        base_s = 20e-6 * RUNTIMES[runtime] * (1 + batch / 40)
        slow = timed(dense, runtime, batch, base_s, 2 * number)
        rows += [
            slow,
            timed(
                pruned,
                runtime,
                batch,
                base_s / 2.6,
                2 * number + 1,
                baseline_median_s=slow.median_s,
                baseline_medians_s=slow.launch_medians_s,
            ),
        ]
    return tuple(rows)


def of_result(found: BenchResult, name: str = "results") -> ReportSources:
    """Return the sources of one result, as if they had been read from its file."""
    return ReportSources(
        results=(NamedResult.of(name, found, json.loads(to_text(bench_document(found)))),)
    )


def ordinary() -> ReportSources:
    """Two bundles on three runtimes, one that is not there, and one that failed."""
    failed = replace(
        unavailable("pruned", "parity failed: max abs 0.2 of 1e-05", "pt2"), status="failed"
    )
    rows = (*rows_of("dense", "pruned"), unavailable("dense"), unavailable("pruned"), failed)
    return of_result(result(rows))


def two_speeds() -> ReportSources:
    """A model whose slower speed lies near the right end of its plot, where its label begins."""
    quick = timed("dense", "eager", 1, 20e-6, 1)
    near = [s for s in quick.samples_s if s < 25e-6]
    samples = tuple(s * (2 if place % 2 else 1) for place, s in enumerate(near))
    launched = {"samples_s": samples, "launch_samples": (len(samples),)}
    return of_result(result((replace(quick, **launched),)))  # type: ignore[arg-type]


def hostile(name: str) -> ReportSources:
    """The same, under a name that means harm."""
    facts = (replace(DENSE, name="dense"), replace(PRUNED, name=name))
    trt = unavailable(name, f"no GPU {name}")
    return of_result(result((*rows_of("dense", name, (1, 1000)), trt), facts))


def many(rows: int = 200) -> ReportSources:
    """A result of many models, batch sizes and runtimes."""
    batches = (1, 8, 64, 256, 1000)
    facts: list[BundleFacts] = []
    found: list[Row] = []
    for number in range(math.ceil(rows / (2 * len(RUNTIMES) * len(batches)))):
        names = f"dense-{number}", f"pruned-{number}"
        facts += [
            replace(DENSE, name=names[0], baseline=not number),
            replace(PRUNED, name=names[1]),
        ]
        found += rows_of(*names, batches)
    return of_result(result(tuple(found[:rows]), tuple(facts)))
