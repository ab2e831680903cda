"""Colours and shapes that mean the same in every chart of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.chart import Spec
from spinn_edge.report.charts.names import short_name
from spinn_edge.report.colours import COLOURS, COLOURS_ON_DARK
from spinn_edge.report.sources import ReportSources

SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "stroke")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 2, 2, 2), (10, 4), (4, 4, 1, 4))
"""What tells runtimes apart where colour says which model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Legend:
    """All names of a report, in the order in which they take colours.

    Attributes:
        models: bundle names, baselines first.
        runtimes: as :func:`runtime_name` gives them.
    """

    models: tuple[str, ...]
    runtimes: tuple[str, ...]

    @classmethod
    def of(cls, sources: ReportSources) -> Legend:
        """Collect them from every result, bundle and explanation."""
        facts = [facts for named in sources.results for facts in named.result.bundles]
        facts.sort(key=lambda one: not one.baseline)
        rows = [row for named in sources.results for row in named.result.rows]
        models = [one.name for one in facts] + [bundle.name for bundle in sources.bundles]
        return cls(
            models=tuple(dict.fromkeys(models)),
            runtimes=tuple(dict.fromkeys(map(runtime_name, rows))),
        )

    def colour_of(self, model: str) -> str:
        """Return a model's colour; one that no result knows takes the last."""
        place = self.models.index(model) if model in self.models else len(COLOURS) - 1
        return COLOURS[place % len(COLOURS)]

    def colour_on_dark_of(self, model: str) -> str:
        """Return the colour that a model has on a dark page."""
        return COLOURS_ON_DARK[COLOURS.index(self.colour_of(model))]

    def colour(self, models: Iterable[str]) -> Spec:
        """Return the colour channel for the models of one chart, in the field ``model``.

        The scale knows every model, and the theme knows its range, so that a model has one colour
        in all charts of a page.
        """
        found = _in_order(models, self.models)
        known = dict.fromkeys([*self.models, *found])
        return {
            "field": "model",
            "type": "nominal",
            "scale": {"domain": list(map(short_name, known)), "range": "category"},
            "legend": {**_LEGEND, "values": list(map(short_name, found))},
        }

    def shape(self, runtimes: Iterable[str]) -> Spec:
        """Return the shape channel for the runtimes of one chart, in the field ``runtime``."""
        found = _in_order(runtimes, self.runtimes)
        return _channel("runtime", found, [SHAPES[self._place(one) % len(SHAPES)] for one in found])

    def dash(self, runtimes: Iterable[str]) -> Spec:
        """Return the channel of dashed lines for the runtimes of one chart."""
        found = _in_order(runtimes, self.runtimes)
        dashes = [list(DASHES[self._place(one) % len(DASHES)]) for one in found]
        return _channel("runtime", found, dashes)

    def _place(self, runtime: str) -> int:
        return self.runtimes.index(runtime) if runtime in self.runtimes else 0


def runtime_name(row: Row) -> str:
    """Return the runtime that ran, with the precision where it is not fp32."""
    return f.runtime(row.runtime, row.served_by, row.precision)


def _in_order(found: Iterable[str], known: Sequence[str]) -> list[str]:
    names = set(found)
    return [*(name for name in known if name in names), *sorted(names - set(known))]


def _channel(field: str, names: Sequence[str], marks: Sequence[object]) -> Spec:
    return {
        "field": field,
        "type": "nominal",
        "scale": {"domain": list(map(short_name, names)), "range": list(marks)},
        "legend": dict(_LEGEND),
    }


_LEGEND = {"title": None, "orient": "top", "symbolOpacity": 1}
