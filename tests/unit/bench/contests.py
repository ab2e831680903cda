"""Launches that never ran: what a job takes is a function of the job."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes import contenders
from spinn_edge.bench.processes.worker import Job, failed_rows
from spinn_edge.core.bundle import Bundle
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.bench.test_measurement import row

DRIFT = (1.0, 1.02, 0.98, 1.01, 0.99)
"""Of the machine's speed, launch after launch: what scatters, and hits all contenders alike."""

LatencyOf = Callable[[Job, int], float | None]


def timed(*medians_s: float, **changes: object) -> Row:
    """Return a row of launches with these medians."""
    return row(medians_s, launch_samples=(1,) * len(medians_s), **changes)


def steady_row(median_s: float, **changes: object) -> Row:
    """Return a row of five launches that differ by a few per cent."""
    return timed(*(median_s * factor for factor in DRIFT), **changes)


def job_bundle(job: Job) -> Bundle:
    """Return what a job times."""
    from pathlib import Path

    return Bundle.load(Path(job.folder))


class FakeLaunches:
    """Stands where ``run_in_process`` stood.

    Attributes:
        jobs: in the order in which they were launched.
        latency_of: seconds of a job at a batch size; None for one that fails.
    """

    def __init__(self, latency_of: LatencyOf) -> None:
        self.jobs: list[Job] = []
        self.latency_of = latency_of

    def __call__(self, job: Job, *, timeout_s: float) -> list[Row]:
        drift = DRIFT[sum(other.label == job.label for other in self.jobs) % len(DRIFT)]
        self.jobs.append(job)
        rows = []
        for batch in job.batches:
            latency_s = self.latency_of(job, batch)
            if latency_s is None:
                rows += failed_rows(job, batch, "it was ended by SIGSEGV")
            else:
                one = timed(latency_s * drift, bundle=job.label, runtime=job.runtime, batch=batch)
                one = replace(one, threads=job.options.threads, facts=RuntimeFacts())
                rows.append(one)
        return rows


def fake_launches(monkeypatch: pytest.MonkeyPatch, latency_of: LatencyOf) -> FakeLaunches:
    """Put the fake in its place."""
    fake = FakeLaunches(latency_of)
    monkeypatch.setattr(contenders, "run_in_process", fake)
    return fake
