"""Runtimes that crash, hang, take all memory or return NaN, in one bench with healthy ones."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from planted_worker import FAILURES, TAKEN_NAME
from planting import planted_runtime
from recorded import Figure

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.core.bundle import Bundle
from tests.fakes.runtime import doubling_bundle

LAUNCHES = 3
TIMEOUT_S = 20.0
"""Time for one launch; short, because the hanging one takes all of it."""
ORDER = ("segfault", "plain", "hang", "slow15", "endless", "nan")
"""Bundles' names; the two that are no failure stand behind one, the model's behind the last."""
REASONS = {
    "segfault": "ended by SIGSEGV",
    "hang": "it hung: nothing for",
    "endless": "out of memory at batch 1",
    "nan": "holds NaN or Inf",
}
"""Words that each planted row must say."""


def check_failures(bundle: Bundle) -> Figure:
    """Bench planted failures between healthy runtimes.

    A launch ends after ``TIMEOUT_S`` at the latest, and what failed once is not launched again. So
    the whole takes at most a timeout for each failure, and ``LAUNCHES`` for each healthy one.
    """
    with tempfile.TemporaryDirectory() as folder, planted_runtime():
        planted = [
            Contender(label=name, bundle=doubling_bundle(Path(folder) / name), runtime="planted")
            for name in ORDER
        ]
        model = Contender(label="model", bundle=bundle, runtime="ort-cpu")
        schedule = Schedule(batches=(1,), launches=LAUNCHES, timeout_s=TIMEOUT_S)
        start = time.monotonic()
        timed = time_contenders([*planted, model], schedule)
        wall_s = time.monotonic() - start
        note = Path(folder) / "endless" / TAKEN_NAME
        taken = json.loads(note.read_text()) if note.exists() else None
    return figure_of([row for rows in timed for row in rows], wall_s, taken)


def figure_of(rows: Sequence[Row], wall_s: float, taken: Mapping[str, Any] | None) -> Figure:
    """Judge what came of it.

    Args:
        rows: of all contenders.
        wall_s: time that the bench took.
        taken: what the endless runtime got, bytes; None where it could not tell any more.
    """
    healthy = [row for row in rows if row.bundle not in FAILURES]
    bound_s = (len(FAILURES) + LAUNCHES * len(healthy)) * TIMEOUT_S
    wrong = [row for row in rows if row.bundle in FAILURES and not _is_told(row)]
    timed = [row for row in healthy if len(row.launch_samples) == LAUNCHES]
    told = len([row for row in rows if row.bundle in FAILURES]) - len(wrong)
    words = [
        f"{told} of {len(FAILURES)} rows with their reason, {len(timed)} of {len(healthy)} healthy "
        f"ones timed, {wall_s:.0f} s",
        *(f"{row.bundle}: {row.status}, {row.reason}" for row in wrong),
        _memory_words(taken),
    ]
    return Figure(
        name=f"planted {', '.join(FAILURES)}, {LAUNCHES} launches",
        wanted="each a row with its reason, all others timed, memory stopped by our limit, "
        f"≤ {bound_s:.0f} s (one launch of each failure and all of the others × {TIMEOUT_S:g} s)",
        measured="; ".join(words),
        met=told == len(FAILURES)
        and len(timed) == len(healthy) == len(ORDER) + 1 - len(FAILURES)
        and wall_s <= bound_s
        and _by_our_limit(taken),
    )


def _is_told(row: Row) -> bool:
    return row.status == "failed" and REASONS[row.bundle] in (row.reason or "")


def _by_our_limit(taken: Mapping[str, Any] | None) -> bool:
    """Tell whether it got nearly what the limit allows, and no more: the limit ended it."""
    return taken is not None and 0.9 < taken["taken_bytes"] / taken["limit_bytes"] <= 1


def _memory_words(taken: Mapping[str, Any] | None) -> str:
    if taken is None:
        return "endless left no note: our limit did not end it"
    taken_gb, resident_gb, limit_gb = (
        taken[f"{name}_bytes"] / 1e9 for name in ("taken", "resident", "limit")
    )
    return (
        f"endless got {taken_gb:.1f} GB ({resident_gb:.1f} GB resident) of its limit of "
        f"{limit_gb:.1f} GB"
    )
