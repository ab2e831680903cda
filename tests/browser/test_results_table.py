"""Every row of the result is in the page's table; it is sorted by value and filtered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spinn_edge.bench.measurement import Row
from spinn_edge.report import formatting as f
from spinn_edge.report.sources import ReportSources
from tests.browser.conftest import Open
from tests.browser.tables import Results

FIGURES = {
    "median": ("median_s", lambda row: f.seconds(row.median_s)),
    "95 % interval": ("median_interval_s", lambda row: f.span(row.median_interval_s, f.seconds)),
    "p90": ("p90_s", lambda row: f.seconds(row.p90_s)),
    "p95": ("p95_s", lambda row: f.seconds(row.p95_s)),
    "p99": ("p99_s", lambda row: f.seconds(row.p99_s)),
    "p99.9": ("p999_s", lambda row: f.seconds(row.p999_s)),
    "throughput": ("throughput_per_s", lambda row: f.per_second(row.throughput_per_s)),
    "speed-up": ("speedup", f.speedup),
}
"""By title of a column: the key in the JSON document, and the text that every report has."""


@pytest.fixture
def table(visit: Open, report: Path) -> Results:
    """Every row, in the order of the result; no chart is drawn while a test clicks."""
    opened = visit(report)
    opened.draw_all()
    return Results(opened.page).show_all()


@pytest.fixture
def raw_rows(sources: ReportSources) -> list[dict[str, Any]]:
    """The rows as the JSON document has them."""
    return list(sources.results[0].raw["rows"])


def rows_of(sources: ReportSources) -> tuple[Row, ...]:
    return sources.results[0].result.rows


def column(line: dict[str, Any], titles: list[str], title: str) -> str:
    return str(line["cells"][titles.index(title)])


@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_every_row_has_its_own_numbers(
    visit: Open, report: Path, sources: ReportSources, script: bool
) -> None:
    table = Results(visit(report, script=script).page)
    if script:
        table.show_all()
    titles, lines = table.titles, table.lines

    assert len(lines) == len(rows_of(sources))
    for line, row in zip(lines, rows_of(sources), strict=True):
        assert column(line, titles, "bundle") == row.bundle
        assert column(line, titles, "runtime") == row.runtime
        assert column(line, titles, "batch") == str(row.batch)
        assert column(line, titles, "status") == row.status
        if not row.samples_s:
            assert line["cells"][-1] == row.reason
            continue
        for title, (_, text) in FIGURES.items():
            assert column(line, titles, title).lstrip("▲▼ ") == text(row), (row.question, title)


def test_what_is_sorted_by_is_what_the_json_document_holds(
    table: Results, raw_rows: list[dict[str, Any]]
) -> None:
    titles, lines = table.titles, table.lines

    compared = 0
    for line, raw in zip(lines, raw_rows, strict=True):
        for title, (key, _) in FIGURES.items():
            known = raw[key]["low"] if isinstance(raw[key], dict) else raw[key]
            if raw["status"] != "ok" or known is None:
                continue
            assert float(line["sorts"][titles.index(title)]) == known
            compared += 1
    assert compared > 100


def test_sorting_goes_by_value_and_not_by_text(
    table: Results, raw_rows: list[dict[str, Any]]
) -> None:
    medians = sorted(raw["median_s"] for raw in raw_rows if raw["median_s"] is not None)
    wanted = [f.seconds(median) for median in medians]
    assert wanted != sorted(wanted)  # else text would do

    table.button("median").click()
    assert table.texts("median") == wanted

    table.button("median").click()
    assert table.texts("median") == wanted[::-1]


def test_batches_are_sorted_as_numbers(table: Results, raw_rows: list[dict[str, Any]]) -> None:
    table.button("batch").click()

    assert table.texts("batch") == list(map(str, sorted(raw["batch"] for raw in raw_rows)))


def test_what_was_not_measured_comes_last_both_ways(table: Results) -> None:
    for _ in range(2):
        table.button("median").click()
        states = [line["data"]["status"] == "ok" for line in table.lines]
        assert states == sorted(states, reverse=True)
        assert not all(states)


def test_aria_sort_says_which_column_and_which_way(table: Results) -> None:
    def said() -> list[str | None]:
        heads = table.page.locator("#results thead th").all()
        return [head.get_attribute("aria-sort") for head in heads]

    assert set(said()) <= {"none", None}
    seen = []
    for _ in range(2):
        table.button("p90").click()
        assert len([state for state in said() if state not in ("none", None)]) == 1
        seen.append(table.head("p90").get_attribute("aria-sort"))
    assert seen == ["ascending", "descending"]

    table.button("batch").click()
    assert table.head("p90").get_attribute("aria-sort") in ("none", None)
    assert table.head("batch").get_attribute("aria-sort") == "ascending"


@pytest.mark.parametrize("key", ["Enter", "Space"])
def test_the_keyboard_sorts(table: Results, key: str) -> None:
    table.button("median").focus()
    table.page.keyboard.press(key)

    assert table.head("median").get_attribute("aria-sort") == "ascending"
    focused = table.page.evaluate("() => document.activeElement.textContent")
    assert focused == "median"


def test_at_first_the_timed_rows_are_seen_and_the_count_names_the_others(
    visit: Open, report: Path, sources: ReportSources
) -> None:
    table = Results(visit(report, fresh=True).page)
    rows = rows_of(sources)
    timed = [row for row in rows if row.samples_s]

    assert len(table.lines) == len(timed) == len(rows) - 3
    assert {line["data"]["status"] for line in table.lines} == {"ok"}
    assert table.count == (
        f"{len(timed)} of {len(rows)} rows; 3 not timed are hidden (2 unavailable, 1 failed)"
    )
    assert table.page.locator("#filter-reset").inner_text() == "Show all rows"
    table.page.locator("#filter-reset").click()
    table.page.wait_for_function(
        "wanted => document.querySelector('#filter-count').textContent === wanted",
        arg=f"{len(rows)} rows",
    )
    assert len(table.lines) == len(rows)


def test_print_shows_every_row(visit: Open, report: Path, sources: ReportSources) -> None:
    table = Results(visit(report, fresh=True).page)
    assert len(table.lines) < len(rows_of(sources))
    table.page.emulate_media(media="print")

    assert len(table.lines) == len(rows_of(sources))


def test_words_filter_the_rows(table: Results, sources: ReportSources) -> None:
    box = table.page.locator("input#filter-text")
    box.fill("pruned ort-cpu")

    shown = table.lines
    wanted = [r for r in rows_of(sources) if (r.bundle, r.runtime) == ("pruned", "ort-cpu")]
    assert len(shown) == len(wanted) == 3
    assert {line["data"]["runtime"] for line in shown} == {"ort-cpu"}
    assert table.count == f"3 of {len(rows_of(sources))} rows"

    box.fill("no such thing")
    assert table.lines == []
    box.fill("")
    assert len(table.lines) == len(rows_of(sources))


def test_a_choice_filters_the_rows_and_reset_shows_all(
    table: Results, sources: ReportSources
) -> None:
    table.page.locator("select#filter-runtime").select_option("torchscript")
    table.page.locator("select#filter-batch").select_option("8")

    assert [(line["data"]["runtime"], line["data"]["batch"]) for line in table.lines] == [
        ("torchscript", "8")
    ] * 2

    table.page.locator("#filter-reset").click()
    table.page.wait_for_function(
        "wanted => [...document.querySelectorAll('#results tbody tr')]"
        ".filter((line) => line.checkVisibility()).length === wanted",
        arg=len(rows_of(sources)),
    )


def test_sorting_keeps_the_filter(table: Results) -> None:
    table.page.locator("select#filter-runtime").select_option("eager")
    table.button("median").click()

    assert {line["data"]["runtime"] for line in table.lines} == {"eager"}
