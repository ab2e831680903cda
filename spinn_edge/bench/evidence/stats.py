"""Pure statistics on latency samples."""

from __future__ import annotations

from collections.abc import Sequence

TAIL_SAMPLES = 10
"""A percentile is stated only when at least this many samples lie beyond it."""


def quantile(samples: Sequence[float], q: float) -> float | None:
    """Return the ``q`` quantile, or None where fewer than ``TAIL_SAMPLES`` lie beyond it.

    Source: linear interpolation between order statistics, type 7 of Hyndman and Fan (1996),
    "Sample quantiles in statistical packages".
    """
    if len(samples) * (1 - q) < TAIL_SAMPLES - 1e-9:
        return None
    ordered = sorted(samples)
    position = q * (len(ordered) - 1)
    low = int(position)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (position - low) * (ordered[high] - ordered[low])
