"""Results as rich tables."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.verification import Verification
from spinn_edge.bench.measurement import BenchResult, Row
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Manifest, PruningAudit, Scores
from spinn_edge.report import formatting as f
from spinn_edge.report.runtime_status import RuntimeStatus

FULL_WIDTH = 110
"""Columns of a screen that shows a whole row of latencies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A figure of a timed row; ``always`` shows it on narrow screens as well."""

    title: str
    text: Callable[[Row], str]
    always: bool = False


_LATENCY_COLUMNS = (
    _Column(title="median", text=lambda row: f.seconds(row.median_s), always=True),
    _Column(
        title="mean ± std",
        text=lambda row: f"{f.seconds(row.mean_s)} ± {f.seconds(row.std_s)}",
    ),
    _Column(title="p90", text=lambda row: f.seconds(row.p90_s), always=True),
    _Column(title="p99", text=lambda row: f.seconds(row.p99_s), always=True),
    _Column(title="speed-up", text=lambda row: f.ratio(row.speedup), always=True),
    _Column(title="throughput", text=lambda row: f.per_second(row.throughput_per_s)),
    _Column(
        title="parity", text=lambda row: f.magnitude(row.parity.max_abs if row.parity else None)
    ),
)

_STATUS = {"ok": "green", "unavailable": "yellow", "failed": "red"}


def bench_table(result: BenchResult, *, width: int = FULL_WIDTH) -> Table:
    """Return a line for each row.

    Args:
        result: the rows.
        width: columns of the screen; a narrow one gets the columns that fit, and a caption that
            says where the others are.
    """
    columns = [column for column in _LATENCY_COLUMNS if width >= FULL_WIDTH or column.always]
    head = ["bundle", "runtime", ">batch"]
    table = _table("Latency, host to host", *head, *(f">{column.title}" for column in columns))
    if len(columns) < len(_LATENCY_COLUMNS):
        table.caption = "mean, throughput and parity: in a wider window, --json or --markdown"
    for row in result.rows:
        cells = [f"[{_STATUS[row.status]}]{row.status}[/]"]
        if row.status == "ok":
            cells = [column.text(row) for column in columns]
        table.add_row(escape(row.bundle), escape(row.runtime), str(row.batch), *cells)
    return table


def verification_table(verification: Verification) -> Table:
    """Return a line for each check and each runtime that was skipped."""
    table = _table(
        f"Parity of {escape(verification.bundle)} with its float64 reference",
        "runtime",
        ">batch",
        ">max abs",
        ">tolerance",
        "verdict",
    )
    for check in verification.checks:
        verdict = (
            "[green]passed[/]" if check.passed else f"[red]failed[/]: {escape(check.reason or '')}"
        )
        table.add_row(
            escape(check.runtime),
            str(check.batch),
            f.magnitude(check.max_abs),
            f.magnitude(check.tolerance),
            verdict,
        )
    for skipped in verification.skipped:
        table.add_row(
            escape(skipped.runtime),
            "–",
            "–",
            "–",
            f"[yellow]not run[/]: {escape(skipped.reason)}",
        )
    return table


def runtimes_table(statuses: tuple[RuntimeStatus, ...]) -> Table:
    """Return a line for each runtime."""
    table = _table("Runtimes on this machine", "name", "available", "version", "why not", "type")
    for status in statuses:
        mark = "[green]yes[/]" if status.available else "[yellow]no[/]"
        table.add_row(
            escape(status.name),
            mark,
            escape(status.version or "–"),
            escape(status.reason or ""),
            escape(status.install),
        )
    return table


def manifest_table(manifest: Manifest, name: str) -> Table:
    """Return the facts of a model."""
    table = _table(escape(name), "", "value")
    widths = manifest.architecture.widths
    table.add_row(
        "architecture", escape(manifest.architecture.factory or manifest.architecture.kind)
    )
    if widths:
        table.add_row("widths", f"{f.dashed(widths)} ({escape(manifest.architecture.activation)})")
    table.add_row("parameters", f.whole(manifest.parameters))
    table.add_row("non-zero parameters", f.whole(manifest.nonzero_parameters))
    table.add_row("FLOPs per sample", f.whole(manifest.flops_per_sample))
    if manifest.pruning:
        audit = manifest.pruning
        table.add_row("pruning", f"requested {audit.requested:.2%}, achieved {audit.achieved:.2%}")
    table.add_row("largest batch", f.whole(manifest.max_batch))
    table.add_row("golden inputs", escape(manifest.golden_source))
    return table


def files_table(bundle: Bundle) -> Table:
    """Return a line for each file of a bundle."""
    table = _table("Files", "file", "format", ">size", "proved against eager", "sha256")
    for entry in bundle.manifest.files:
        if entry.proof:
            proof = "batch " + ", ".join(str(point.batch) for point in entry.proof)
        else:
            proof = f"[yellow]not run[/]: {escape(entry.unproved)}" if entry.unproved else ""
        table.add_row(
            escape(entry.path), escape(entry.format), f.size(entry.bytes), proof, entry.sha256[:12]
        )
    return table


def scores_table(scores: Scores, title: str) -> Table:
    """Return a line for each target, the linear regression beside the network."""
    table = _table(
        f"{escape(title)}: {escape(scores.source)}",
        "target",
        ">R²",
        ">R², linear regression",
        ">RMSE",
    )
    for name, value in scores.r2.items():
        table.add_row(
            escape(name),
            f.score(value),
            f.score(scores.linear_r2[name]),
            f.magnitude(scores.rmse[name]),
        )
    return table


def audit_table(audit: PruningAudit) -> Table:
    """Return a line for each round."""
    table = _table(
        "Pruning audit, share of the whole model's parameters",
        ">round",
        "widths",
        ">parameters",
        ">requested",
        ">achieved",
        ">validation loss",
    )
    for number, item in enumerate(audit.rounds, start=1):
        table.add_row(
            str(number),
            f.dashed(item.widths),
            f.whole(item.parameters),
            f"{item.requested:.2%}",
            f"{item.achieved:.2%}",
            f.magnitude(item.score),
        )
    return table


def _table(title: str, *columns: str) -> Table:
    """Return an empty table; a column name that starts with ``>`` is aligned right."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        caption_justify="left",
        pad_edge=False,
    )
    for column in columns:
        table.add_column(
            column.removeprefix(">"),
            justify="right" if column[:1] == ">" else "left",
            overflow="fold",
        )
    return table
