"""How fast this machine multiplies and copies at best.

Each launch is a process of its own with the thread limits that a benchmark's workers get. It reads
a job as JSON from standard input and writes what it measured as JSON.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.bench.evidence.intervals import Interval, median_interval
from spinn_edge.bench.machine.machine_files import ROOT, read_bytes_line, read_integer, read_text
from spinn_edge.bench.processes.exchange import exchange
from spinn_edge.bench.understanding.ceiling_launch import CeilingJob, CeilingLaunch, run_job
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError, InferenceError, UsageError

GEMM_SIZES = (256, 384, 512, 768, 1024)
"""Rows and columns of square float32 matrices: large enough that the product, not its call, takes
the time, and small enough for the caches."""

WORKING_SETS_BYTES = tuple(1 << power for power in range(18, 27))
"""Bytes read and written by one copy, 256 KiB to 64 MiB: below that, what is timed is the call."""

MEMORY_FACTOR = 4
"""Two arrays that are to lie in memory are together this many times as large as the last-level
cache. A copy that goes round them finds nothing of them in it.

Source: J. McCalpin, "STREAM: Sustainable Memory Bandwidth in High Performance Computers", run
rules. STREAM asks this size of each of its three arrays; where a system reports the cache of a
whole server, that would take minutes.
"""

_UNKNOWN_CACHE_BYTES = 64 * 2**20
"""Taken for the last-level cache where the system names none."""
_FREE_SHARE = 0.25
"""Of the memory that is free, the two arrays take no more."""
_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceilings:
    """The best that this machine did in float32, in the session of a benchmark.

    A ceiling is a best case. What disturbs only slows, so of each launch the fastest median counts,
    and of the launches the fastest. The median stays inside: one lucky reading of the clock is no
    rate that anything can be held to. The intervals say how far launches scatter; a best case lies
    near their upper end.

    Attributes:
        threads: that multiplied and copied at once.
        working_set_bytes: the one that was asked for.
        cache_bytes: last-level cache of one processor; None where the system names none.
        launches: raw samples, at least one launch.
    """

    threads: int
    working_set_bytes: int
    cache_bytes: int | None
    launches: tuple[CeilingLaunch, ...]

    @property
    def flops_per_s(self) -> float:
        """The fastest product of matrices; one multiply-add counts 2, as in a manifest."""
        return max(self._flops)

    @property
    def memory_bytes_per_s(self) -> float:
        """The fastest copy of arrays in memory: bytes read and bytes written.

        What a processor reads of a line that it is about to overwrite (write-allocate) is not
        counted, as in STREAM.
        """
        return max(self._copies(-1))

    @property
    def cache_bytes_per_s(self) -> float:
        """Likewise, of a working set of ``working_set_bytes``, copied again and again."""
        return self.copy_bytes_per_s(self.working_set_bytes)

    @property
    def flops_interval(self) -> Interval | None:
        """Where launches' figures lie; None with too few."""
        return median_interval(self._flops)

    @property
    def memory_interval(self) -> Interval | None:
        """Likewise, of copies in memory."""
        return median_interval(self._copies(-1))

    @property
    def memory_bytes(self) -> int:
        """Both arrays of the copy in memory."""
        return self.launches[0].copies[-1].size

    @property
    def memory_is_memory(self) -> bool:
        """The arrays were larger than the cache by ``MEMORY_FACTOR``, as far as is known."""
        cache_bytes = self.cache_bytes or _UNKNOWN_CACHE_BYTES
        return self.memory_bytes >= MEMORY_FACTOR * cache_bytes

    def copy_bytes_per_s(self, working_set_bytes: float) -> float:
        """Return how fast a working set of any size can be read and written over and over.

        Between the sizes that were copied, logarithms are interpolated. A smaller set is never
        held to be slower than a larger one: where it was, its call took the time.
        """
        sizes = [math.log(rate.size) for rate in self.launches[0].copies]
        fastest = [max(self._copies(index)) for index in range(len(sizes))]
        ceiling = np.maximum.accumulate(fastest[::-1])[::-1]
        return float(np.exp(np.interp(math.log(working_set_bytes), sizes, np.log(ceiling))))

    def to_json(self) -> dict[str, Any]:
        """Return the figures and the raw samples."""
        return {
            "threads": self.threads,
            "flops_per_s": self.flops_per_s,
            "flops_interval": encode(self.flops_interval),
            "memory_bytes_per_s": self.memory_bytes_per_s,
            "memory_interval": encode(self.memory_interval),
            "memory_bytes": self.memory_bytes,
            "cache_bytes_per_s": self.cache_bytes_per_s,
            "working_set_bytes": self.working_set_bytes,
            "cache_bytes": self.cache_bytes,
            "launches": encode(self.launches),
        }

    @property
    def _flops(self) -> tuple[float, ...]:
        """A figure a launch: its fastest size of matrix."""
        return tuple(max(rate.per_s for rate in launch.gemms) for launch in self.launches)

    def _copies(self, index: int) -> tuple[float, ...]:
        return tuple(launch.copies[index].per_s for launch in self.launches)


def measure_ceilings(
    threads: int = 1,
    working_set_bytes: int | None = None,
    launches: int = 3,
    *,
    timeout_s: float = _TIMEOUT_S,
    root: Path = ROOT,
    command: Sequence[str] = (sys.executable, "-m", "spinn_edge.bench.understanding.ceilings"),
) -> Ceilings:
    """Measure in fresh processes, one after the other.

    Args:
        threads: of the BLAS, and that copy at once.
        working_set_bytes: of the figure ``cache_bytes_per_s``; half of a processor's level-2 cache
            where None.
        launches: processes; with fewer than three there are no intervals.
        timeout_s: for one launch.
        root: folder below which ``proc`` and ``sys`` stand.
        command: the program to start.

    Raises:
        UsageError: a number below 1.
        InferenceError: a process crashed, hung or wrote nothing that can be read.
    """
    for option, value in (
        ("threads", threads),
        ("working_set_bytes", 1 if working_set_bytes is None else working_set_bytes),
        ("launches", launches),
    ):
        if value < 1:
            raise UsageError(f"{option} must be at least 1, got {value}")
    caches = cache_sizes(root)
    asked = working_set_bytes or caches.get(2, _UNKNOWN_CACHE_BYTES // 64) // 2
    last_level = caches[max(caches)] if caches else None
    job = CeilingJob(
        threads=threads,
        gemm_sizes=GEMM_SIZES,
        working_sets_bytes=tuple(sorted({*WORKING_SETS_BYTES, asked})),
        memory_bytes=_memory_bytes(last_level, root),
    )
    found = tuple(_launch(job, timeout_s, command) for _ in range(launches))
    return Ceilings(
        threads=threads, working_set_bytes=asked, cache_bytes=last_level, launches=found
    )


def cache_sizes(root: Path = ROOT) -> dict[int, int]:
    """Return the bytes of the data caches that processor 0 uses, by level; empty where unknown."""
    sizes = {}
    for index in root.glob("sys/devices/system/cpu/cpu0/cache/index*"):
        level, text = read_integer(index / "level"), read_text(index / "size") or ""
        kibibytes = text.removesuffix("K")
        if level and kibibytes.isdecimal() and read_text(index / "type") != "Instruction":
            sizes[level] = int(kibibytes) * 1024
    return sizes


def _memory_bytes(cache_bytes: int | None, root: Path) -> int:
    """Return the size of both arrays for memory: large enough, unless memory is short."""
    wanted = MEMORY_FACTOR * (cache_bytes or _UNKNOWN_CACHE_BYTES)
    free = read_bytes_line(root / "proc/meminfo", "MemAvailable")
    if free is not None:
        wanted = min(wanted, int(free * _FREE_SHARE))
    return max(wanted, 2 * WORKING_SETS_BYTES[-1])


def _launch(job: CeilingJob, timeout_s: float, command: Sequence[str]) -> CeilingLaunch:
    ended = exchange(
        json.dumps(encode(job)),
        command=command,
        threads=job.threads,
        timeout_s=timeout_s,
        whose="the process that measures them",
    )
    try:
        return decode(CeilingLaunch, json.loads(ended.output), where="ceilings")
    except (ValueError, BundleError) as exc:
        raise InferenceError(
            f"the machine's ceilings were not measured: {ended.ending}; try again on an idle "
            "machine with free memory"
        ) from exc


def main() -> None:
    """Serve one job."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever a library prints is no result
    job = decode(CeilingJob, json.load(sys.stdin), where="job")
    json.dump(encode(run_job(job)), results)
    results.flush()


if __name__ == "__main__":
    main()
