"""How wide tables may be, in columns."""

from __future__ import annotations

FULL_WIDTH = 110
"""A screen that shows a whole row of latencies."""

PIPED_WIDTH = 160
"""Where nobody looks at a terminal; nothing is cut off to fit 80."""
