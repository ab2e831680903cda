"""Whether two workers may start at the same time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from spinn_edge.bench.machine.machine_files import ROOT
from spinn_edge.bench.machine.memory_limits import free_bytes
from spinn_edge.bench.measurement import Row

_ON_THE_CPU = "cpu"
_FREE_SHARE = 0.25
"""Of the memory that is free, what both may have needed before. Each may take more than it did, and
while one takes time the other holds its own."""


def may_start_together(
    first: Sequence[Row],
    second: Sequence[Row],
    *,
    cores: int | None = None,
    root: Path = ROOT,
) -> bool:
    """Tell whether two workers find a core each and memory for both.

    Only those that an earlier launch has shown: they run on the CPU, nothing of them failed, and
    what they hold is known. A start on a GPU is left alone, since contexts share its memory.

    Args:
        first: rows of the first one's launches so far.
        second: rows of the second one's.
        cores: that may be used; None for those of this process.
        root: where ``proc`` and ``sys`` stand.
    """
    peaks = [_peak_bytes(first), _peak_bytes(second)]
    free = free_bytes(root)
    if free is None or None in peaks:
        return False
    threads = sum(max(row.threads for row in rows) for rows in (first, second))
    usable = len(os.sched_getaffinity(0)) if cores is None else cores
    return threads <= usable and sum(peak or 0 for peak in peaks) <= _FREE_SHARE * free


def _peak_bytes(rows: Sequence[Row]) -> int | None:
    """Return the most that a worker held; None where it is unknown, or something is not plain."""
    plain = all(
        row.status == "ok" and row.facts is not None and row.facts.device == _ON_THE_CPU
        for row in rows
    )
    peaks = [found.peak_resident_bytes for row in rows for found in row.footprints]
    if not plain or not peaks or None in peaks:
        return None
    return max(peak for peak in peaks if peak is not None)
