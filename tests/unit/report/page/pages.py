"""A page read back: what a browser would make of it, without one."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from spinn_edge.bench.result import BenchResult
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.page.page import render_page
from spinn_edge.report.sources import NamedResult, ReportSources

_EMPTY = {"meta", "input", "br"}


@dataclass
class Element:
    """An element with its attributes, text and children."""

    name: str
    attributes: dict[str, str | None]
    children: list[Element] = field(default_factory=list)
    own_text: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def every(self, name: str, **attributes: str) -> list[Element]:
        found = [] if self.name != name else [self]
        wanted = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        found = [e for e in found if wanted.items() <= e.attributes.items()]
        return found + [e for child in self.children for e in child.every(name, **attributes)]

    def one(self, name: str, **attributes: str) -> Element:
        (found,) = self.every(name, **attributes)
        return found


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open = [Element("document", {})]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute of {tag} comes twice"
        self.open[-1].children.append(element)
        if tag not in _EMPTY:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1].name == tag, f"{tag} ends inside {self.open[-1].name}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.open[-1].own_text.append(data)
        for element in self.open:
            element.texts.append(data)


def read(page: str) -> Element:
    """Parse a page; an element that is left open or ends in another fails."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    assert len(reader.open) == 1, f"left open: {reader.open[-1].name}"
    return reader.open[0]


def sources_of(*results: BenchResult, **more: Any) -> ReportSources:
    """Return sources as reading files would give them."""
    named = [
        NamedResult.of(f"results{number or ''}", one, json.loads(to_text(bench_document(one))))
        for number, one in enumerate(results)
    ]
    return ReportSources(results=tuple(named), **more)


def page_of(*results: BenchResult, **more: Any) -> Element:
    """Return the page of results."""
    return read(render_page(sources_of(*results, **more)))


def lines_of(page: Element) -> list[dict[str, str]]:
    """Return the rows of the table of all timings, by column; a reason stands alone."""
    table = page.one("table", id="results")
    heads = [head.text for head in table.one("thead").every("th")]
    lines = []
    for row in table.one("tbody").every("tr"):
        texts = [cell.text for cell in row.children]
        reason = [cell.text for cell in row.children if cell.attributes.get("class") == "reason"]
        lines.append(dict(zip(heads, texts, strict=not reason)) | {"reason": "".join(reason)})
    return lines


def download(page: Element, identifier: str) -> str:
    """Return what a download link holds, unpacked."""
    href = page.one("a", id=identifier).attributes["href"] or ""
    kind, _, packed = href.partition(";")
    content = base64.b64decode(packed.rpartition(",")[2], validate=True)
    return (gzip.decompress(content) if kind.endswith("gzip") else content).decode("utf-8")
