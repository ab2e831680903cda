"""Nothing moves under a reader's eyes or pointer when charts are drawn or far parts come near."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import PHONE, Open

UNDRAWN = """
globalThis.requestIdleCallback = () => 0;
globalThis.IntersectionObserver = class { observe() {} };
"""
"""Leaves every chart undrawn until a test asks for it."""

UNDRAWN_AT_FIRST = """
{
  const asked = globalThis.requestIdleCallback.bind(globalThis);
  const go = new Promise((done) => { globalThis.drawNow = done; });
  globalThis.requestIdleCallback = (run) => { go.then(() => asked(run)); return 0; };
  const Seen = globalThis.IntersectionObserver;
  globalThis.IntersectionObserver = class extends Seen {
    observe(one) { go.then(() => super.observe(one)); }
  };
}
"""
"""Draws as always, but begins when ``drawNow`` is called."""

TOPS = """
() => Object.fromEntries(
  ['results', 'filter-reset', 'filter-count', 'parity', 'environment', 'data'].map((id) =>
    [id, document.getElementById(id).getBoundingClientRect().top + scrollY]))
"""

PLACES = """
() => Object.fromEntries([...document.querySelectorAll('.chart-view')].map((place) => {
  const heights = [...place.children].map((one) => one.getBoundingClientRect().height);
  const drawn = heights.reduce((sum, one) => sum + one, 0);
  return [place.parentElement.dataset.chart, parseFloat(getComputedStyle(place).minHeight) - drawn];
}))
"""

SHIFTS = """
() => new Promise((done) => new PerformanceObserver((list) => done(
  list.getEntries().reduce((sum, one) => sum + one.value, 0)
)).observe({type: 'layout-shift', buffered: true}) || setTimeout(() => done(0), 500))
"""

TOP_IN_VIEW = """
(id) => {
  const top = document.getElementById(id).getBoundingClientRect().top;
  return 0 <= top && top < 60;
}
"""

STILL_PX = 4
GOOD_SHIFT = 0.1
"""Source: web.dev, "Cumulative Layout Shift": the most that is good."""


def all_drawn(page: Page) -> None:
    """Wait until the page, left alone, has drawn every chart."""
    page.wait_for_function(
        "() => [...document.querySelectorAll('figure[data-chart]')]"
        ".every((one) => one.dataset.drawn)"
    )


@pytest.mark.parametrize("file", ["report", "many_rows"])
def test_drawing_every_chart_moves_nothing(
    visit: Open, file: str, request: pytest.FixtureRequest
) -> None:
    opened = visit(request.getfixturevalue(file), fresh=True, before=UNDRAWN)
    before = opened.page.evaluate(TOPS)
    assert opened.page.locator(".chart-view svg").count() == 0

    assert opened.draw_all() >= 7

    after = opened.page.evaluate(TOPS)
    assert {id: after[id] - top for id, top in before.items()} == {
        id: pytest.approx(0, abs=STILL_PX) for id in before
    }


@pytest.mark.parametrize(("width", "most"), [(1280, 4), (768, 4), (PHONE, 60)])
def test_a_place_is_as_tall_as_its_chart(visit: Open, report: Path, width: int, most: int) -> None:
    opened = visit(report, width=width, fresh=True)
    opened.draw_all()

    places = opened.page.evaluate(PLACES)
    assert len(places) >= 7
    assert {name: left for name, left in places.items() if not -2 <= left <= most} == {}


@pytest.mark.parametrize("width", [1280, PHONE])
def test_a_table_that_is_not_laid_out_yet_is_as_tall_as_it_will_be(
    visit: Open, many_rows: Path, width: int
) -> None:
    page = visit(many_rows, width=width, fresh=True).page
    tall = "() => document.querySelector('#results').parentElement.offsetHeight"
    before = page.evaluate(tall)
    page.add_style_tag(content=".even { content-visibility: visible !important }")

    assert before == pytest.approx(page.evaluate(tall), rel=0.04)


def test_a_reader_who_scrolls_sees_nothing_jump(visit: Open, many_rows: Path) -> None:
    page = visit(many_rows, fresh=True, before=UNDRAWN_AT_FIRST).page
    page.add_style_tag(content="html { overflow-anchor: none }")  # as in browsers without it
    page.evaluate("() => document.getElementById('timings').scrollIntoView()")
    page.evaluate("() => drawNow()")
    all_drawn(page)
    page.evaluate(
        "async () => { for (let top = 0; top < document.body.scrollHeight; top += 300) {"
        " scrollTo(0, top); await new Promise(requestAnimationFrame); } }"
    )

    assert page.evaluate(SHIFTS) < GOOD_SHIFT


def test_charts_are_drawn_without_being_scrolled_to(visit: Open, report: Path) -> None:
    page = visit(report, fresh=True).page
    all_drawn(page)

    assert page.evaluate("() => scrollY") == 0


def test_what_is_asked_for_twice_leaves_the_charts_answering(visit: Open, report: Path) -> None:
    page = visit(report, fresh=True).page
    page.set_viewport_size({"width": 1280, "height": 20_000})  # all are near the view
    all_drawn(page)
    page.wait_for_timeout(200)  # for the change of size
    # as when two parts are unfolded at once: every chart is looked at again, none is redrawn
    page.evaluate(
        "() => { for (let n = 0; n < 2; n++) document.dispatchEvent(new Event('toggle')) }"
    )
    page.wait_for_timeout(200)

    page.locator("#theme").click()
    page.wait_for_function(
        "() => [...document.querySelectorAll('figure[data-chart]')]"
        ".every((one) => one.dataset.drawn === 'dark')"
    )


def test_a_link_leads_to_its_section_over_parts_that_were_not_laid_out(
    visit: Open, many_rows: Path
) -> None:
    page = visit(many_rows, fresh=True).page
    for name in ("parity", "models", "footprint"):
        page.locator(f'nav a[href="#{name}"]').evaluate("link => link.click()")
        page.wait_for_timeout(100)  # what came near is laid out now, which may move the section
        page.wait_for_function(TOP_IN_VIEW, arg=name)


def test_what_is_far_away_is_found_by_its_words(visit: Open, many_rows: Path) -> None:
    page = visit(many_rows, fresh=True).page
    assert page.evaluate("() => scrollY") == 0

    assert page.evaluate("() => window.find('pruned-5')")  # last rows of long tables
    assert page.evaluate("() => scrollY + getSelection().getRangeAt(0).getClientRects().length") > 0
