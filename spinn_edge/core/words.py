"""Words that messages and tables share."""

from __future__ import annotations

from collections.abc import Sequence


def dashed(widths: Sequence[int]) -> str:
    """Return ``18-285-285-285-142-2``."""
    return "-".join(map(str, widths))
