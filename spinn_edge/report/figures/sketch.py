"""What a figure's module gives: a figure with a name, or why there is none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_LONGEST_STEM = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A figure that can be written.

    Attributes:
        name: stem of its files.
        figure: a ``matplotlib.figure.Figure`` that belongs to no window and to no state of pyplot.
    """

    name: str
    figure: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class NotDrawn:
    """A figure that is not drawn.

    Attributes:
        name: stem that its files would have had.
        reason: what was not measured, and what to type to measure it.
    """

    name: str
    reason: str


Drawing = Sketch | NotDrawn


def stem(name: str, *parts: str) -> str:
    """Return ``latency-dense``: a file's stem of letters, digits and dashes, whatever the parts.

    Args:
        name: what is drawn.
        parts: of what it is, such as a bundle's name; those that are empty are left out.
    """
    words = [name, *(re.sub(r"[^A-Za-z0-9]+", "-", part).strip("-").lower() for part in parts)]
    return "-".join(filter(None, words))[:_LONGEST_STEM].rstrip("-")
