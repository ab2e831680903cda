"""Pictures of a report for docs/images: light, dark, and on a phone.

``PYTHONPATH=. python tests/browser/screenshots.py report.html docs/images``
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.chromium import ARGUMENTS, chromium_path

VIEWS = {"report-light": (1280, False), "report-dark": (1280, True), "report-phone": (390, False)}
TALL = 2200
"""CSS pixels from the top that a picture holds."""


def main(page_file: Path, folder: Path) -> None:
    """Write a PNG file for each view."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        for name, (width, dark) in VIEWS.items():
            context = browser.new_context(
                viewport={"width": width, "height": TALL},
                color_scheme="dark" if dark else "light",
            )
            page = context.new_page()
            page.goto(page_file.resolve().as_uri())
            page.evaluate("() => spinnEdgeCharts.drawAll()")
            page.screenshot(path=folder / f"{name}.png")
            few = Image.open(folder / f"{name}.png").convert("RGB").quantize(128)
            few.save(folder / f"{name}.png", optimize=True)  # a third of its size
            context.close()
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
