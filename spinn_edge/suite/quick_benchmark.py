"""One call, one dict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from spinn_edge.bench.evidence.intervals import FEWEST_LAUNCHES
from spinn_edge.bench.measurement import Row
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import UsageError
from spinn_edge.suite.model_benchmark import ModelBenchmark

if TYPE_CHECKING:
    import torch
    from torch import nn


def quick_benchmark(
    model: nn.Module,
    sample_input: Any,
    batch_size: int = 1,
    *,
    device: str | torch.device = "cpu",
    num_iterations: int | None = None,
    launches: int = FEWEST_LAUNCHES,
    **options: Any,
) -> dict[str, Any]:
    """Time a model on PyTorch and ONNX Runtime; the fewest launches that give intervals.

    Args:
        model: float32, on any device; never changed.
        sample_input: see :class:`spinn_edge.suite.model_benchmark.ModelBenchmark`.
        batch_size: samples in one inference.
        device: ``cpu``, ``cuda`` or ``cuda:0``.
        num_iterations: inferences that are timed one by one in each launch.
        launches: fresh processes for each runtime.
        options: further arguments of ``ModelBenchmark``.

    Returns:
        JSON types: ``name``, ``device``, ``batch_size``, ``parameters``, ``parameter_bytes``,
        ``recommendations`` and ``runtimes``: by name ``status``, ``reason``, latencies in seconds
        (``median_s`` and so on), ``throughput_per_s`` in samples a second,
        ``peak_resident_bytes`` of the runtime's process, ``file_bytes``, and ``max_abs_error``
        against a float64 reference. What was not measured is None.

    Raises:
        UsageError: see :meth:`spinn_edge.suite.model_benchmark.ModelBenchmark.run_all`.
        ExportError: likewise.
    """
    if isinstance(batch_size, tuple | list | range):
        raise UsageError(
            f"quick_benchmark takes one batch_size, got {batch_size!r}; for several there is "
            "ModelBenchmark"
        )
    named = {"name": type(model).__name__, **options}
    benchmark = ModelBenchmark(model, sample_input, device=device, launches=launches, **named)
    result = benchmark.run_all(batch_size, num_iterations)
    (facts,) = result.bundles
    return {
        "name": facts.name,
        "device": str(device),
        "batch_size": batch_size,
        "parameters": facts.parameters,
        "parameter_bytes": facts.parameter_bytes,
        "runtimes": _by_runtime(result.rows),
        "recommendations": benchmark.recommendations(),
    }


def _by_runtime(rows: Sequence[Row]) -> Mapping[str, Any]:
    """Return the first boundary's row of each runtime: from host to host."""
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(row.runtime, _figures(row))
    return found


def _figures(row: Row) -> dict[str, Any]:
    peaks = [one.peak_resident_bytes for one in row.footprints if one.peak_resident_bytes]
    return {
        "status": row.status,
        "reason": row.reason,
        "median_s": row.median_s,
        "median_interval_s": encode(row.median_interval_s),
        "mean_s": row.mean_s,
        "std_s": row.std_s,
        "p90_s": row.p90_s,
        "p99_s": row.p99_s,
        "throughput_per_s": row.throughput_per_s,
        "launches": len(row.launch_samples),
        "samples": len(row.samples_s),
        "peak_resident_bytes": max(peaks, default=None),
        "file_bytes": row.file_bytes,
        "max_abs_error": row.parity.max_abs if row.parity else None,
    }
