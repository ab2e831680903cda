"""A worker that runs out of memory says so and names a batch that fits; it takes nobody along."""

from __future__ import annotations

import re
from pathlib import Path

from spinn_edge.bench.machine_files import read_bytes_line
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.runtimes.base import Runtime, infer

_SHARE = 0.9
"""Of the memory that is free when the worker starts. The rest is for the system: without a limit
the kernel ends some process of its choice when nothing is left."""

_WORDS = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|failed to allocate|bad_alloc|"
    r"bad allocation|cudaErrorMemoryAllocation",
    re.IGNORECASE,
)


def limit_memory(meminfo: Path = Path("/proc/meminfo")) -> int | None:
    """Let this process hold no more private memory than is free now.

    What is beyond the limit fails as any allocation may fail, in the words of whoever asked for it.

    Args:
        meminfo: where the system says what is free.

    Returns:
        The limit in bytes; None where the system has none to set.

    Source: setrlimit(2), RLIMIT_DATA, which since Linux 4.7 counts private writable mappings, but
    not the address space that CUDA reserves.
    """
    try:
        import resource

        free_bytes = read_bytes_line(meminfo, "MemAvailable")
        if free_bytes is None:
            return None
        limit = int(free_bytes * _SHARE)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    except (ImportError, OSError, ValueError):
        return None
    return limit


def is_out_of_memory(exc: BaseException) -> bool:
    """Tell whether an error means that memory ran out, by its type or by its words."""
    chain: BaseException | None = exc
    while chain is not None:
        if isinstance(chain, MemoryError) or _WORDS.search(str(chain)):
            return True
        chain = chain.__cause__
    return False


def smaller_batch(runtime: Runtime, golden: Golden, batch: int) -> int | None:
    """Return the largest of batch/2, batch/4, … that runs; None where not even 1 does."""
    while batch > 1:
        batch //= 2
        try:
            infer(runtime, golden.at_batch(batch).inputs)
        except (SpinnEdgeError, MemoryError):
            continue
        return batch
    return None
