"""Names that fit an axis, whatever they hold."""

from __future__ import annotations

import hashlib
import unicodedata

LONGEST = 26
"""Characters of a name on an axis or in a legend; in the tooltip it stands whole."""

_KEPT = 18
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""Digits would take the direction of a name that is written from right to left."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of characters that show nothing, or turn the direction of what stands beside them."""


def short_name(name: str) -> str:
    """Return a name on one line; two unlike names never come out alike.

    What is too long is cut, and what cannot be seen is taken out; then four letters made of a
    hash stand at the end.
    """
    if len(name) <= LONGEST and name.isascii() and name.isprintable():
        return name
    seen = "".join(" " if c.isspace() else c for c in name if not _is_unseen(c))
    if seen == name and len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    mark = "".join(_LETTERS[byte % len(_LETTERS)] for byte in digest[:4])
    return f"{seen[:_KEPT]}… {mark}"


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in _UNSEEN and not character.isspace()
