"""The verdict on an optimized model as tables and sentences."""

from __future__ import annotations

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.validation.result import OutputVerdict, ValidationResult
from spinn_edge.report import formatting as f
from spinn_edge.report.screen_table import screen_table

_MEANING = (
    "Drift: largest absolute difference of the two models over the largest magnitude of the "
    "baseline, in each channel; in that sample (counted from 0). RMS: of all differences."
)


def validation_table(result: ValidationResult) -> Group:
    """Return, for each output, a table of its drift and one of its score, a line a channel."""
    tables: list[Table | str] = []
    for output in result.outputs:
        if output.drift is not None:
            tables.append(_drift_table(output))
        if output.scores:
            tables.append(_score_table(output, result.score))
    return Group(*tables, _MEANING) if tables else Group("no output could be measured")


def validation_remarks(result: ValidationResult) -> list[str]:
    """Return what failed, what could not be computed, and the verdict, a sentence each."""
    unscored = [o.output for o in result.outputs if o.drift is not None and not o.scores]
    remarks = [f"- failed: {reason}" for reason in result.reasons]
    remarks += [f"- {note}" for output in result.outputs for note in output.notes]
    remarks += [f"- '{name}' has no target: judged by its drift alone" for name in unscored]
    return [*remarks, validation_summary(result)]


def validation_summary(result: ValidationResult) -> str:
    """Return the verdict in a sentence."""
    if result.passed:
        return f"passed: drift and loss of {result.score} are within tolerance on {result.source}"
    count = len(result.reasons)
    return f"failed on {result.source}: {count} reason{'s' * (count != 1)}"


def _drift_table(output: OutputVerdict) -> Table:
    assert output.drift is not None
    heads = ("channel", ">drift", ">allowed", ">max abs", ">sample", ">RMS", "verdict")
    table = screen_table(f"Drift of {escape(output.output)}", *heads)
    for channel, limit in zip(output.drift.channels, output.drift_limits, strict=True):
        table.add_row(
            escape(channel.channel),
            f.magnitude(channel.over_scale),
            f"{limit:.3g}",
            f.magnitude(channel.max_abs),
            str(channel.worst_sample),
            f.magnitude(channel.rms),
            _verdict(passed=channel.over_scale <= limit),
        )
    return table


def _score_table(output: OutputVerdict, score: str) -> Table:
    heads = ("channel", ">baseline", ">optimized", ">loss", ">allowed", "verdict")
    table = screen_table(f"{escape(score)} of {escape(output.output)}", *heads)
    for change in output.scores:
        table.add_row(
            escape(change.channel) or "all",
            f"{change.baseline:.4g}",
            f"{change.optimized:.4g}",
            f"{change.loss:+z.3g}",
            f"{change.limit:.3g}",
            _verdict(passed=change.passed),
        )
    return table


def _verdict(*, passed: bool) -> str:
    return "[green]passed[/]" if passed else "[red]failed[/]"
