"""Headless Chromium of the system, one for all tests here; where there is none they skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest

from spinn_edge.report.page.page import render_page
from spinn_edge.report.sources import ReportSources
from tests.browser import reports
from tests.browser.chromium import ARGUMENTS, chromium_path

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from tests.browser.visits import Visit  # noqa: E402 (needs playwright)

PHONE = 390
"""CSS pixels; a common phone held upright."""


class Open(Protocol):
    """What the fixture ``visit`` gives."""

    def __call__(
        self, file: Path, *, dark: bool = False, width: int = 1280, script: bool = True
    ) -> Visit: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """One Chromium; Playwright gives it a new empty profile and removes that at the end."""
    path = chromium_path()
    if not path:
        pytest.skip("no Chromium: apt-get install chromium, or name one in SPINN_EDGE_CHROMIUM")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, headless=True, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser: Any) -> Iterator[Open]:
    """Open files; at the end no page may have complained, asked for anything or shown a dialog."""
    contexts, visits = [], []

    def open_file(
        file: Path, *, dark: bool = False, width: int = 1280, script: bool = True
    ) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(20_000)  # a shared machine may stall
        contexts.append(context)
        visits.append(visit := Visit(page=context.new_page(), file=file))
        visit.watch()
        visit.page.goto(file.as_uri())
        return visit

    yield open_file
    trespasses = [words for visit in visits for words in visit.trespasses]
    for context in contexts:
        context.close()
    assert not trespasses


@pytest.fixture(scope="package")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, ReportSources], Path]:
    """Write a report's page once for each name."""
    folder = tmp_path_factory.mktemp("pages")

    def write(name: str, sources: ReportSources) -> Path:
        file = folder / f"{name}.html"
        if not file.exists():
            file.write_text(render_page(sources), encoding="utf-8")
        return file

    return write


@pytest.fixture(scope="package")
def sources() -> ReportSources:
    """Two bundles on three runtimes, as a benchmark on one machine gives them."""
    return reports.ordinary()


@pytest.fixture(scope="package")
def report(rendered: Callable[[str, ReportSources], Path], sources: ReportSources) -> Path:
    """The page of ``sources``."""
    return rendered("report", sources)


@pytest.fixture(scope="package")
def many_sources() -> ReportSources:
    """Two hundred rows."""
    return reports.many()


@pytest.fixture(scope="package")
def many_rows(rendered: Callable[[str, ReportSources], Path], many_sources: ReportSources) -> Path:
    """The page of two hundred rows."""
    return rendered("many", many_sources)
