"""One bundle on one runtime, in a process of its own.

``python -m spinn_edge.bench.processes.worker`` reads a job, a line of JSON, from standard input and
writes JSON lines to the pipe that was its standard output: first which boundaries it will time,
then, once its standard input is closed, one line a row. Whatever a library prints goes to standard
error instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinn_edge.accuracy.golden_check import check_golden, golden_limits
from spinn_edge.accuracy.hand_limits import marked
from spinn_edge.bench.boundaries import BOUND, BOUNDARIES, HOST_TO_HOST
from spinn_edge.bench.loops.row_timing import in_turn, time_row
from spinn_edge.bench.loops.sweep import Sweep, end_of_sweep
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.machine.device_memory import device_bytes_of_this_process
from spinn_edge.bench.machine.footprint import FIRST_INFERENCE, IMPORT, LOAD, Footprint, StageClock
from spinn_edge.bench.machine.memory_limits import is_out_of_memory, limit_memory, smaller_batch
from spinn_edge.bench.measurement import Row
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.core.optional import require
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
        batches: sizes to time, in order; empty for a sweep that finds them.
        boundaries: what to time, of ``BOUNDARIES``. Empty for the main ones that the runtime has:
            host to host, and with a device also its own time and the enqueue.
            ``EVERY_BOUNDARY`` for all that it has.
        options: how to open it.
        rule: when to stop.
        rates_per_s: fixed rates to time host to host as well, inferences a second.
        energy: measure it too, where a counter can be read.
        sweep: memory that runs out is the end of a sweep and no failure.
    """

    folder: str
    label: str
    runtime: str
    batches: tuple[int, ...]
    boundaries: tuple[str, ...]
    options: OpenOptions
    rule: TimingRule
    rates_per_s: tuple[float, ...] = ()
    energy: bool = False
    sweep: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a worker says when it is ready: boundaries that get a row at each batch size."""

    boundaries: tuple[str, ...]


def run_job(
    job: Job,
    on_plan: Callable[[Plan], None] = lambda plan: None,
    stages: StageClock | None = None,
) -> Iterator[Row]:
    """Check parity and take the time at each batch size; a runtime that fails gets no timing.

    Args:
        job: what to do.
        on_plan: called when the runtime is open and has run once; time is taken when it returns.
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
        for batch in job.batches or (1,):
            for row in failed_rows(job, batch, str(exc), status):
                yield replace(row, exit_code=exc.exit_code)
        return
    try:
        sweep = Sweep(runtime.facts)
        _run_first(runtime, bundle, job.batches or (runtime.facts.min_batch,), stages)
        on_plan(Plan(boundaries=boundaries_of(runtime, job.boundaries)))
        for batch in job.batches or sweep:
            for row in _time_batch(job, bundle, runtime, batch):
                sweep.note(row)
                yield (
                    replace(row, footprints=(_footprint(stages, runtime),))
                    if row.samples_s
                    else row
                )
    finally:
        runtime.close()


def _footprint(stages: StageClock, runtime: Runtime) -> Footprint:
    on_gpu = isinstance(runtime, DeviceRuntime)
    return stages.footprint(device_bytes=device_bytes_of_this_process() if on_gpu else None)


def _run_first(
    runtime: Runtime, bundle: Bundle, batches: Sequence[int], stages: StageClock
) -> None:
    """Run once, for the time that a first inference takes; whatever fails fails again later."""
    with contextlib.suppress(SpinnEdgeError, MemoryError, StopIteration):
        batch = next(size for size in batches if not _outside(runtime.facts, size))
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

    Where neither names any, for host to host, which every runtime has; and for each fixed rate.
    """
    named = () if job.boundaries == EVERY_BOUNDARY else job.boundaries
    asked: list[tuple[str, float | None]] = [
        *((boundary, None) for boundary in boundaries or named or (HOST_TO_HOST,)),
        *((HOST_TO_HOST, rate_per_s) for rate_per_s in job.rates_per_s),
    ]
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
            rate_per_s=rate_per_s,
            facts=facts,
        )
        for boundary, rate_per_s in asked
    ]


def _time_batch(job: Job, bundle: Bundle, runtime: Runtime, batch: int) -> Iterator[Row]:
    """Check parity once, then time boundary after boundary; one that fails stops no other."""
    wanted = boundaries_of(runtime, job.boundaries)
    rows = failed_rows(job, batch, "", boundaries=wanted, facts=runtime.facts)
    if reason := _outside(runtime.facts, batch):
        yield from (replace(row, status="unavailable", reason=reason) for row in rows)
        return
    golden = bundle.golden()

    def without_time(row: Row, exc: BaseException) -> Row:
        smaller_was_timed = batch // 2 >= runtime.facts.min_batch
        if job.sweep and smaller_was_timed and is_out_of_memory(exc):
            return end_of_sweep(row)
        return replace(row, reason=_why(exc, runtime, golden, batch))

    try:
        limits = golden_limits(bundle.manifest, job.options.precision, runtime.facts)
        found = check_golden(runtime, golden, batch, limits)
        parity = marked(found, bundle.manifest, job.options.precision)
    except (SpinnEdgeError, MemoryError) as exc:
        yield from (without_time(row, exc) for row in rows)
        return
    if not parity.passed:
        reason = f"parity failed, so it was not timed: {parity.reason}"
        yield from (replace(row, reason=reason, parity=parity) for row in rows)
        return
    feeds = golden.at_batch(batch).inputs
    back_to_back_s: float | None = None
    for row in in_turn(replace(row, parity=parity) for row in rows):
        try:
            timed = time_row(row, runtime, feeds, job.rule, back_to_back_s, energy=job.energy)
        except (SpinnEdgeError, MemoryError) as exc:
            yield without_time(row, exc)
            continue
        if (timed.boundary, timed.rate_per_s) == (HOST_TO_HOST, None):
            back_to_back_s = timed.median_s
        yield replace(timed, file_bytes=_file_bytes(bundle, timed)) if timed.samples_s else timed


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


def _file_bytes(bundle: Bundle, row: Row) -> int | None:
    """Return the size of the file that was loaded, as the bundle's manifest has it."""
    file = row.facts.file if row.facts else ""
    return next((e.bytes for e in bundle.manifest.files if e.path == file), None)


def _why(exc: BaseException, runtime: Runtime, golden: Golden, batch: int) -> str:
    """Return why a batch size was not timed; where memory ran out, a size that fits."""
    if not is_out_of_memory(exc):
        return str(exc)
    fits = smaller_batch(runtime, golden, batch)
    if fits is None:
        elsewhere = "" if runtime.facts.device == "cpu" else ", or use a runtime on the CPU"
        return f"out of memory at batch {batch}, and no smaller one fits; free some{elsewhere}"
    return f"out of memory at batch {batch}; {fits} fits: --batch {fits}"


def row_from_json(data: dict[str, Any]) -> Row:
    """Read what :func:`main` wrote; derived statistics are derived again."""
    return decode(Row, data, where="worker")


def main() -> None:
    """Serve one job."""
    stages = StageClock()  # first: from here on everything is somebody's time
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = decode(Job, json.loads(sys.stdin.readline()), where="job")
    limit_memory()

    def write(item: Row | Plan) -> None:
        print(json.dumps(encode(item)), file=results, flush=True)

    def wait_for_turn(plan: Plan) -> None:
        write(plan)
        sys.stdin.read()  # until its end: the parent closes it when this worker may take time

    for row in run_job(job, on_plan=wait_for_turn, stages=stages):
        write(row)
    results.close()
    sys.stderr.flush()
    os._exit(0)  # all is said and closed; taking torch's modules apart would take half a second


if __name__ == "__main__":
    main()
