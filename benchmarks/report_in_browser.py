"""How large is a report of many rows, and how soon can it be used in a browser?

``PYTHONPATH=. python benchmarks/report_in_browser.py demo-output/results.json``. Prints a Markdown
table. Needs ``playwright`` and the system's Chromium (or one named in SPINN_EDGE_CHROMIUM).

The rows are those of a real result, over and over under other names of bundles, samples and all.
*Interactive* counts from the start of the navigation to the moment at which the table can be sorted
and the first chart, which is scrolled to at once, is drawn; median of five fresh pages in one
browser. *Sorted* is a click on a head and the next frame.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from spinn_edge.bench.regression.stored import read_result
from spinn_edge.bench.result import BenchResult
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.page.page import render_page
from spinn_edge.report.sources import NamedResult, ReportSources
from tests.browser.chromium import ARGUMENTS, chromium_path

ROWS, LOADS = 200, 5
LARGEST_BYTES, LONGEST_S = 3_000_000, 1.5

WATCH = """
globalThis.seen = {};
const look = () => {
  const first = document.querySelector('.chart-view');
  if (first && !seen.scrolled) { seen.scrolled = true; first.scrollIntoView(); }
  if (!seen.sortable && document.querySelector('#results thead th button')) {
    seen.sortable = performance.now();
  }
  if (!seen.drawn && document.querySelector('.chart-view svg, .chart-view canvas')) {
    seen.drawn = performance.now();
  }
  if (!seen.sortable || !seen.drawn) requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""
SORT = """
() => new Promise((done) => {
  const start = performance.now();
  document.querySelector('#results thead th:nth-child(7) button').click();
  requestAnimationFrame(() => setTimeout(() => done(performance.now() - start)));
})
"""


def main() -> int:
    """Print the figures; return 1 where one is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("result", type=Path)
    parser.add_argument("--rows", type=int, default=ROWS)
    options = parser.parse_args()
    found = many_rows(read_result(options.result), options.rows)
    named = NamedResult.of("results", found, json.loads(to_text(bench_document(found))))
    started = time.perf_counter()
    page = render_page(ReportSources(results=(named,)))
    written_s = time.perf_counter() - started
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "report.html"
        file.write_text(page, encoding="utf-8")
        size, loads = file.stat().st_size, measured_loads(file)
    interactive_s = [max(load["sortable"], load["drawn"]) / 1e3 for load in loads]
    median_s = statistics.median(interactive_s)
    sorted_s = statistics.median(load["sorted"] for load in loads) / 1e3
    each = ", ".join(f"{value:.2f}" for value in interactive_s)
    print("| figure | wanted | measured |\n|---|---|---|")
    print(f"| page of {len(found.rows)} rows | ≤ 3 MB | {size / 1e6:.2f} MB |")
    print(f"| interactive in headless Chromium | ≤ 1.5 s | {median_s:.2f} s ({each}) |")
    print(f"| sorted | | {sorted_s:.2f} s |")
    print(f"| page written | | {written_s:.1f} s |")
    return 0 if size <= LARGEST_BYTES and median_s <= LONGEST_S else 1


def many_rows(result: BenchResult, count: int) -> BenchResult:
    """Return a result of ``count`` timed rows: those of ``result`` under ever new names."""
    timed = [row for row in result.rows if row.samples_s]
    facts, rows = [], []
    for turn in itertools.count():
        names = {one.name: f"{one.name}-{turn}" for one in result.bundles}
        facts += [
            replace(one, name=names[one.name], baseline=one.baseline and turn == 0)
            for one in result.bundles
        ]
        rows += [replace(row, bundle=names[row.bundle]) for row in timed]
        if len(rows) >= count:
            return replace(result, bundles=tuple(facts), rows=tuple(rows[:count]))
    raise AssertionError("counting ends never")


def measured_loads(file: Path) -> list[dict[str, Any]]:
    """Open the page some times; return when it was sortable, drawn, and sorted, milliseconds."""
    from playwright.sync_api import sync_playwright

    loads = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium_path(), args=list(ARGUMENTS))
        for _ in range(LOADS):
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            page = context.new_page()
            page.add_init_script(WATCH)
            page.goto(file.as_uri())
            page.wait_for_function("() => seen.sortable && seen.drawn")
            seen: dict[str, Any] = page.evaluate("() => seen")
            loads.append({**seen, "sorted": page.evaluate(SORT)})
            context.close()
        browser.close()
    return loads


if __name__ == "__main__":
    sys.exit(main())
