"""What became of a network that followed a stream, in tables and in words."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from spinn_edge.core.adaptation_record import AdaptationRecord, TargetError
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import Manifest
from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet

MOST_REASONS = 5
"""Refused batches that are listed one by one."""


def adaptation_table(record: AdaptationRecord) -> Table:
    """Return a line for each target: errors on the stream, on test rows, and drift."""
    tested = {error.target: error for error in record.test}
    head = ["target", ">RMSE before", ">RMSE adapting", ">change"]
    if tested:
        head += [">RMSE on test rows before", ">after", ">change"]
    lines = []
    for error in record.errors:
        cells = [error.target, *_errors(error)]
        if tested:
            cells += _errors(tested[error.target])
        cells.append(_percent(record.drift[error.target]))
        lines.append(tuple(cells))
    return Sheet(
        title="Every row predicted before it was learnt",
        head=(*head, ">drift on golden inputs, of scale"),
        lines=tuple(lines),
    ).to_rich()


def adaptation_remarks(record: AdaptationRecord) -> list[str]:
    """Return what the table does not say, a sentence each."""
    lines = [
        f"{record.method}, {', '.join(record.layers)}: of {f.whole(record.rows_seen)} rows "
        f"{f.whole(record.rows_learnt)} learnt, {f.whole(record.rows_rejected)} rejected in "
        f"{f.whole(record.batches_rejected)} batches"
        + (
            f", {f.whole(record.rows_taken_back)} learnt and taken back"
            if record.rows_taken_back
            else ""
        ),
        gain_words(record),
    ]
    if record.rows_left_out:
        lines.append(f"{f.whole(record.rows_left_out)} rows with missing values were left out")
    if record.tested_on:
        lines.append(f"test rows: {record.tested_on}")
    limit = record.settings.drift_limit
    far = {name: total for name, total in record.drift_from_first.items() if total > limit}
    if far and len(record.parents) > 1:
        name = max(far, key=lambda channel: far[channel])
        lines.append(
            f"'{name}' may be up to {_percent(far[name])} of its scale from version 1 "
            f"('{record.parents[0].name}') by now: the limit of {_percent(limit)} holds for each "
            "version alone; validate this one against that"
        )
    for batch in record.rejected[:MOST_REASONS]:
        lines.append(
            f"rejected: rows {batch.first_row} to {batch.last_row}, {batch.guard}: {batch.reason}"
        )
    if (more := record.batches_rejected - MOST_REASONS) > 0:
        lines.append(f"rejected: {f.whole(more)} batches more (--json names the first 100)")
    if any(batch.guard == "drift" for batch in record.rejected):
        lines.append(
            "if the change is real, allow more with --drift-limit, or retrain; if only few kinds "
            "of rows came by, hold the others with a larger --replay"
        )
    return lines


def gain_words(record: AdaptationRecord) -> str:
    """Say by how much the squared error fell, and how sure that is."""
    gain = record.gain
    if not gain.batches:
        return "no batch was predicted by weights that had learnt something"
    words = f"squared error over {gain.batches} batches: {_percent(-gain.share, sign=True)}"
    if gain.low is None or gain.high is None:
        return f"{words}, too few for an interval"
    return (
        f"{words} (95 % interval {_percent(-gain.high, sign=True)} to "
        f"{_percent(-gain.low, sign=True)})"
    )


def progress_words(record: AdaptationRecord, row: int, rows: int = 0) -> str:
    """Say how far a stream is.

    Args:
        record: what was done so far.
        row: the last one that was dealt with.
        rows: of the whole stream; 0 where nobody knows.
    """
    of = f" of {f.whole(rows)}" if rows else ""
    return (
        f"row {f.whole(row)}{of}: {f.whole(record.rows_learnt)} learnt, "
        f"{f.whole(record.rows_rejected)} rejected; {gain_words(record)}"
    )


def lineage_words(manifest: Manifest) -> str | None:
    """Say which version a bundle is and what it was adapted from; None for one that never was."""
    record = manifest.adaptation
    if record is None:
        return None
    chain = " → ".join(f"{a.name} ({a.manifest_sha256[:12]})" for a in record.parents)
    return (
        f"{record.version}, adapted from {chain} on {f.whole(record.rows_learnt)} rows of "
        f"{record.source}"
    )


def adaptation_document(record: AdaptationRecord, written: str | None, reason: str | None) -> Any:
    """Return the document of ``spinn-edge adapt --json``.

    Args:
        record: what was done.
        written: folder of the new bundle; None where none was written.
        reason: why none was.
    """
    return {
        "passed": written is not None,
        "written": written,
        "reason": reason,
        "version": record.version,
        **encode(record),
    }


def _errors(error: TargetError) -> tuple[str, str, str]:
    return (
        f.magnitude(error.before),
        f.magnitude(error.after),
        f.change(error.before, error.after),
    )


def _percent(share: float, *, sign: bool = False) -> str:
    return f"{share:+z.1%}".replace("%", " %") if sign else f"{share:.1%}".replace("%", " %")
