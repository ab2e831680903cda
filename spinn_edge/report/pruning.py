"""What pruning did, as tables and sentences: audit, what was left alone, layers, the gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from spinn_edge.core.pruning_record import LeftAlone, PruningAudit
from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet

if TYPE_CHECKING:
    from spinn_edge.pruning.gates.gate import GateResult
    from spinn_edge.pruning.layer_statistics import LayerStatistics

FEW_LAYERS = 6
"""Layers left alone for one reason that are named; of more, the number is given."""


def audit_table(audit: PruningAudit) -> Table:
    """Return :func:`audit_sheet` for the screen."""
    return audit_sheet(audit).to_rich()


def audit_sheet(audit: PruningAudit) -> Sheet:
    """Return a line for each round; below it what was asked for, how, and what it came to."""
    rounds = audit.rounds
    exact = any(item.exactness is not None for item in rounds)
    timed = any(item.duration_s is not None for item in rounds)
    head = (">round", "widths", ">parameters", ">requested", ">achieved", ">validation loss")
    lines: list[tuple[str, ...]] = []
    for number, item in enumerate(rounds, start=1):
        line: tuple[str, ...] = (
            str(number),
            f.dashed(item.widths),
            f.whole(item.parameters),
            f"{item.requested:.2%}",
            f"{item.achieved:.2%}",
            f.magnitude(item.score),
        )
        line += (f.magnitude(item.exactness),) * exact + (f.seconds(item.duration_s),) * timed
        lines.append(line)
    return Sheet(
        title=f"Pruning audit, share of the whole model's {audit.by}",
        head=head + (">small against masked",) * exact + (">time",) * timed,
        lines=tuple(lines),
        caption="; ".join(_facts(audit)),
    )


def widths_sheet(audit: PruningAudit) -> Sheet:
    """Return a line for each group of layers: its width before and after."""
    return Sheet(
        title="Groups of layers that lose channels together",
        head=("layers", ">before", ">after", ">change"),
        lines=tuple(
            (
                layer.name,
                f.whole(layer.before),
                f.whole(layer.after),
                f.change(layer.before, layer.after),
            )
            for layer in audit.layers
        ),
    )


def left_alone_sheet(left: Sequence[LeftAlone]) -> Sheet | None:
    """Return a line for each reason and the layers it holds for; None where all were pruned."""
    if not left:
        return None
    layers: dict[str, list[str]] = {}
    for item in left:
        layers.setdefault(item.reason, []).append(item.name or "the network")
    return Sheet(
        title="Left alone",
        head=("layers", "why"),
        lines=tuple((_few(names), reason) for reason, names in layers.items()),
    )


def statistics_sheet(layers: Sequence[LayerStatistics], title: str = "Layers") -> Sheet:
    """Return a line for each layer with parameters, and one for all of them.

    Args:
        layers: of :func:`spinn_edge.pruning.layer_statistics.layer_statistics`.
        title: which network or stage it is.
    """
    total = sum(layer.parameters for layer in layers)
    nonzeros = sum(layer.nonzeros for layer in layers)
    lines = [
        (
            layer.name or "the network",
            layer.kind,
            _narrowed(layer.width_before, layer.width_after),
            f.whole(layer.parameters),
            _share(layer.parameters, total),
            f.whole(layer.nonzeros),
            _share(layer.parameters - layer.nonzeros, layer.parameters),
            f.magnitude(layer.weight_mean_abs),
            f.magnitude(layer.weight_std),
            f.magnitude(layer.weight_l2),
        )
        for layer in layers
    ]
    whole = (f.whole(total), _share(total, total), f.whole(nonzeros))
    lines.append(("all", "", "", *whole, _share(total - nonzeros, total), "", "", ""))
    return Sheet(
        title=title,
        head=(
            *("layer", "kind", ">width", ">parameters", ">share", ">not 0", ">zeros"),
            *(">mean |weight|", ">weight std", ">weight L2"),
        ),
        lines=tuple(lines),
    )


def gate_sheet(result: GateResult) -> Sheet:
    """Return the verdict, a line for each thing that was asked."""
    verdict = "passed" if result.passed else f"failed: {len(result.reasons)} of {_checks(result)}"
    return Sheet(
        title=f"Gate, {verdict}",
        head=("what", ">found", "wanted", "verdict"),
        lines=tuple(
            (check.name, check.found, check.wanted, "held" if check.passed else "missed")
            for check in result.checks
        ),
    )


def gate_remarks(result: GateResult) -> list[str]:
    """Return why the gate failed and what to try, a sentence each; none when it passed."""
    return [f"- {reason}" for reason in result.reasons]


def _checks(result: GateResult) -> str:
    count = len(result.checks)
    return f"{count} check{'s' * (count != 1)}"


def _facts(audit: PruningAudit) -> list[str]:
    facts = [f"{audit.allocation} allocation", f"importance {audit.importance}"]
    if audit.round_to > 1:
        facts.append(f"widths in multiples of {audit.round_to}")
    if audit.by != "parameters" and (audit.amount_before, audit.amount_after) != (None, None):
        facts.append(
            f"{audit.by} {_amount(audit.by, audit.amount_before)} → "
            f"{_amount(audit.by, audit.amount_after)}"
        )
    before, after = audit.parameters_before, audit.parameters_after
    facts.append(f"parameters {f.whole(before)} → {f.whole(after)} ({f.change(before, after)})")
    allowed = "" if audit.tolerance is None else f" ± {audit.tolerance:.2%}"
    facts.append(f"{audit.achieved:.2%} of {audit.by} gone, {audit.requested:.2%}{allowed} asked")
    return facts


def _amount(by: str, value: float | None) -> str:
    if by == "latency":
        return f.seconds(value)
    count = None if value is None else round(value)
    return f.size(count) if by == "bytes" else f.whole(count)


def _narrowed(before: int, after: int) -> str:
    return f.whole(after) if before == after else f"{f.whole(before)} → {f.whole(after)}"


def _share(part: int, whole: int) -> str:
    return "–" if whole == 0 else f"{part / whole:.2%}"


def _few(names: Sequence[str]) -> str:
    first = ", ".join(names[:FEW_LAYERS])
    more = len(names) - FEW_LAYERS
    return first if more <= 0 else f"{first} and {more} more"
