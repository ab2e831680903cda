"""Questions to one runtime, each in a process of its own; answers as one line of JSON.

``python benchmarks/gpu_probes.py parity|memory|overhead RUNTIME PRECISION BUNDLE``
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.parity import channel_max
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime, infer

BATCHES = (1, 2, 7, 32, 1000)
WARM_RUNS, RUNS = 100, 10_000
ROUNDS, ROUND_RUNS = 40, 100


def parity(runtime: Runtime, bundle: Bundle) -> dict[str, Any]:
    """Return the largest difference from float64 over a channel's scale, at several batches."""
    golden = bundle.golden()
    worst, where = 0.0, 0
    for batch in BATCHES:
        sample = golden.at_batch(batch)
        for name, got in infer(runtime, sample.inputs).items():
            scale = np.asarray(bundle.manifest.parity[name].scale)
            share = float(
                (channel_max(got.astype(np.float64) - sample.outputs[name]) / scale).max()
            )
            if not share <= worst:  # NaN counts
                worst, where = share, batch
    return {"over_scale": worst, "batch": where}


def memory(runtime: Runtime, bundle: Bundle) -> dict[str, Any]:
    """Return what host and device memory grew by between run 100 and run 10,000."""
    golden = bundle.golden()
    samples = [golden.at_batch(batch).inputs for batch in (1, 7)]
    for run in range(WARM_RUNS):
        infer(runtime, samples[run % 2])
    gc.collect()
    host, device = _resident_bytes(), _device_bytes()
    for run in range(WARM_RUNS, RUNS):
        infer(runtime, samples[run % 2])
    gc.collect()
    return {
        "host_bytes": _resident_bytes() - host,
        "device_bytes": _device_bytes() - device,
        "runs": RUNS,
    }


def overhead(runtime: Runtime, bundle: Bundle, raw: Callable[[Feeds], Any]) -> dict[str, Any]:
    """Return the ratio of medians, wrapper over raw, both from numpy to numpy at batch 1.

    Rounds alternate, so that a drift of the machine's speed hits both.
    """
    feeds = bundle.golden().at_batch(1).inputs
    for _ in range(WARM_RUNS):
        infer(runtime, feeds)
        raw(feeds)
    wrapped_s: list[float] = []
    raw_s: list[float] = []
    for _ in range(ROUNDS):
        wrapped_s += _times_s(lambda feeds: infer(runtime, feeds), feeds)
        raw_s += _times_s(raw, feeds)
    ours, theirs = statistics.median(wrapped_s), statistics.median(raw_s)
    return {"ratio": ours / theirs, "wrapper_median_s": ours, "raw_median_s": theirs}


def _times_s(call: Callable[[Feeds], Any], feeds: Feeds) -> list[float]:
    times = []
    for _ in range(ROUND_RUNS):
        start = time.perf_counter_ns()
        call(feeds)
        times.append((time.perf_counter_ns() - start) / 1e9)
    return times


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def _device_bytes() -> int:
    from cuda.bindings import runtime as cudart

    error, free, total = cudart.cudaMemGetInfo()
    if error != cudart.cudaError_t.cudaSuccess:
        raise RuntimeError(f"cudaMemGetInfo: {error.name}")
    return int(total - free)


def main(probe: str, name: str, precision: str, folder: str) -> None:
    """Answer one question."""
    bundle = Bundle.load(Path(folder))
    runtime = registry.open_backend(name, bundle, OpenOptions(precision=precision))
    if probe == "overhead":
        from raw_cuda import raw_call

        found = overhead(runtime, bundle, raw_call(name, bundle))
    else:
        found = {"parity": parity, "memory": memory}[probe](runtime, bundle)
    runtime.close()
    print(json.dumps({"probe": probe, "runtime": name, "precision": precision} | found))


if __name__ == "__main__":
    main(*sys.argv[1:])
