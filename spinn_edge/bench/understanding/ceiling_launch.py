"""One launch that multiplies and copies as fast as numpy can, and the raw times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from spinn_edge.bench.loops.timing import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingJob:
    """What a launch does.

    Attributes:
        threads: that copy at once; those of the BLAS are in the environment.
        gemm_sizes: rows and columns of square matrices.
        working_sets_bytes: what one copy reads and writes, all threads together.
        memory_bytes: likewise, too large for the caches.
        sample_s: shortest time of one sample; calls are repeated to fill it.
        repeats: samples of each thing.
    """

    threads: int
    gemm_sizes: tuple[int, ...]
    working_sets_bytes: tuple[int, ...]
    memory_bytes: int
    sample_s: float = 5e-3
    repeats: int = 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """One thing that was repeated.

    Attributes:
        size: rows of a matrix, or bytes of a working set.
        work: FLOPs or bytes in one call.
        samples_s: seconds a call, in order.
    """

    size: int
    work: float
    samples_s: tuple[float, ...]

    @property
    def per_s(self) -> float:
        """Work a second in the median sample."""
        return self.work / statistics.median(self.samples_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class CeilingLaunch:
    """What one process measured.

    Attributes:
        blas: the library behind numpy's products.
        gemms: one for each size of matrix.
        copies: one for each working set, small to large; the last lies in memory.
    """

    blas: str
    gemms: tuple[Rate, ...]
    copies: tuple[Rate, ...]


def run_job(job: CeilingJob, clock: Clock = time.perf_counter_ns) -> CeilingLaunch:
    """Multiply and copy, in this process.

    Args:
        job: what to do.
        clock: monotonic, nanoseconds.
    """
    return CeilingLaunch(
        blas=np.show_config(mode="dicts")["Build Dependencies"]["blas"]["name"],
        gemms=tuple(_time_product(size, job, clock) for size in job.gemm_sizes),
        copies=tuple(
            _time_copy(size, job, clock) for size in (*job.working_sets_bytes, job.memory_bytes)
        ),
    )


def time_calls(repeat: Callable[[int], object], job: CeilingJob, clock: Clock) -> tuple[float, ...]:
    """Return seconds a call, one sample after the other.

    Calls are doubled until they fill the time of a sample; that is the warm-up too.

    Args:
        repeat: makes so many calls.
        job: ``sample_s`` and ``repeats``.
        clock: monotonic, nanoseconds.
    """

    def took_s() -> float:
        start = clock()
        repeat(count)
        return (clock() - start) / 1e9

    count = 1
    while took_s() < job.sample_s:
        count *= 2
    return tuple(took_s() / count for _ in range(job.repeats))


def _time_product(size: int, job: CeilingJob, clock: Clock) -> Rate:
    generator = np.random.default_rng(0)
    left = generator.standard_normal((size, size), dtype=np.float32)
    right = generator.standard_normal((size, size), dtype=np.float32)
    product = np.empty_like(left)

    def repeat(count: int) -> None:
        for _ in range(count):
            np.matmul(left, right, out=product)

    return Rate(size=size, work=2.0 * size**3, samples_s=time_calls(repeat, job, clock))


def _time_copy(working_set_bytes: int, job: CeilingJob, clock: Clock) -> Rate:
    """Copy with every thread at once, each its own part; a copy leaves Python's lock."""
    numbers = max(1, working_set_bytes // (8 * job.threads))  # 4 bytes each, read and written
    # ones: a page that nothing was written to is no memory, all such pages are one
    parts = [
        (np.ones(numbers, np.float32), np.ones(numbers, np.float32)) for _ in range(job.threads)
    ]

    def copy(part: int, count: int) -> None:
        source, target = parts[part]
        for _ in range(count):
            np.copyto(target, source)

    work = 8.0 * numbers * job.threads
    if job.threads == 1:
        samples = time_calls(lambda count: copy(0, count), job, clock)
        return Rate(size=working_set_bytes, work=work, samples_s=samples)
    with ThreadPoolExecutor(job.threads) as pool:
        everyone = range(job.threads)
        samples = time_calls(
            lambda count: list(pool.map(copy, everyone, [count] * job.threads)), job, clock
        )
    return Rate(size=working_set_bytes, work=work, samples_s=samples)
