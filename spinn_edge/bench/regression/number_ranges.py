"""What numbers a recorded result can hold, by their keys."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

SHORTEST_S, LONGEST_S = 1e-12, 1e6
"""Between these lies every median that any clock here can have timed."""

_Range = tuple[float, float]
_FINITE: _Range = (-math.inf, math.inf)
_FROM_0: _Range = (0, math.inf)
_FROM_1: _Range = (1, math.inf)
_MEDIAN: _Range = (SHORTEST_S, LONGEST_S)

_RANGES: Mapping[str, _Range] = {
    **dict.fromkeys(("r2", "r2_overall", "linear_r2"), _FINITE),
    **dict.fromkeys(("batch", "threads", "launch_samples"), _FROM_1),
    **dict.fromkeys(("widths", "ticks", "inferences"), _FROM_1),
    **dict.fromkeys(("baseline_median_s", "baseline_medians_s"), _MEDIAN),
    **dict.fromkeys(("back_to_back_medians_s", "throughput_samples_s"), _MEDIAN),
    "rows": _FROM_1,
    "rate_per_s": (1 / LONGEST_S, 1 / SHORTEST_S),
}
"""Of all others: 0 or more. Every number is finite."""


def number_fault(value: Any, key: str = "") -> str:
    """Return the key of the first number that cannot be, and why; empty where all can.

    Args:
        value: a dataclass, or what one holds.
        key: of the value, for the message.

    Raises:
        OverflowError: an integer beyond every float.
    """
    return next(_faults(value, key, _FROM_0), "")


def _faults(value: Any, key: str, allowed: _Range) -> Iterator[str]:
    if is_dataclass(value):
        for field in fields(value):
            name = field.name
            inner = getattr(value, name)
            yield from _faults(inner, f"{key}.{name}".strip("."), _RANGES.get(name, _FROM_0))
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _faults(inner, f"{key}.{name}", allowed)
    elif isinstance(value, tuple):
        if not _all_inside(value, allowed):
            for place, inner in enumerate(value):
                yield from _faults(inner, f"{key}[{place}]", allowed)
    elif _is_number(value) and not _all_inside((value,), allowed):
        least, most = allowed
        expected = "a finite number"
        if math.isfinite(least):
            expected = f"{least:g} or more" if most == math.inf else f"{least:g} to {most:g}"
        yield f"{key} is {value:g}, expected {expected}"


def _all_inside(values: tuple[Any, ...], allowed: _Range) -> bool:
    """Tell whether they all are numbers in range: fast, for a million samples."""
    least, most = allowed
    try:
        return all(map(math.isfinite, values)) and all(least <= value <= most for value in values)
    except TypeError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
