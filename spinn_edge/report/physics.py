"""Physics checks as tables, and what they mean in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.physics.result import (
    DerivativeCheck,
    MonotoneCheck,
    PhysicsReport,
    ResidualCheck,
)
from spinn_edge.core.decode import encode
from spinn_edge.report import formatting as f
from spinn_edge.report.notices import notice_lines
from spinn_edge.report.screen_table import screen_table

METHODS = {
    "output": "own output",
    "autograd": "autograd",
    "differences": "differences",
    "": "–",
}


def physics_tables(report: PhysicsReport) -> list[Table]:
    """Return a table for derivatives, one for slopes and one for residuals, where asked for."""
    tables = []
    if report.derivatives:
        tables.append(_derivatives(report))
    if report.monotone:
        tables.append(_monotone(report.monotone))
    if report.residuals:
        tables.append(_residuals(report.residuals))
    return tables


def physics_remarks(report: PhysicsReport) -> list[str]:
    """Return which forms are fit for which derivatives, and what was left out."""
    lines = [f"{report.points} samples: {report.source}"]
    for request in dict.fromkeys(check.derivative for check in report.derivatives):
        checks = [check for check in report.derivatives if check.derivative == request]
        fit = ", ".join(_form(check) for check in checks if check.passed)
        unfit = ", ".join(_form(check) for check in checks if not check.passed)
        lines.append(f"{request}: fit {fit or 'none'}; not fit {unfit or 'none'}")
    lines += notice_lines((_form(check), check.notices) for check in report.derivatives)
    if report.skipped:
        names = ", ".join(dict.fromkeys(skipped.runtime for skipped in report.skipped))
        lines.append(f"not run here: {names} (spinn-edge runtimes says why)")
    return lines


def physics_document(report: PhysicsReport) -> dict[str, Any]:
    """Return the document of ``spinn-edge physics --json``."""
    return {"passed": report.passed, **encode(report)}


def _derivatives(report: PhysicsReport) -> Table:
    table = screen_table(
        f"Derivatives of {escape(report.bundle)} against automatic differentiation in float64",
        *("runtime", "precision", "derivative", "how", ">error / scale", ">limit / scale"),
        *(">explained by rounding", "verdict"),
    )
    for check in report.derivatives:
        error, explained = (
            None if value is None else value / check.scale
            for value in (check.error, check.expected)
        )
        table.add_row(
            escape(f.served(check.runtime, check.served_by)),
            check.precision,
            escape(check.derivative),
            METHODS[check.method],
            f.magnitude(error),
            f.magnitude(check.limit / check.scale),
            f.magnitude(explained),
            "[green]fit[/]" if check.passed else f"[red]not fit[/]: {escape(check.reason or '')}",
        )
    return table


def _monotone(checks: Sequence[MonotoneCheck]) -> Table:
    table = screen_table(
        "Slopes of the wrong sign, share of the samples",
        *(
            "bundle",
            "runtime",
            "precision",
            "slope",
            ">before",
            ">here",
            ">limit",
            ">worst",
            "verdict",
        ),
    )
    for check in checks:
        table.add_row(
            escape(check.bundle),
            escape(check.runtime),
            "" if check.precision == check.runtime else check.precision,
            escape(check.slope),
            f"{check.before:.2%}",
            f"{check.violations:.2%}",
            f"{check.limit:.2%}",
            f.magnitude(check.worst),
            _verdict(check),
        )
    return table


def _residuals(checks: Sequence[ResidualCheck]) -> Table:
    table = screen_table(
        f"Root mean square of {escape(checks[0].residual)}",
        *("bundle", "runtime", "precision", ">before", ">here", ">limit", "verdict"),
    )
    for check in checks:
        table.add_row(
            escape(check.bundle),
            escape(check.runtime),
            "" if check.precision == check.runtime else check.precision,
            f.magnitude(check.before),
            f.magnitude(check.after),
            f.magnitude(check.limit),
            _verdict(check),
        )
    return table


def _verdict(check: MonotoneCheck | ResidualCheck) -> str:
    return "[green]passed[/]" if check.passed else f"[red]failed[/]: {escape(check.reason or '')}"


def _form(check: DerivativeCheck) -> str:
    return f"{check.runtime} {check.precision}"
