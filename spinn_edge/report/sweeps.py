"""Where throughput stops growing with the batch, in words."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.bench.loops.saturation import FORMAT, MEMORY, Saturation, saturations
from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f

_WHY = {FORMAT: "the largest that its file takes", MEMORY: "the largest that memory has room for"}


def sweep_remarks(rows: Sequence[Row]) -> list[str]:
    """Return where the throughput of each runtime saturates, a sentence each."""
    return [f"{_where(found)}: {_words(found)}" for found in saturations(rows)]


def _words(found: Saturation) -> str:
    per_s = f.per_second(found.knee_per_s)
    if found.next_gain is None:
        why = _WHY.get(found.stopped_by, "the largest that was timed")
        return f"throughput still grows at batch {found.knee_batch:,}, {why}: {per_s}"
    change = "gains" if found.next_gain >= 0 else "loses"
    return (
        f"throughput saturates at batch {found.knee_batch:,}: {per_s}; the next doubling {change} "
        f"{abs(found.next_gain):.0%}"
    ).replace("%", " %")


def _where(found: Saturation) -> str:
    return f"{found.bundle}, {found.runtime} {found.precision}"
