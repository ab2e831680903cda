"""One bundle on one runtime, in a process of its own: ``python -m spinn_edge.bench.worker``.

Reads a job as JSON from standard input and writes JSON lines to the pipe that was its standard
output: first which boundaries it will time, then one line a row. Whatever a library prints goes to
standard error instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinn_edge.accuracy.golden_check import check_golden, golden_limits
from spinn_edge.accuracy.parity import Parity
from spinn_edge.bench.device_timing import time_device, time_enqueue
from spinn_edge.bench.footprint import FIRST_INFERENCE, IMPORT, LOAD, StageClock
from spinn_edge.bench.measurement import BOUND, BOUNDARIES, DEVICE, ENQUEUE, HOST_TO_HOST, Row
from spinn_edge.bench.memory_limits import is_out_of_memory, limit_memory, smaller_batch
from spinn_edge.bench.timing import (
    Timing,
    TimingRule,
    time_bound,
    time_inference,
    time_throughput,
)
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Feeds
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import DeviceRuntime, OpenOptions, Runtime, RuntimeFacts, infer

_LIBRARIES = {
    **dict.fromkeys(("eager", "compile", "torchscript", "pt2"), ("torch", "export")),
    "ort-cpu": ("onnxruntime", "ort"),
}
"""Module and extra of runtimes that need nothing before it; the others ask a driver first, and
their import is part of their load."""


EVERY_BOUNDARY = ("all",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker does.

    Attributes:
        folder: the bundle's.
        label: the bundle's name in the rows.
        runtime: name of the runtime.
        batches: sizes to time, in order.
        boundaries: what to time, of ``BOUNDARIES``. Empty for the main ones that the runtime has:
            host to host, and with a device also its own time and the enqueue.
            ``EVERY_BOUNDARY`` for all that it has.
        options: how to open it.
        rule: when to stop.
    """

    folder: str
    label: str
    runtime: str
    batches: tuple[int, ...]
    boundaries: tuple[str, ...]
    options: OpenOptions
    rule: TimingRule


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker says once its runtime is open: boundaries that get a row at each batch size."""

    boundaries: tuple[str, ...]


def run_job(
    job: Job,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    stages: StageClock | None = None,
) -> Iterator[Row]:
    """Check parity and take the time at each batch size; a runtime that fails gets no timing.

    Args:
        job: what to do.
        on_plan: called when the runtime is open.
        stages: clock of this process, for what comes before the steady state.
    """
    stages = stages or StageClock()
    try:
        bundle = Bundle.load(Path(job.folder))
        if (library := _LIBRARIES.get(job.runtime)) is not None:
            with stages.stage(IMPORT):
                require(library[0], extra=library[1])
        with stages.stage(LOAD):
            runtime = registry.open_backend(job.runtime, bundle, job.options)
    except SpinnEdgeError as exc:
        status = "unavailable" if isinstance(exc, registry.CANNOT_RUN_HERE) else "failed"
        for batch in job.batches:
            for row in failed_rows(job, batch, str(exc), status):
                yield replace(row, exit_code=exc.exit_code)
        return
    try:
        on_plan(Plan(boundaries=boundaries_of(runtime, job.boundaries)))
        first = True
        for batch in job.batches:
            if first and not _outside(runtime.facts, batch):
                _run_first(runtime, bundle, batch, stages)
                first = False
            for row in _time_batch(job, bundle, runtime, batch):
                yield replace(row, footprints=(stages.footprint(),)) if row.samples_s else row
    finally:
        runtime.close()


def _run_first(runtime: Runtime, bundle: Bundle, batch: int, stages: StageClock) -> None:
    """Run once, for the time that a first inference takes; whatever fails fails again later."""
    with contextlib.suppress(SpinnEdgeError, MemoryError):
        feeds = bundle.golden().at_batch(batch).inputs
        with stages.stage(FIRST_INFERENCE):
            infer(runtime, feeds)


def boundaries_of(runtime: Runtime, asked: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the boundaries to time on an open runtime; see :attr:`Job.boundaries`."""
    if asked and asked != EVERY_BOUNDARY:
        return asked
    own = BOUNDARIES if isinstance(runtime, DeviceRuntime) else (HOST_TO_HOST, BOUND)
    return tuple(name for name in own if asked or name != BOUND)


def failed_rows(
    job: Job,
    batch: int,
    reason: str,
    status: str = "failed",
    *,
    boundaries: tuple[str, ...] = (),
    facts: RuntimeFacts | None = None,
) -> list[Row]:
    """Return rows without samples: for ``boundaries``, else for those that the job names.

    Where neither names any, for host to host, which every runtime has.
    """
    named = () if job.boundaries == EVERY_BOUNDARY else job.boundaries
    return [
        Row(
            bundle=job.label,
            runtime=job.runtime,
            batch=batch,
            status=status,
            reason=reason,
            threads=job.options.threads,
            boundary=boundary,
            precision=job.options.precision,
            facts=facts,
        )
        for boundary in boundaries or named or (HOST_TO_HOST,)
    ]


def _time_batch(job: Job, bundle: Bundle, runtime: Runtime, batch: int) -> Iterator[Row]:
    """Check parity once, then time boundary after boundary; one that fails stops no other."""
    wanted = boundaries_of(runtime, job.boundaries)
    rows = failed_rows(job, batch, "", boundaries=wanted, facts=runtime.facts)
    if reason := _outside(runtime.facts, batch):
        yield from (replace(row, status="unavailable", reason=reason) for row in rows)
        return
    golden = bundle.golden()
    try:
        limits = golden_limits(bundle.manifest, job.options.precision, runtime.facts)
        parity = check_golden(runtime, golden, batch, limits)
    except (SpinnEdgeError, MemoryError) as exc:
        reason = _why(exc, runtime, golden, batch)
        yield from (replace(row, reason=reason) for row in rows)
        return
    if not parity.passed:
        reason = f"parity failed, so it was not timed: {parity.reason}"
        yield from (replace(row, reason=reason, parity=parity) for row in rows)
        return
    feeds = golden.at_batch(batch).inputs
    # the device's row last: it counts kernels, and a profiler may slow what is timed after it
    for row in sorted(rows, key=lambda row: row.boundary == DEVICE):
        try:
            yield _time_boundary(row, bundle, runtime, feeds, parity, job.rule)
        except (SpinnEdgeError, MemoryError) as exc:
            yield replace(row, reason=_why(exc, runtime, golden, batch), parity=parity)


def _time_boundary(
    row: Row, bundle: Bundle, runtime: Runtime, feeds: Feeds, parity: Parity, rule: TimingRule
) -> Row:
    timed: dict[str, Any] = {}
    if row.boundary in (HOST_TO_HOST, BOUND):
        bound = row.boundary == BOUND
        timing = (time_bound if bound else time_inference)(runtime, feeds, rule)
        timed["throughput_samples_s"] = time_throughput(
            runtime.run if bound else lambda: infer(runtime, feeds),
            runtime.sync,
            rule,
            about_s=statistics.median(timing.samples_s),
        )
    elif not isinstance(runtime, DeviceRuntime):
        reason = (
            f"it has no clock on a device, so it is timed {HOST_TO_HOST} only; name a runtime "
            f"on a GPU, or --boundary {HOST_TO_HOST}"
        )
        return replace(row, status="unavailable", reason=reason, parity=parity)
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
        parity=parity,
        file_bytes=_file_bytes(bundle, runtime.facts),
        **timed,
    )


def _outside(facts: RuntimeFacts, batch: int) -> str:
    """Return why a batch size cannot be asked for; empty when it can."""
    if facts.min_batch <= batch and (facts.max_batch is None or batch <= facts.max_batch):
        return ""
    largest = "any size" if facts.max_batch is None else str(facts.max_batch)
    return (
        f"batch {batch} is outside {facts.min_batch} to {largest}, which "
        f"{facts.file or 'the runtime'} takes; name another --batch, or export with other "
        "--min-batch and --max-batch"
    )


def _file_bytes(bundle: Bundle, facts: RuntimeFacts) -> int | None:
    """Return the size of the file that was loaded, as the bundle's manifest has it."""
    return next((e.bytes for e in bundle.manifest.files if e.path == facts.file), None)


def _why(exc: BaseException, runtime: Runtime, golden: Golden, batch: int) -> str:
    """Return why a batch size was not timed; where memory ran out, a size that fits."""
    if not is_out_of_memory(exc):
        return str(exc)
    fits = smaller_batch(runtime, golden, batch)
    if fits is None:
        return f"out of memory at batch {batch}, and no smaller one fits; free some, or use the CPU"
    return f"out of memory at batch {batch}; {fits} fits: --batch {fits}"


def row_from_json(data: dict[str, Any]) -> Row:
    """Read what :func:`main` wrote; derived statistics are derived again."""
    return decode(Row, data, where="worker")


def main() -> None:
    """Serve one job."""
    stages = StageClock()  # first: from here on everything is somebody's time
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = decode(Job, json.load(sys.stdin), where="job")
    limit_memory()

    def write(item: Row | Plan) -> None:
        print(json.dumps(encode(item)), file=results, flush=True)

    for row in run_job(job, on_plan=write, stages=stages):
        write(row)
    results.close()
    sys.stderr.flush()
    os._exit(0)  # all is said and closed; taking torch's modules apart would take half a second


if __name__ == "__main__":
    main()
