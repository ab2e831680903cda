"""Training speed as tables and as JSON."""

from __future__ import annotations

import json
from typing import Any

from rich.markup import escape
from rich.table import Table

from spinn_edge.bench.evidence.intervals import NO_DIFFERENCE
from spinn_edge.bench.training.result import (
    EPOCHS,
    SCHEMA_VERSION,
    TrainingResult,
    TrainingRow,
    speedup,
)
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.report import formatting as f
from spinn_edge.report.screen_table import screen_table
from spinn_edge.report.training_speed_words import training_words

KIND = "spinn-edge training speed"
BASELINE = "autograd"
WAY_TITLES = {
    "autograd": "eager",
    "func": "eager func",
    "compiled": "compiled",
}


def speed_table(result: TrainingResult) -> Table:
    """Return steps a second, their interval, and mean ± deviation over seeds; 80 columns."""
    table = screen_table(
        f"Training steps on {result.device}; CPU threads {result.threads}, seeds {result.seeds}, "
        f"launches of each {result.launches}",
        *("subject", "step", ">it/s", ">95 % interval", ">seeds: mean ± std"),
    )
    for row in result.rows:
        between = row.per_s_interval
        cells = [
            per_s(row.per_s) if row.status == "ok" else row.status,
            "–" if between is None else f"{per_s(between.low)} to {per_s(between.high)}",
            mean_and_std(row),
        ]
        table.add_row(*map(escape, (row.subject.name, WAY_TITLES[row.way], *cells)))
    return table


def cost_table(result: TrainingResult) -> Table:
    """Return speed-ups over eager autograd, the time of many epochs, and of the first step."""
    table = screen_table(
        "",
        *("subject", "step", ">speed-up", f">{EPOCHS:,} epochs", ">first"),
    )
    for row in result.rows:
        table.add_row(
            escape(row.subject.name),
            WAY_TITLES[row.way],
            speedup_text(result, row),
            f.seconds(row.estimate_s),
            f.seconds(row.first_gradient_s),
        )
    return table


def per_s(value: float | None) -> str:
    """Return ``46.7`` or ``1,240``: three digits at least; a dash for None."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if value >= 1000 else f"{value:#.3g}".rstrip(".")


def mean_and_std(row: TrainingRow) -> str:
    """Return ``46.7 ± 0.8``; the mean alone of one seed, a dash without figures."""
    mean, std = row.mean_over_seeds, row.std_over_seeds
    return per_s(mean) if mean is None or std is None else f"{per_s(mean)} ± {std:.2g}"


def speedup_text(result: TrainingResult, row: TrainingRow) -> str:
    """Return ``1.52× (1.47–1.58)``, or that none was seen; a dash for the baseline."""
    baseline = result.row(row.subject.name, BASELINE)
    if baseline is None or row.way == BASELINE:
        return "–"
    found = speedup(row, baseline)
    if found is None:
        return "–"
    if found.verdict == NO_DIFFERENCE:
        return f"none seen ({f.ratio(found.ratio)})"
    between = found.interval
    if between is None:
        return f.ratio(found.ratio)
    return f"{f.ratio(found.ratio)} ({between.low:.2f}–{between.high:.2f})"


def training_document(result: TrainingResult) -> dict[str, Any]:
    """Return the document of ``spinn-edge bench-train --json``: raw samples, figures, words."""
    return {
        "kind": KIND,
        **encode(result),
        "figures": [_figures(result, row) for row in result.rows],
        "remarks": training_words(result),
    }


def read_training_document(text: str, where: str) -> TrainingResult:
    """Read what :func:`training_document` gave; figures are derived again from raw samples.

    Raises:
        UsageError: it is no such document, or of another version.
    """
    try:
        data = json.loads(text)
    except ValueError as exc:
        raise UsageError(f"{where} is not valid JSON ({exc}); write it again with --json") from exc
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise UsageError(f"{where} is no result of bench-train; write one with --json")
    if data.get("schema_version") != SCHEMA_VERSION:
        raise UsageError(
            f"{where} has schema version {data.get('schema_version')!r}, this spinn-edge reads "
            f"{SCHEMA_VERSION}; measure again"
        )
    try:
        return decode(TrainingResult, data, where=where)
    except BundleError as exc:
        raise UsageError(f"{exc}; it is damaged: measure again") from exc


def _figures(result: TrainingResult, row: TrainingRow) -> dict[str, Any]:
    baseline = result.row(row.subject.name, BASELINE)
    against = None if baseline is None or row is baseline else speedup(row, baseline)
    return {
        "subject": row.subject.name,
        "way": row.way,
        "status": row.status,
        "reason": row.reason or None,
        "it_per_s": row.per_s,
        "it_per_s_interval": encode(row.per_s_interval),
        "it_per_s_mean_over_seeds": row.mean_over_seeds,
        "it_per_s_std_over_seeds": row.std_over_seeds,
        "step_s": row.step_s,
        "wall_s": sum(one.wall_s for one in row.launches) if row.status == "ok" else None,
        "first_gradient_s": row.first_gradient_s,
        "first_gradient_cached_s": row.again_s,
        f"estimate_{EPOCHS}_epochs_s": row.estimate_s,
        "speedup": encode(against),
    }
