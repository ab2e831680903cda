"""``spinn-edge compare``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from spinn_edge.cli import options as o


def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Baseline: JSON that bench wrote.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="What is judged: likewise.")],
    fail_over: Annotated[
        str, typer.Option(metavar="SHARE", help="Growth of a time or size that fails: 10% or 0.1.")
    ] = "10%",
    fail_score: Annotated[
        float, typer.Option(metavar="R2", help="Fall of an R² above which it fails.")
    ] = 0.01,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Rows of OLD may be missing or fail in NEW.")
    ] = False,
    any_machine: Annotated[
        bool, typer.Option("--any-machine", help="Compare unlike machines; their times differ.")
    ] = False,
    json: o.Json = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the tables; - for standard output.")
    ] = None,
    junit: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write JUnit XML; - for standard output.")
    ] = None,
    github: Annotated[
        bool, typer.Option("--github", help="Print annotations of GitHub Actions, nothing else.")
    ] = False,
) -> None:
    """Compare two results of bench; leave with 9 when NEW is slower, larger or less accurate."""
    from spinn_edge.bench.regression.comparison import Limits, compare_results
    from spinn_edge.bench.regression.stored import read_result
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.errors import RegressionError, UsageError
    from spinn_edge.report.annotations import github_annotations
    from spinn_edge.report.comparison_tables import comparison_markdown, comparison_table
    from spinn_edge.report.comparison_words import (
        change_words,
        comparison_remarks,
        rule_words,
        summary,
    )
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.junit import comparison_junit

    commands = "-" if github else None
    printer = Printer(json, markdown, junit, commands)
    limits = Limits(
        fail_over=share(fail_over, "--fail-over"),
        fail_score=fail_score,
        allow_missing=allow_missing,
    )
    if _same_file(old, new):
        raise UsageError(f"OLD and NEW are one file, {old}; name the baseline and a new result")
    _check_destinations((old, new), (json, markdown, junit))
    comparison = compare_results(
        read_result(old), read_result(new), limits, any_machine=any_machine
    )
    printer.show(
        comparison_table(comparison),
        *comparison_remarks(comparison),
        rule_words(comparison),
        summary(comparison),
    )
    printer.write(to_text(comparison), json)
    printer.write(comparison_markdown(comparison), markdown)
    printer.write(comparison_junit(comparison), junit)
    printer.write(github_annotations(comparison), commands)
    if comparison.failures:
        lines = [change_words(change, comparison) for change in comparison.failures]
        raise RegressionError(
            "\n".join([f"{summary(comparison)}:", *(f"- {line}" for line in lines)])
            + f"\nIf that is meant to be, make it the baseline: cp {new} {old}"
        )


def share(text: str, option: str) -> float:
    """Read ``10%``, ``10 %`` or ``0.1``.

    Raises:
        UsageError: it is none of these; a bare 10 might mean either of two things.
    """
    from spinn_edge.core.errors import UsageError

    number = text.strip().removesuffix("%")
    try:
        value = float(number) / (100 if text.strip().endswith("%") else 1)
    except ValueError:
        value = math.nan
    bare = not text.strip().endswith("%")
    if not math.isfinite(value) or value < 0 or (bare and value >= 1):
        raise UsageError(f"{option} {text}: expected a share, such as 10% or 0.1")
    return value


def _same_file(old: Path, new: Path) -> bool:
    try:
        return old.samefile(new)
    except OSError:  # one of them is not there: reading it says so
        return False


def _check_destinations(sources: tuple[Path, ...], destinations: tuple[str | None, ...]) -> None:
    """Refuse to write over what is read.

    Raises:
        UsageError: a document would replace OLD or NEW.
    """
    from spinn_edge.core.errors import UsageError

    for destination in destinations:
        if destination in (None, "-"):
            continue
        for source in sources:
            if _same_file(Path(destination), source):
                raise UsageError(f"{destination} is OLD or NEW; name another file to write")
