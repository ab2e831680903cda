"""How long does a report take, and how large is it?

``PYTHONPATH=. python benchmarks/report_check.py RESULTS.json [MORE.json ...] --bundle DIR ...``,
with what ``spinn-edge demo`` wrote. Prints a Markdown table; leaves with 1 where one is missed.

- *figures*: all that the sources have, as PNG and SVG, drawn in a process that has not drawn yet.
  Seconds of a core beside it are what drawing takes; where they lie far below, others were running.
- *page*: the HTML of a result of ``ROWS`` rows, made from the first result's own: bytes, and
  seconds to write it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from spinn_edge.report.figures.drawing import draw_figures
from spinn_edge.report.page.page import render_page
from spinn_edge.report.sources import NamedResult, ReportSources, read_sources

FIGURES_S, PAGE_BYTES, ROWS = 15.0, 3_000_000, 200


def main() -> int:
    """Print the table; return 1 where a figure is missed."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("documents", nargs="+", type=Path, metavar="JSON")
    parser.add_argument("--bundle", action="append", default=[], type=Path)
    options = parser.parse_args()
    sources = read_sources(options.documents, options.bundle)
    print("| figure | wanted | measured |\n|---|---|---|", flush=True)
    kept = [_row(*line) for line in (*figures(sources), *page(sources))]
    return 0 if all(kept) else 1


def figures(sources: ReportSources) -> Iterator[tuple[str, str, str, bool]]:
    """Draw all figures once."""
    with tempfile.TemporaryDirectory() as folder:
        start, worked_s = time.perf_counter(), time.process_time()
        report = draw_figures(sources, Path(folder))
        took_s = time.perf_counter() - start
        worked_s = time.process_time() - worked_s
    count = len({path.stem for path in report.drawn})
    what = f"{count} figures, PNG and SVG"
    measured = f"{took_s:.1f} s ({worked_s:.1f} s of a core)"
    yield what, f"at most {FIGURES_S:g} s", measured, took_s <= FIGURES_S


def page(sources: ReportSources) -> Iterator[tuple[str, str, str, bool]]:
    """Write the page of many rows."""
    many = replace(sources, results=(_of_many_rows(sources.results[0]),))
    start = time.perf_counter()
    size = len(render_page(many).encode("utf-8"))
    took_s = time.perf_counter() - start
    wanted = f"at most {PAGE_BYTES:,} bytes"
    yield f"HTML of {ROWS} rows", wanted, f"{size:,} bytes in {took_s:.1f} s", size <= PAGE_BYTES


def _of_many_rows(named: NamedResult) -> NamedResult:
    """Return ``ROWS`` rows: the timed ones again and again, each time at another batch size."""
    timed = [row for row in named.result.rows if row.samples_s]
    rows = tuple(
        replace(timed[number % len(timed)], batch=1 + number // len(timed))
        for number in range(ROWS)
    )
    result = replace(named.result, rows=rows)
    return NamedResult.of(named.name, result, result.to_json())


def _row(what: str, wanted: str, measured: str, kept: bool) -> bool:
    print(f"| {what} | {wanted} | {measured}{'' if kept else ' **missed**'} |", flush=True)
    return kept


if __name__ == "__main__":
    sys.exit(main())
