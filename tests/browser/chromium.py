"""Which browser, and how it is started."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""It runs as root in a container, and asks nobody for anything."""


def chromium_path() -> str:
    """Return where the system's Chromium lies; empty where there is none."""
    named = os.environ.get("SPINN_EDGE_CHROMIUM")
    return named or next(filter(None, map(shutil.which, NAMES)), "")
