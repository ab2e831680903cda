"""The page beside its table: what it asks for, downloads, print, phone, no script, readers."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from spinn_edge.report import formatting as f
from spinn_edge.report.sources import ReportSources
from spinn_edge.report.tables.spreadsheet import csv_tables
from tests.browser import reports
from tests.browser.conftest import PHONE, Open
from tests.browser.tables import Results

LARGEST_BYTES = 3_000_000


def downloaded(page: Page, link: str) -> tuple[str, str]:
    """Return name and text of what a link saves."""
    with page.expect_download() as waited:
        page.locator(link).click()
    return waited.value.suggested_filename, Path(waited.value.path()).read_text(encoding="utf-8")


def backgrounds(page: Page) -> tuple[int, int]:
    """Return the lightness of the page's ground and of its text, 0 to 255."""
    light: list[int] = page.evaluate(
        "() => ['backgroundColor', 'color'].map((name) => Math.max(...getComputedStyle("
        "document.body)[name].match(/[\\d.]+/g).slice(0, 3).map(Number)))"
    )
    return light[0], light[1]


def test_the_page_asks_for_nothing(visit: Open, report: Path) -> None:
    opened = visit(report, fresh=True)
    opened.page.keyboard.press("End")
    drawn = opened.draw_all()
    opened.page.wait_for_load_state("networkidle")

    assert opened.trespasses == []
    assert drawn == opened.page.locator("figure[data-chart]").count() >= 4


def test_the_json_download_is_the_document(
    visit: Open, report: Path, sources: ReportSources
) -> None:
    name, text = downloaded(visit(report).page, "a#download-json")

    assert name.endswith(".json")
    assert json.loads(text) == sources.results[0].raw


def test_the_csv_download_is_the_table(visit: Open, report: Path, sources: ReportSources) -> None:
    name, text = downloaded(visit(report).page, "a#download-csv")

    tables = csv_tables(sources)
    assert text.replace("\r\n", "\n") == tables[name.removesuffix(".csv")].replace("\r\n", "\n")
    lines = list(csv.reader(io.StringIO(text)))
    assert len({len(line) for line in lines}) == 1
    assert len(lines) > len(sources.results[0].result.rows)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_follows_the_colours_of_the_system(visit: Open, report: Path, dark: bool) -> None:
    ground, text = backgrounds(visit(report, dark=dark).page)

    assert (ground < text) == dark


def test_the_switch_turns_the_colours(visit: Open, report: Path) -> None:
    page = visit(report, fresh=True).page
    page.locator("#theme").click()

    ground, text = backgrounds(page)
    assert ground < text


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_serious(visit: Open, report: Path, dark: bool) -> None:
    opened = visit(report, dark=dark)
    opened.draw_all()

    assert opened.axe_findings() == []


@pytest.mark.parametrize("width", [PHONE, 768, 1280])
def test_the_page_does_not_scroll_sideways(visit: Open, report: Path, width: int) -> None:
    opened = visit(report, width=width)
    opened.draw_all()

    assert opened.sideways == 0


def test_no_chart_is_wider_than_a_phone(
    visit: Open, rendered: Callable[[str, ReportSources], Path]
) -> None:
    opened = visit(rendered("two-speeds", reports.two_speeds()), width=PHONE)
    assert opened.draw_all() >= 4
    assert opened.page.get_by_text(re.compile("% near")).count() > 0  # labels that reach far

    # what is wider is shown smaller, letters too
    room: list[float] = opened.page.evaluate(
        "() => [...document.querySelectorAll('.chart-view svg')].map("
        "(svg) => svg.parentElement.clientWidth - svg.width.baseVal.value)"
    )
    assert min(room) >= 0


def test_axe_finds_nothing_serious_on_a_phone(visit: Open, report: Path) -> None:
    opened = visit(report, width=PHONE)
    opened.draw_all()

    assert opened.axe_findings() == []


def test_it_prints(visit: Open, report: Path) -> None:
    page = visit(report, fresh=True).page
    pdf = page.pdf(format="A4")

    assert pdf.startswith(b"%PDF")
    page.emulate_media(media="print", color_scheme="dark")
    ground, text = backgrounds(page)
    assert ground > text  # dark ground would empty a cartridge
    assert not page.locator("#filters").is_visible()


def test_without_javascript_the_tables_are_there(
    visit: Open, report: Path, sources: ReportSources
) -> None:
    page = visit(report, script=False).page

    assert len(Results(page).lines) == len(sources.results[0].result.rows)
    assert not page.locator("#filters").is_visible()  # they would do nothing
    assert page.locator("table:visible").count() >= 3
    for facts in sources.results[0].result.bundles:
        assert f.whole(facts.parameters) in page.locator("main").inner_text()


def test_two_hundred_rows_fit(visit: Open, many_rows: Path, many_sources: ReportSources) -> None:
    assert many_rows.stat().st_size <= LARGEST_BYTES
    opened = visit(many_rows, fresh=True)
    table = Results(opened.page)

    assert len(table.lines) == len(many_sources.results[0].result.rows) == 200
    table.button("median").click()
    assert table.head("median").get_attribute("aria-sort") == "ascending"
    assert opened.sideways == 0
