"""A name that means harm is a text like any other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from spinn_edge.report.page.readable import shown_name
from spinn_edge.report.sources import ReportSources
from tests.browser import reports
from tests.browser.conftest import PHONE, Open
from tests.browser.tables import Results


@pytest.fixture(params=reports.HOSTILE)
def kind(request: pytest.FixtureRequest) -> str:
    """What is wrong with the name of a model."""
    return str(request.param)


@pytest.fixture
def hostile(rendered: Callable[[str, ReportSources], Path], kind: str) -> Path:
    """The page of a model with that name."""
    return rendered(kind, reports.hostile(reports.HOSTILE[kind]))


@pytest.fixture
def plain(rendered: Callable[[str, ReportSources], Path]) -> Path:
    """The page of the same figures, the model named as models are."""
    return rendered("plain", reports.hostile("pruned"))


def test_a_hostile_name_is_harmless(visit: Open, hostile: Path, plain: Path) -> None:
    opened, other = visit(hostile), visit(plain)
    for one in (opened, other):
        one.page.wait_for_load_state("networkidle")

    assert opened.trespasses == []  # no dialog, no request, no error of a script
    count = "tag => document.querySelectorAll(tag).length"
    for tag in ("script", "style", "img", "table", "tr", "section", "iframe"):
        assert opened.page.evaluate(count, tag) == other.page.evaluate(count, tag)
    assert opened.page.evaluate(
        "() => [...document.querySelectorAll('*')].every((one) => "
        "one.getAttributeNames().every((name) => !name.startsWith('on')))"
    )


def test_a_hostile_name_is_shown_and_found(visit: Open, hostile: Path, kind: str) -> None:
    table = Results(visit(hostile).page).show_all()
    name = shown_name(reports.HOSTILE[kind])
    name = "".join("\ufffd" if sign in reports.TURNING else sign for sign in name)

    assert set(table.texts("bundle")) == {"dense", name}
    table.page.locator("select#filter-bundle").select_option(index=2)
    assert set(table.texts("bundle")) == {name}


@pytest.mark.parametrize("width", [PHONE, 1280])
def test_a_hostile_name_breaks_no_layout(
    visit: Open, hostile: Path, plain: Path, width: int
) -> None:
    opened, other = visit(hostile, width=width), visit(plain, width=width)
    for one in (opened, other):
        one.draw_all()
        Results(one.page).show_all()

    assert opened.sideways == 0
    tall = "() => document.documentElement.scrollHeight"
    assert opened.page.evaluate(tall) < 3 * other.page.evaluate(tall)
