"""The launches of one thing, joined into one row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from spinn_edge.bench.loops.pacing import pool_pacing
from spinn_edge.bench.measurement import Row

_SAMPLES = (
    "samples_s",
    "upload_samples_s",
    "download_samples_s",
    "throughput_samples_s",
    "energies",
)
_NOTHING_TIMED: dict[str, Any] = {
    **dict.fromkeys(_SAMPLES, ()),
    "launch_samples": (),
    "pacing": None,
}


def pool(launches: Sequence[Row]) -> Row:
    """Join the rows of several launches of one bundle that answer one question.

    Samples stand launch after launch, none left out. One launch that was not timed decides for
    all: its row is returned. Launches that were not served alike are no one measurement: a failed
    row says so.

    Args:
        launches: at least one row.
    """
    for row in launches:
        if row.status != "ok":
            return row
    if len({row.conditions for row in launches}) > 1:
        served = ", ".join(row.served_by for row in launches)
        reason = f"its launches cannot be joined: they were not served alike ({served})"
        return replace(launches[0], status="failed", reason=reason, **_NOTHING_TIMED)
    samples: dict[str, Any] = {
        name: tuple(sample for row in launches for sample in getattr(row, name))
        for name in _SAMPLES
    }
    pacings = [row.pacing for row in launches if row.pacing is not None]
    return replace(
        launches[0],
        **samples,
        pacing=pool_pacing(pacings) if pacings else None,
        launch_samples=tuple(len(row.samples_s) for row in launches),
        warmup_runs=sum(row.warmup_runs for row in launches),
        footprints=tuple(found for row in launches for found in row.footprints),
        steady=tuple(steady for row in launches for steady in row.steady),
        stopped_by=tuple(why for row in launches for why in row.stopped_by),
        parity=max(
            (row.parity for row in launches if row.parity is not None),
            key=lambda parity: parity.used_share,
            default=None,
        ),
    )
