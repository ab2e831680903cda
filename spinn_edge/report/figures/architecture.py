"""The network before and after pruning, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.optional import require
from spinn_edge.core.pruning_record import LayerAudit
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.lettering import labels
from spinn_edge.report.figures.sketch import Drawing, NotDrawn, Sketch, stem
from spinn_edge.report.figures.style import (
    DOUBLE_IN,
    EXTRA,
    GRID,
    SINGLE_IN,
    SMALL_PT,
    bar_key,
    mark,
    new_figure,
    remark,
)
from spinn_edge.report.sources import ReportSources

NAME = "architecture"
_MOST_LAYERS = 30
_MOST_MODELS = 4
_LEAST = 0.025
"""Height of the narrowest layer, a share of the widest: it must be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """An MLP as it is drawn: its widths from input to output, and its parameters."""

    name: str
    widths: tuple[int, ...]
    parameters: int | None


def draw_architectures(sources: ReportSources) -> Iterator[Drawing]:
    """Draw MLPs beside each other, and the layers of every other network that was pruned."""
    models = mlps_of(sources)
    drawn = False
    for start in range(0, len(models), _MOST_MODELS):
        page = str(start // _MOST_MODELS + 1) if len(models) > _MOST_MODELS else ""
        some = models[start : start + _MOST_MODELS]
        yield Sketch(name=stem(NAME, page), figure=widths_figure(some))
        drawn = True
    for bundle in sources.bundles:
        audit = bundle.manifest.pruning
        if audit is not None and not bundle.manifest.architecture.widths and audit.layers:
            pages = range(0, len(audit.layers), _MOST_LAYERS)
            for start in pages:
                page = str(start // _MOST_LAYERS + 1) if len(pages) > 1 else ""
                layers = audit.layers[start : start + _MOST_LAYERS]
                figure = layers_figure(bundle, layers)
                yield Sketch(name=stem(NAME, bundle.name, page), figure=figure)
                drawn = True
    if not drawn:
        yield NotDrawn(
            name=NAME,
            reason="no widths are known: these models are no MLPs, and no bundle with an audit of "
            "pruning was given; name one with --bundle",
        )


def mlps_of(sources: ReportSources) -> list[Widths]:
    """Return each MLP once: of the bundles, else of the results, else of what was pruned."""
    found: dict[str, Widths] = {}
    for bundle in sources.bundles:
        manifest = bundle.manifest
        found[bundle.name] = Widths(
            name=bundle.name,
            widths=manifest.architecture.widths,
            parameters=manifest.parameters,
        )
    for named in sources.results:
        for one in named.result.bundles:
            alike = Widths(name=one.name, widths=one.widths, parameters=one.parameters)
            found.setdefault(one.name, alike)
    known = [one for one in found.values() if one.widths]
    if len(known) == 1:
        known = [*_before(sources.bundles), *known]
    return known


def widths_figure(models: Sequence[Widths]) -> Any:
    """Return a column for each layer, as high as it is wide, on one scale for all models."""
    layers = max(len(one.widths) for one in models)
    wide = len(models) > 1 or layers > 8
    rows = len(models) if layers > 9 else 1
    columns = -(-len(models) // rows)
    figure = new_figure(DOUBLE_IN if wide else SINGLE_IN, 0.6 + 1.9 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).flat
    names = labels([one.name for one in models], 44 // columns)
    widest = max(max(one.widths) for one in models)
    first = models[0].parameters
    for number, (axes, model) in enumerate(zip(grid, models, strict=True)):
        words = f"{f.whole(model.parameters)} parameters"
        if number and first and model.parameters is not None:
            words += f", {f.change(first, model.parameters)}"
        axes.set_title(f"{names[model.name]}\n{words}", fontsize=SMALL_PT)
        _draw_columns(axes, model.widths, widest, number)
    remark(
        figure,
        "A column is a layer, its number the neurons; heights are on one scale"
        + (f", but none is below {_LEAST:.1%} of the widest".replace("%", " %"))
        + ". Left: inputs, right: outputs.",
    )
    return figure


def layers_figure(bundle: Bundle, layers: Sequence[LayerAudit]) -> Any:
    """Return channels of each group of layers, before and after."""
    audit = bundle.manifest.pruning
    assert audit is not None
    figure = new_figure(DOUBLE_IN, 1.2 + 0.27 * len(layers))
    axes = figure.subplots()
    names = _layer_labels(layers)
    for place, layer in enumerate(layers):
        for number, (count, at) in enumerate(((layer.before, 0.2), (layer.after, -0.2))):
            words = f.whole(count)
            words += f"  {f.change(layer.before, layer.after)}" if number else ""
            axes.barh(at - place, count, height=0.38, **mark(number).bar())
            axes.annotate(
                words,
                (count, at - place),
                xytext=(3, 0),
                textcoords="offset points",
                va="center",
                fontsize=SMALL_PT,
            )
    axes.set_yticks([-place for place in range(len(layers))], names)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(0.6 - len(layers), 0.6)
    axes.set_xlim(0, 1.2 * max(layer.before for layer in layers) or 1)
    axes.set_xlabel("channels")
    axes.grid(axis="x")
    bar_key(figure, [mark(0), mark(1)], ["before pruning", "after"])
    before, after = audit.parameters_before, audit.parameters_after
    remark(
        figure,
        f"{labels([bundle.name], 40)[bundle.name]}: {f.whole(before)} parameters before, "
        f"{f.whole(after)} after ({f.change(before, after)}).",
    )
    return figure


def _draw_columns(axes: Any, widths: Sequence[int], widest: int, number: int) -> None:
    polygon = require("matplotlib.patches", extra=EXTRA).Polygon
    heights = [max(width / widest, _LEAST) for width in widths]
    half = 0.17
    for place in range(len(widths) - 1):
        left, right = heights[place] / 2, heights[place + 1] / 2
        corners = [
            (place + half, left),
            (place + 1 - half, right),
            (place + 1 - half, -right),
            (place + half, -left),
        ]
        axes.add_patch(polygon(corners, closed=True, facecolor=GRID, edgecolor="none"))
    for place, (width, height) in enumerate(zip(widths, heights, strict=True)):
        axes.bar(place, height, bottom=-height / 2, width=2 * half, **mark(number).bar())
        axes.annotate(
            f.whole(width),
            (place, height / 2),
            xytext=(0, 2),
            textcoords="offset points",
            ha="center",
            fontsize=SMALL_PT,
        )
    axes.set_xlim(-0.6, len(widths) - 0.4)
    axes.set_ylim(-0.56, 0.66)
    axes.set_axis_off()


def _layer_labels(layers: Sequence[LayerAudit]) -> list[str]:
    names = labels([layer.name for layer in layers], 40)
    return [names[layer.name] for layer in layers]


def _before(bundles: Sequence[Bundle]) -> list[Widths]:
    """Return what the audit of a lone pruned MLP says of the network that was given."""
    for bundle in bundles:
        audit, widths = bundle.manifest.pruning, bundle.manifest.architecture.widths
        if audit is not None and len(audit.layers) == len(widths) - 2:
            hidden = tuple(layer.before for layer in audit.layers)
            return [
                Widths(
                    name=f"{bundle.name} before pruning",
                    widths=(widths[0], *hidden, widths[-1]),
                    parameters=audit.parameters_before,
                )
            ]
    return []
