"""Results of a benchmark that never ran, with numbers that are easy to tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.machine.environment import Environment
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.manifest import Scores
from spinn_edge.runtimes.base import RuntimeFacts

ENVIRONMENT = Environment(
    cpu="Xeon",
    cores=48,
    affinity=2,
    load_1min=0.25,
    gpu="none: no driver",
    system="Linux-6.1",
    python="3.11.9",
    packages={"numpy": "2.4.1"},
)
DENSE_SCORES = Scores(
    source="rows of dense",
    rows=100,
    r2={"wear": 0.9, "heat": 0.8},
    r2_overall=0.85,
    rmse={"wear": 2.0, "heat": 4.0},
    linear_r2={"wear": 0.5, "heat": 0.4},
)
PRUNED_SCORES = replace(
    DENSE_SCORES,
    source="rows of pruned",
    r2={"wear": 0.91, "heat": 0.75},
    r2_overall=0.83,
    rmse={"wear": 1.5, "heat": 5.0},
)
DENSE = BundleFacts(
    name="dense",
    baseline=True,
    widths=(18, 512, 2),
    parameters=666_882,
    parameter_bytes=2_667_528,
    flops_per_sample=1_330_176,
    file_bytes={"model.onnx": 2_700_000, "model.ts": 2_800_000},
    scores=DENSE_SCORES,
)
PRUNED = BundleFacts(
    name="pruned",
    baseline=False,
    widths=(18, 285, 2),
    parameters=210_000,
    parameter_bytes=840_000,
    flops_per_sample=419_000,
    file_bytes={"model.onnx": 850_000},
    scores=PRUNED_SCORES,
)


def row(bundle: str, median_s: float, **changes: Any) -> Row:
    """Return a row of a thousand samples about a median, ten of them slow."""
    parity = Parity(passed=True, output="y", max_abs=3.25e-7, tolerance=1e-5)
    base = Row(
        bundle=bundle,
        runtime="ort-cpu",
        batch=1,
        status="ok",
        reason=None,
        threads=1,
        samples_s=(median_s,) * 990 + (10 * median_s,) * 10,
        launch_samples=(400, 300, 300),
        parity=parity,
    )
    return replace(base, **changes)


def unavailable(bundle: str, reason: str = "no GPU", runtime: str = "trt") -> Row:
    """Return a row of a runtime that cannot work here."""
    return row(
        bundle,
        0.0,
        runtime=runtime,
        status="unavailable",
        reason=reason,
        samples_s=(),
        launch_samples=(),
        parity=None,
    )


def on_a_gpu(bundle: str, runtime: str = "eager-cuda", **changes: Any) -> tuple[Row, ...]:
    """Return rows of one inference at all boundaries: launch-bound, 10 kernels in 80 µs."""
    facts = RuntimeFacts(device="a GPU (SM86)", tf32=False)
    return tuple(
        row(bundle, median_s, **({"runtime": runtime, "facts": facts} | more | changes))
        for median_s, more in (
            (200e-6, {}),
            (
                90e-6,
                {
                    "boundary": "device",
                    "upload_samples_s": (2e-6,) * 3,
                    "download_samples_s": (4e-6,) * 3,
                    "launches": 10,
                },
            ),
            (80e-6, {"boundary": "enqueue"}),
        )
    )


def stand_in(bundle: str, median_s: float, **changes: Any) -> Row:
    """Return a row of trt that ort-cpu served."""
    facts = RuntimeFacts(
        file="model.onnx",
        served_by="ort-cpu",
        notices=("ort-cpu stands in for trt (trt: no NVIDIA driver)",),
    )
    return row(bundle, median_s, runtime="trt", facts=facts, **changes)


def result(
    rows: tuple[Row, ...] | None = None,
    bundles: tuple[BundleFacts, ...] = (DENSE, PRUNED),
    *,
    every_runtime: bool = False,
) -> BenchResult:
    """Return a result in which the pruned network is four times as fast."""
    if rows is None:
        rows = (row("dense", 400e-6), row("pruned", 100e-6, baseline_median_s=400e-6))
    return BenchResult(
        created_utc="2026-01-02T03:04:05+00:00",
        environment=ENVIRONMENT,
        bundles=bundles,
        rows=rows,
        every_runtime=every_runtime,
    )
