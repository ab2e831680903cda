"""One bundle on one runtime, in a process of its own: ``python -m spinn_edge.bench.worker``.

Reads a job as JSON from standard input and writes one JSON line a batch size to the pipe that was
its standard output. Whatever a library prints goes to standard error instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spinn_edge.accuracy.golden_check import check_golden
from spinn_edge.accuracy.parity import against_reference
from spinn_edge.accuracy.verification import CANNOT_RUN_HERE
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.timing import TimingRule, time_inference
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What a worker does.

    Attributes:
        folder: the bundle's.
        label: the bundle's name in the rows.
        runtime: name of the runtime.
        batches: sizes to time, in order.
        threads: CPU threads inside one operator.
        trust_factory: see :class:`spinn_edge.runtimes.base.OpenOptions`.
        rule: when to stop.
    """

    folder: str
    label: str
    runtime: str
    batches: tuple[int, ...]
    threads: int
    trust_factory: bool
    rule: TimingRule


def run_job(job: Job) -> Iterator[Row]:
    """Check parity and take the time at each batch size; a runtime that fails gets no timing."""
    try:
        bundle = Bundle.load(Path(job.folder))
        options = OpenOptions(threads=job.threads, trust_factory=job.trust_factory)
        runtime = registry.open_backend(job.runtime, bundle, options)
    except SpinnEdgeError as exc:
        status = "unavailable" if isinstance(exc, CANNOT_RUN_HERE) else "failed"
        for batch in job.batches:
            yield failed_row(job, batch, str(exc), status)
        return
    try:
        for batch in job.batches:
            yield _time_batch(job, bundle, runtime, batch)
    finally:
        runtime.close()


def failed_row(job: Job, batch: int, reason: str, status: str = "failed") -> Row:
    """Return a row without samples."""
    return Row(
        bundle=job.label,
        runtime=job.runtime,
        batch=batch,
        status=status,
        reason=reason,
        threads=job.threads,
    )


def _time_batch(job: Job, bundle: Bundle, runtime: Runtime, batch: int) -> Row:
    row = failed_row(job, batch, "")
    golden = bundle.golden()
    try:
        limits = against_reference(bundle.manifest.parity)
        parity = check_golden(runtime, golden, batch, limits)
        if not parity.passed:
            reason = f"parity failed, so it was not timed: {parity.reason}"
            return replace(row, reason=reason, parity=parity)
        timing = time_inference(runtime, golden.at_batch(batch).inputs, job.rule)
    except (SpinnEdgeError, MemoryError) as exc:
        return replace(row, reason=str(exc) or "out of memory; try a smaller --batch")
    files = bundle.manifest.files_of(registry.find(job.runtime).format)
    return replace(
        row,
        status="ok",
        reason=None,
        samples_s=timing.samples_s,
        launch_samples=(len(timing.samples_s),),
        warmup_runs=timing.warmup_runs,
        parity=parity,
        file_bytes=files[0].bytes if files else None,
    )


def row_from_json(data: dict[str, Any]) -> Row:
    """Read what :func:`main` wrote; derived statistics are derived again."""
    return decode(Row, data, where="worker")


def main() -> None:
    """Serve one job."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = decode(Job, json.load(sys.stdin), where="job")
    for row in run_job(job):
        print(json.dumps(encode(row)), file=results, flush=True)


if __name__ == "__main__":
    main()
