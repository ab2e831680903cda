"""Ticks of axes of seconds, counts and shares: few, round, with their units."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from spinn_edge.core.optional import require
from spinn_edge.report import formatting as f
from spinn_edge.report.figures.style import EXTRA

_STEPS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
"""Ticks in a decade, coarse to fine."""


def tick_seconds(value: float) -> str:
    """Return ``1 ms`` or ``1.5 µs``: seconds without the zeros that say how exact they are."""
    return "0 s" if value == 0 else _bare(f.seconds(value))


def tick_size(value: float) -> str:
    """Return ``200 MB``, likewise."""
    return _bare(f.size(round(value)))


def _bare(text: str) -> str:
    number, unit = text.split()
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def log_axis(
    axis: Any, low: float, high: float, text: Callable[[float], str], *, most: int = 4
) -> None:
    """Give a logarithmic axis a few round ticks.

    Args:
        axis: ``axes.xaxis`` or ``axes.yaxis``.
        low: end of the axis.
        high: its other end.
        text: makes a tick's label.
        most: ticks.
    """
    ticker = require("matplotlib.ticker", extra=EXTRA)
    ticks = round_ticks(low, high, most)
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_major_formatter(ticker.FixedFormatter([text(value) for value in ticks]))
    axis.set_minor_locator(ticker.NullLocator())


def bar_axis(axis: Any, longest: float, text: Callable[[float], str], *, most: int = 4) -> None:
    """Give the axis of bars round ticks from 0 to the longest; beyond it is room for numbers."""
    ticker = require("matplotlib.ticker", extra=EXTRA)
    found = ticker.MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]).tick_values(0, longest or 1.0)
    ticks = [float(one) for one in found if 0 <= one <= (longest or 1.0)]
    axis.set_major_locator(ticker.FixedLocator(ticks))
    axis.set_major_formatter(ticker.FixedFormatter([text(value) for value in ticks]))


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return at most ``most`` round numbers between two positive ones, at least two if it can.

    Less than a factor apart they are evenly spaced, as a scale of one decade's part nearly is.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in reversed(_STEPS):
        ticks = [s * 10.0**d for d in decades for s in steps if low <= s * 10.0**d <= high]
        if 2 <= len(ticks) <= most:
            return ticks
    whole = [10.0**d for d in decades if low <= 10.0**d <= high]
    if len(whole) > most:
        return whole[:: math.ceil(len(whole) / most)]
    found = require("matplotlib.ticker", extra=EXTRA).MaxNLocator(
        most - 1, steps=[1, 2, 2.5, 5, 10]
    )
    ticks = [float(one) for one in found.tick_values(low, high) if low <= one <= high]
    return ticks[:most] or [math.sqrt(low * high)]


def padded(values: Sequence[float], factor: float = 1.15) -> tuple[float, float]:
    """Return the ends of a logarithmic axis around positive values."""
    return min(values) / factor, max(values) * factor
