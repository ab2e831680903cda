"""The table of all rows, as a reader of the page meets it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Locator, Page

READ = """
() => [...document.querySelectorAll('#results tbody tr')].map((line) => ({
  shown: line.checkVisibility(),
  data: {...line.dataset},
  cells: [...line.cells].map((cell) => cell.textContent),
  sorts: [...line.cells].map((cell) => cell.dataset.sort ?? null),
}))
"""


AS_WRITTEN = """
() => {
  document.getElementById('filters').reset();
  const sorted = document.querySelector('#results th:not([aria-sort="none"]) button');
  for (let turn = 0; sorted && turn < 2; turn += 1) {
    if (sorted.parentElement.getAttribute('aria-sort') !== 'none') sorted.click();
  }
  return new Promise((done) => setTimeout(() => requestAnimationFrame(done)));
}
"""
"""Undo what another test chose: every row is shown, in the order of the result."""


class Results:
    """``#results`` of an open page."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def show_all(self) -> Results:
        """Return it with every row shown, in the order of the result."""
        self.page.evaluate(AS_WRITTEN)
        return self

    @property
    def count(self) -> str:
        """What is said of how many rows are seen."""
        return self.page.locator("#filter-count").inner_text()

    @property
    def titles(self) -> list[str]:
        """Heads of the columns, in order."""
        # the inner text of what is far away is empty, as nothing is laid out there
        return self.page.locator("#results thead th").all_text_contents()

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Lines that are shown, in the order in which they stand there."""
        lines: list[dict[str, Any]] = self.page.evaluate(READ)
        return [line for line in lines if line["shown"]]

    def head(self, title: str) -> Locator:
        """Return the head cell of a column."""
        return self.page.locator("#results thead th").nth(self.titles.index(title))

    def button(self, title: str) -> Locator:
        """Return what sorts by a column."""
        return self.head(title).locator("button")

    def texts(self, title: str) -> list[str]:
        """Return a column's texts, of the lines that have it: a reason spans all figures."""
        place, width = self.titles.index(title), len(self.titles)
        return [
            line["cells"][place]
            for line in self.lines
            if len(line["cells"]) == width or place < len(line["cells"]) - 1
        ]
