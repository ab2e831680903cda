"""Names from results as lettering: whatever they hold, they are text and fit their place.

matplotlib's own reading of ``$`` as a formula is off in :mod:`.style`. What is left: characters
that no drawing can show or that turn the text around them, and length.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable

SPARE = 4
"""Letters of room for the number that tells two names apart once both were shortened."""


def lettered(name: str, most: int) -> str:
    """Return a name on one line, as wide as so many letters; the middle of a longer one goes.

    Control characters, unpaired surrogates and marks that change the direction of text become
    nothing: an SVG may not hold the first two, and the third would move the words beside the name.
    """
    flat = "".join(" " if one.isspace() else one for one in name[:_LONGEST] + name[-_LONGEST:])
    if len(name) <= _LONGEST:
        flat = flat[: len(name)]
    shown = "".join(one for one in flat if unicodedata.category(one) not in _UNSEEN)
    words = " ".join(shown.split())
    if width_of(words) <= most:
        return words
    half = (most - width_of("…")) / 2
    return f"{_fitting(words, half)}…{_fitting(words[::-1], half)[::-1]}"


def _fitting(words: str, room: float) -> str:
    """Return as many letters from the front as fit."""
    widths = itertools.accumulate(map(width_of, words))
    return words[: sum(1 for width in widths if width <= room)]


def width_of(words: str) -> float:
    """Return how wide words are, in letters of the mean width."""
    return sum(
        1.7
        if one in _WIDE or unicodedata.east_asian_width(one) in "WF"
        else 1.15
        if one.isupper()
        else 1.0
        for one in words
    )


def labels(names: Iterable[str], most: int) -> dict[str, str]:
    """Return a label for each name; two that look alike once shortened get a number."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        label = lettered(name, most) or "(no name)"
        number = 1
        while label in found.values():
            number += 1
            label = f"{lettered(name, most - SPARE)} ({number})"
        found[name] = label
    return found


_WIDE = frozenset("mwMW@%…—")
_LONGEST = 500
"""Letters at each end of a name that are looked at."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn"}
