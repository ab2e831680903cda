"""A worker that runs out of memory says so and names a batch that fits; it takes nobody along."""

from __future__ import annotations

import re
from pathlib import Path

from spinn_edge.bench.machine.machine_files import (
    ROOT,
    as_integer,
    read_bytes_line,
    read_integer,
    read_text,
)
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.golden import Golden
from spinn_edge.runtimes.base import Runtime, infer

_SHARE = 0.9
"""Of the memory that is free when the worker starts. The rest is for the system: without a limit
the kernel ends some process of its choice when nothing is left."""

_GROUP_FILES = (
    ("", "memory.max", "memory.current"),
    ("memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)
"""Controllers of a line of /proc/self/cgroup (none: version 2), the limit, and what is in use."""

_WORDS = re.compile(
    r"out of memory|can't allocate memory|cannot allocate memory|failed to allocate|bad_alloc|"
    r"bad allocation|cudaErrorMemoryAllocation",
    re.IGNORECASE,
)


def limit_memory(root: Path = ROOT) -> int | None:
    """Let this process hold no more private memory than is free now.

    What is beyond the limit fails as any allocation may fail, in the words of whoever asked for it.

    Args:
        root: where ``proc`` and ``sys`` say what is free.

    Returns:
        The limit in bytes; None where the system has none to set.

    Source: setrlimit(2), RLIMIT_DATA, which since Linux 4.7 counts private writable mappings, but
    not the address space that CUDA reserves.
    """
    try:
        import resource

        free = free_bytes(root)
        if free is None:
            return None
        limit = int(free * _SHARE)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))
    except (ImportError, OSError, ValueError):
        return None
    return limit


def free_bytes(root: Path = ROOT) -> int | None:
    """Return the memory that this process may still take; None where the system does not say.

    A container's limit counts as the machine's own memory does: the kernel ends who exceeds it.
    What it holds of files does not count, since the kernel drops that first.

    Args:
        root: where ``proc`` and ``sys`` stand.

    Source: proc(5), MemAvailable; Linux kernel, Control Group v2 (memory.max, memory.current) and
    Memory Resource Controller of v1 (memory.limit_in_bytes, memory.usage_in_bytes). The group is
    looked for where the process's own is mounted, and at the root, where a container sees it.
    """
    available = read_bytes_line(root / "proc/meminfo", "MemAvailable")
    if available is None:
        return None
    left = [available]
    mounts = root / "sys/fs/cgroup"
    for line in (read_text(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, group = line.split(":", 2)
        for controller, most, used in _GROUP_FILES:
            if controller != controllers:
                continue
            for folder in (mounts / controller / group.lstrip("/"), mounts / controller):
                limit, usage = read_integer(folder / most), read_integer(folder / used)
                if limit is not None and usage is not None:  # "max" is no number: no limit
                    left.append(max(0, limit - usage + _file_cache_bytes(folder)))
    return min(left)


def _file_cache_bytes(group: Path) -> int:
    """Return what a group holds of files alone: the kernel drops it when memory is wanted."""
    words = (line.split() for line in (read_text(group / "memory.stat") or "").splitlines())
    sizes = {pair[0]: as_integer(pair[1]) or 0 for pair in words if len(pair) == 2}
    return sizes.get("active_file", 0) + sizes.get("inactive_file", 0)


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
