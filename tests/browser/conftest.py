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


WIDE = 1280


class Open(Protocol):
    """What the fixture ``visit`` gives."""

    def __call__(
        self,
        file: Path,
        *,
        dark: bool = False,
        width: int = WIDE,
        script: bool = True,
        fresh: bool = False,
        before: str = "",
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


@pytest.fixture(scope="package")
def opened(browser: Any) -> Iterator[dict[tuple[Path, bool, bool], Visit]]:
    """Pages that tests share, by file, theme and whether scripts run."""
    visits: dict[tuple[Path, bool, bool], Visit] = {}
    yield visits
    for visit in visits.values():
        visit.page.context.close()


@pytest.fixture
def visit(browser: Any, opened: dict[tuple[Path, bool, bool], Visit]) -> Iterator[Open]:
    """Open files; at the end no page may have complained, asked for anything or shown a dialog.

    A page is loaded once for all tests, which leave it as it was; ``fresh`` asks for one of its
    own, where loading itself is looked at or something stays. ``before`` is a script that runs
    before those of the page.
    """
    used: list[Visit] = []
    own: list[Visit] = []

    def load(file: Path, dark: bool, width: int, script: bool, before: str) -> Visit:
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            java_script_enabled=script,
            reduced_motion="reduce",
            accept_downloads=True,
        )
        context.set_default_timeout(20_000)  # a shared machine may stall
        found = Visit(page=context.new_page(), file=file)
        found.watch()
        if before:
            found.page.add_init_script(before)
        found.page.goto(file.as_uri())
        return found

    def open_file(
        file: Path,
        *,
        dark: bool = False,
        width: int = WIDE,
        script: bool = True,
        fresh: bool = False,
        before: str = "",
    ) -> Visit:
        if fresh:
            own.append(found := load(file, dark, width, script, before))
        else:
            assert not before
            found = opened.get((file, dark, script)) or load(file, dark, width, script, "")
            opened[file, dark, script] = found
            found.page.set_viewport_size({"width": width, "height": 900})
        used.append(found)
        return found

    yield open_file
    trespasses = [words for one in used for words in one.forget()]
    for one in own:
        one.page.context.close()
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
