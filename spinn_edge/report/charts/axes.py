"""Axes whose labels are the texts of the tables."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence

from spinn_edge.report import formatting as f
from spinn_edge.report.charts.chart import Spec

_NARROW = 1.02
"""Ends of a range that lie nearer to each other are set apart."""
_FINE = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)
_MIDDLE = (1, 2, 5)
_COARSE = (1,)


def seconds_axis(
    title: str, values: Iterable[float], groups: Iterable[Sequence[float]] = ()
) -> Spec:
    """Return :func:`log_axis` of times, labelled in µs, ms or s."""
    return log_axis(title, values, f.seconds, groups)


def log_axis(
    title: str,
    values: Iterable[float],
    text: Callable[[float], str],
    groups: Iterable[Sequence[float]] = (),
) -> Spec:
    """Return the type, scale and axis of a logarithmic channel.

    Args:
        title: of the axis.
        values: all that are drawn; above 0.
        text: of a tick.
        groups: those of the values that are seen at once, if not all are.
    """
    values = [value for value in values if value > 0 and math.isfinite(value)]
    seen = [group for group in groups if group] or [values]
    scale: Spec = {"type": "log", "nice": False, "padding": 14}
    if values and any(max(group) < _NARROW * min(group) for group in seen):
        # an axis takes its ends from what is seen; one that begins where it ends has no length
        scale["domain"] = [min(values) / 1.3, max(values) * 1.3]
    return {
        "type": "quantitative",
        "title": title,
        "scale": scale,
        "axis": tick_texts(log_ticks(values), text),
    }


def tick_texts(ticks: list[float], text: Callable[[float], str]) -> Spec:
    """Return an axis with these ticks, each with its text."""
    texts = json.dumps([text(tick) for tick in ticks], ensure_ascii=False)
    return {
        "values": ticks,
        "labelExpr": f"{texts}[indexof({json.dumps(ticks)}, datum.value)]",
        "labelOverlap": "greedy",
        "labelSeparation": 8,
    }


def log_ticks(values: Iterable[float]) -> list[float]:
    """Return round numbers over the range of ``values`` and a little beyond, ascending.

    The narrower the range, the more of them; an axis leaves out what would overlap.
    """
    known = [value for value in values if value > 0 and math.isfinite(value)]
    if not known:
        return []
    low, high = min(known) / 2, max(known) * 2
    decades = math.log10(max(known) / min(known))
    steps = _FINE if decades < 1 else _MIDDLE if decades < 4 else _COARSE
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{step}e{exponent}") for exponent in exponents for step in steps]
    return [tick for tick in ticks if low <= tick <= high]


def linear_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Return round numbers from ``low`` to ``high``, ascending, about so many."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{place * step:.12g}") for place in range(first, last + 1)]
