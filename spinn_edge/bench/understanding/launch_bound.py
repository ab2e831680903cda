"""Is an inference held up by the launches of its kernels? Answered from measured figures only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.bench.boundaries import DEVICE, ENQUEUE
from spinn_edge.bench.measurement import Row

ENQUEUE_SHARE = 0.5
"""Share of the device's time from which the host's enqueue counts as what holds it up.

An assumption: a device that waits for every launch shows an enqueue about as long as its own time
(share 1), one that is busy with large kernels a small share. Half lies between the two."""

KERNEL_FLOOR_S = 5e-6
"""Device time a kernel under which a larger share of it is overhead than work.

An assumption about present devices, not a limit of any one: the next kernel cannot begin before the
last one has been wound up. Source: A. Gray, "Getting Started with CUDA Graphs", NVIDIA Technical
Blog (2019): kernels of 2.9 µs on a V100 followed each other every 3.4 µs inside a graph."""

GRAPH_RUNTIMES = ("trt", "ort-cuda-graph", "compile-cuda-reduce-overhead")
"""Runtimes that replay an inference as one CUDA graph."""

LAUNCHES, FLOOR = "launches", "kernel floor"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchVerdict:
    """What holds one inference up, and the figures behind it.

    Attributes:
        bundle: as in the rows.
        runtime: the one that was asked for, as in the rows.
        precision: likewise.
        batch: likewise.
        bound_by: ``launches`` (the device waits for the host) or ``kernel floor`` (each kernel is
            so short that its own start and end fill it).
        kernels: that one inference starts.
        enqueue_s: median of the host's time to start it.
        device_s: median of the device's time, copies left out.
        gap_s: the host's time for one kernel: ``enqueue_s`` over ``kernels``.
        cuda_graph: the inference is replayed as a CUDA graph.
    """

    bundle: str
    runtime: str
    precision: str
    batch: int
    bound_by: str
    kernels: int
    enqueue_s: float
    device_s: float
    gap_s: float
    cuda_graph: bool


def launch_verdicts(rows: Sequence[Row]) -> tuple[LaunchVerdict, ...]:
    """Judge every inference that was timed on the device and at its enqueue, kernels counted.

    Rules:
        Without a CUDA graph, an inference is bound by its launches when the median of its enqueue
        is at least ``ENQUEUE_SHARE`` of the median of its device time.
        With one, it is bound by the kernels' own floor when device time over kernels is under
        ``KERNEL_FLOOR_S``.
        Where kernels are unknown, or one of the two was not timed, nothing is said.

    Args:
        rows: of a result, in any order.

    Returns:
        A verdict for each inference that one of the rules holds for, in the rows' order.
    """
    enqueued = {
        (row.bundle, row.runtime, row.precision, row.batch): row
        for row in rows
        if row.boundary == ENQUEUE
    }
    found = []
    for row in rows:
        enqueue = enqueued.get((row.bundle, row.runtime, row.precision, row.batch))
        if row.boundary == DEVICE and enqueue is not None and row.served_by == enqueue.served_by:
            verdict = _judge(row, enqueue.median_s)
            found += [verdict] if verdict is not None else []
    return tuple(found)


def _judge(row: Row, enqueue_s: float | None) -> LaunchVerdict | None:
    if not row.launches or row.median_s is None or enqueue_s is None or row.facts is None:
        return None
    if row.facts.cuda_graph:
        bound_by = FLOOR if row.median_s / row.launches < KERNEL_FLOOR_S else ""
    else:
        bound_by = LAUNCHES if enqueue_s >= ENQUEUE_SHARE * row.median_s else ""
    if not bound_by:
        return None
    return LaunchVerdict(
        bundle=row.bundle,
        runtime=row.runtime,
        precision=row.precision,
        batch=row.batch,
        bound_by=bound_by,
        kernels=row.launches,
        enqueue_s=enqueue_s,
        device_s=row.median_s,
        gap_s=enqueue_s / row.launches,
        cuda_graph=row.facts.cuda_graph,
    )
