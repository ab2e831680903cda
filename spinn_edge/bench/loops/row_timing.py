"""Taking the time that one row asks for, on an open runtime whose parity was checked."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from spinn_edge.bench.boundaries import BOUND, DEVICE, ENQUEUE, HOST_TO_HOST
from spinn_edge.bench.loops.device_timing import time_device, time_enqueue
from spinn_edge.bench.loops.energy_timing import time_energy
from spinn_edge.bench.loops.pacing import time_paced
from spinn_edge.bench.loops.timing import (
    Timing,
    TimingRule,
    time_bound,
    time_inference,
    time_throughput,
)
from spinn_edge.bench.machine.energy import energy_readable
from spinn_edge.bench.measurement import Row
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes.base import DeviceRuntime, Runtime, infer


def in_turn(rows: Iterable[Row]) -> Iterator[Row]:
    """Return the rows of one batch size in the order in which they are timed.

    Those host to host come first, fixed rates among them, which are set against the one without a
    rate. The device's comes last: it counts kernels, and a profiler may slow what is timed after
    it.
    """
    yield from sorted(rows, key=lambda row: (row.boundary == DEVICE, row.boundary != HOST_TO_HOST))


def time_row(
    row: Row,
    runtime: Runtime,
    feeds: Feeds,
    rule: TimingRule,
    back_to_back_s: float | None = None,
    *,
    energy: bool = False,
) -> Row:
    """Return the row with its samples and how they were taken.

    Args:
        row: says what to time.
        runtime: an open one.
        feeds: real inputs of the row's batch size.
        rule: when to stop.
        back_to_back_s: median of inferences that follow each other, in this process; for a row at
            a fixed rate.
        energy: measure it too, where the row is host to host and a counter can be read.
    """
    timed: dict[str, Any] = {}
    if row.rate_per_s is not None:
        paced = time_paced(runtime, feeds, row.rate_per_s, rule)
        timing = paced.timing
        known = () if back_to_back_s is None else (back_to_back_s,)
        timed["pacing"] = replace(paced.pacing, back_to_back_medians_s=known)
    elif row.boundary in (HOST_TO_HOST, BOUND):
        bound = row.boundary == BOUND
        timing = (time_bound if bound else time_inference)(runtime, feeds, rule)
        start = runtime.run if bound else lambda: infer(runtime, feeds)
        about_s = statistics.median(timing.samples_s)
        timed["throughput_samples_s"] = time_throughput(start, runtime.sync, rule, about_s=about_s)
        on_gpu = isinstance(runtime, DeviceRuntime)
        if energy and not bound and energy_readable(on_gpu):
            spent = time_energy(start, runtime.sync, gpu=on_gpu, about_s=about_s)
            timed["energies"] = () if spent is None else (spent,)
    elif not isinstance(runtime, DeviceRuntime):
        reason = (
            f"it has no clock on a device, so it is timed {HOST_TO_HOST} only; name a runtime "
            f"on a GPU, or --boundary {HOST_TO_HOST}"
        )
        return replace(row, status="unavailable", reason=reason)
    elif row.boundary == ENQUEUE:
        timing = time_enqueue(runtime, feeds, rule)
    else:
        assert row.boundary == DEVICE
        stages = time_device(runtime, feeds, rule)
        timing = Timing(samples_s=stages.compute_s, course=stages.course)
        timed = {
            "upload_samples_s": stages.upload_s,
            "download_samples_s": stages.download_s,
            "launches": runtime.count_launches(),
        }
    return replace(
        row,
        status="ok",
        reason=None,
        facts=runtime.facts,  # again: a runtime may learn more of itself while it runs
        samples_s=timing.samples_s,
        launch_samples=(len(timing.samples_s),),
        warmup_runs=timing.course.warmup_runs,
        steady=(timing.course.steady,),
        stopped_by=(timing.course.stopped_by,),
        **timed,
    )
