"""How work in steps says where it is."""

from __future__ import annotations

from collections.abc import Callable

OnStep = Callable[[str, int, int], None]
"""Called before each step: what it does in a few words, steps that have ended, all steps."""


def unheard(words: str, done: int, total: int) -> None:
    """Say nothing: nobody listens."""
