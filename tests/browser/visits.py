"""A page in the browser, and all that it did which a report must not do."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Dialog, Page, Request

_INSIDE = ("data:", "blob:", "about:")
VENDOR = Path(__file__).parent / "vendor"


@dataclass(kw_only=True)  # no slots: Playwright notes its handlers on the object
class Visit:
    """An open page and its trespasses.

    Attributes:
        page: what Playwright drives.
        file: that was opened.
        errors: of the console and of scripts.
        requests: addresses that are neither the file itself nor inside it.
        dialogs: texts of alerts and the like.
    """

    page: Page
    file: Path
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note what goes wrong from now on."""
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._request)
        self.page.on("dialog", self._dialog)

    @property
    def trespasses(self) -> list[str]:
        """All of them, each with its kind."""
        return [
            *(f"console: {text}" for text in self.errors),
            *(f"request: {text:.200}" for text in self.requests),
            *(f"dialog: {text}" for text in self.dialogs),
        ]

    def forget(self) -> list[str]:
        """Return all trespasses, and begin anew."""
        found = self.trespasses
        for kind in (self.errors, self.requests, self.dialogs):
            kind.clear()
        return found

    @property
    def sideways(self) -> int:
        """CSS pixels by which the whole page can be scrolled sideways."""
        measured: int = self.page.evaluate(
            "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth)"
            " - document.documentElement.clientWidth"
        )
        return measured

    def draw_all(self) -> int:
        """Draw the charts that are not in view yet too; return how many there are."""
        count: int = self.page.evaluate(
            "async () => { await spinnEdgeCharts.drawAll();"
            " return document.querySelectorAll('.chart-view svg').length }"
        )
        return count

    def axe_findings(self) -> list[str]:
        """Return what axe-core finds serious or critical, a line for each rule and place."""
        # over a shade at the edge of a table axe-core tells no contrast; the colours are the same
        self.page.add_style_tag(content=".scroll { background-image: none !important }")
        if not self.page.evaluate("() => 'axe' in window"):
            self.page.evaluate((VENDOR / "axe.min.js").read_text(encoding="utf-8"))
        found: dict[str, Any] = self.page.evaluate(
            "() => axe.run(document, {resultTypes: ['violations']})"
        )
        assert found["passes"], "axe-core looked at nothing"
        return [
            f"{rule['id']}: {node['target']} {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, request: Request) -> None:
        if request.url != self.file.as_uri() and not request.url.startswith(_INSIDE):
            self.requests.append(request.url)

    def _dialog(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()
