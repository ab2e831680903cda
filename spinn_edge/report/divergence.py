"""Where two forms of a model part, as tables, in words, and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.divergence.locating import Divergence, LayerComparison
from spinn_edge.accuracy.divergence.tensor_statistics import TensorStatistics
from spinn_edge.core.decode import encode
from spinn_edge.report import formatting as f
from spinn_edge.report.screen_table import screen_table

MOST_LISTED = 12
"""Layers and nodes without a partner that the screen shows; all are in the JSON."""

NOT_SEEN = "run without graph optimisations, each node as the file has it: fusions are not seen"


def divergence_tables(divergence: Divergence) -> Group:
    """Return a line for each layer, the two tensors that matter most, and what has no partner."""
    parts = [_layers_table(divergence), _tensors_table(divergence.first or divergence.worst)]
    if divergence.unmatched:
        parts.append(_unmatched_table(divergence))
    return Group(*parts)


def divergence_words(divergence: Divergence) -> list[str]:
    """Return what the tables say."""
    first, worst = divergence.first, divergence.worst
    words = []
    if first is None:
        words.append(
            f"{divergence.file}: no layer beyond tolerance; nearest to it: {worst.name}, "
            f"{f.magnitude(worst.max_abs)} of {worst.tolerance:.3g} allowed ({_at(worst)})"
        )
    else:
        words.append(
            f"{divergence.file}: first beyond tolerance: {first.name}: {first.reason} "
            f"({_at(first)})"
        )
        if worst is not first:
            how = "NaN or Inf" if worst.max_abs is None else f"{worst.used_share:.3g} tolerances"
            words.append(f"{divergence.file}: farthest beyond it: {worst.name}, {how}")
    left_out = divergence.golden_rows - divergence.rows
    if left_out > 0:
        words.append(
            f"{left_out} of {divergence.golden_rows} golden samples were left out: every tensor of "
            "every sample would not fit into memory"
        )
    return [*words, f"{divergence.file}: {NOT_SEEN}"]


def divergences_document(divergences: Sequence[Divergence]) -> dict[str, Any]:
    """Return the document of ``spinn-edge verify --locate --json``."""
    return {
        "passed": all(one.passed for one in divergences),
        "files": [
            {
                "passed": one.passed,
                "first": None if one.first is None else one.first.name,
                "worst": one.worst.name,
                **encode(one),
                "remarks": divergence_words(one),
            }
            for one in divergences
        ],
    }


def _layers_table(divergence: Divergence) -> Table:
    table = screen_table(
        f"{escape(divergence.bundle)}, {escape(divergence.file)} against {divergence.reference}; "
        f"matched by {divergence.matched_by}",
        *("layer", "node", ">scale", ">max abs", ">tolerance", ">used", "verdict"),
    )
    for layer in divergence.layers:
        what = f"{layer.layer} ({layer.kind})" if layer.layer else f"output {layer.tensor}"
        used = "–" if layer.max_abs is None else f"{layer.used_share:.1%}".replace("%", " %")
        table.add_row(
            escape(what),
            escape(layer.node),
            f.magnitude(layer.scale),
            f.magnitude(layer.max_abs),
            f.magnitude(layer.tolerance),
            used,
            "[green]within[/]" if layer.passed else f"[red]beyond[/]: {escape(layer.reason or '')}",
        )
    return table


def _tensors_table(layer: LayerComparison) -> Table:
    table = screen_table(escape(layer.name), "", *(">min", ">max", ">mean", ">std", ">NaN or Inf"))
    for name, found in (("reference", layer.reference), ("this file", layer.deployed)):
        table.add_row(name, *_figures(found))
    return table


def _figures(found: TensorStatistics) -> list[str]:
    finite = (found.min, found.max, found.mean, found.std)
    # six digits: the two tensors are to be told apart
    cells = ["–" if value is None else f"{value:.6g}" for value in finite]
    return [*cells, f"{found.not_finite_share:.2%}".replace("%", " %")]


def _unmatched_table(divergence: Divergence) -> Table:
    table = screen_table("Not compared", "layer or node", "what", "why")
    for item in divergence.unmatched[:MOST_LISTED]:
        table.add_row(escape(item.name), escape(item.kind), escape(item.reason))
    more = len(divergence.unmatched) - MOST_LISTED
    if more > 0:
        table.caption = f"and {more} more: --json has them all"
    return table


def _at(layer: LayerComparison) -> str:
    """Return where: ``sample 17, index 3``."""
    if not layer.where:
        return "no single value"
    index = ", ".join(map(str, layer.where[1:]))
    return f"sample {layer.where[0]}, index {index}" if index else f"sample {layer.where[0]}"
