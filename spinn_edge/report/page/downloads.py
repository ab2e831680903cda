"""Raw data inside the page: links that work without a network, and without JavaScript."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, overload

from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.fleet import fleet_document
from spinn_edge.report.tables.spreadsheet import csv_tables

MOST_BYTES = 2_950_000
"""Of the whole page, with room for what frames its sections."""

MOST_PLAIN_BYTES = 400_000
"""Of a table that is held as it is; a larger one, whose names are endless, is packed."""

_LEVEL, _GZIP = 9, 31
"""How much is packed, and in which frame, as zlib names them."""

_TEXTS = 10_000
"""Pieces of JSON that are packed at once."""

_SAMPLES = frozenset(
    {"samples_s", "upload_samples_s", "download_samples_s", "throughput_samples_s"}
)


def downloads(sources: ReportSources, *, held_bytes: int) -> Html:
    """Return links to the whole JSON and to the tables as CSV.

    Args:
        sources: what the page shows.
        held_bytes: size of all else in the page; samples are left out where they do not fit.
    """
    document = merged(sources.results)
    tables = {name: _table_link(name, text) for name, text in csv_tables(sources).items()}
    room = MOST_BYTES - held_bytes - sum(len(href) for href, _ in tables.values())
    packed = _packed(document, room)
    complete = packed is not None
    if packed is None:
        packed = _packed(_without_samples(document))
    words = "as spinn-edge bench wrote it" if len(sources.results) == 1 else "all results"
    note = (
        "Every sample is in it."
        if complete
        else "Its raw samples are left out, so that this file stays small: they are in the "
        f"{'files' if len(sources.results) > 1 else 'file'} that this report was made of."
    )
    links = [
        tag(
            "a",
            "JSON, ",
            words,
            id="download-json",
            # without JavaScript it is saved as it is; with it, unpacked
            href=Html(f"data:application/gzip;base64,{packed}"),
            download="results.json.gz",
        ),
        *(
            tag(
                "a",
                f"CSV, {name}",
                id="download-csv" if number == 0 else f"download-csv-{number + 1}",
                href=href,
                download=saved_as,
            )
            for number, (name, (href, saved_as)) in enumerate(tables.items())
        ),
    ]
    return join([tag("ul", *(tag("li", link) for link in links)), tag("p", note, class_="note")])


def merged(results: Sequence[NamedResult]) -> Mapping[str, Any]:
    """Return the document of one result, or one that holds all of them, machine by machine."""
    return results[0].raw if len(results) == 1 else fleet_document(results)


def _table_link(name: str, text: str) -> tuple[Html, str]:
    """Return what holds a table, and the name of its file."""
    if len(text) <= MOST_PLAIN_BYTES:
        return Html(f"data:text/csv;charset=utf-8;base64,{_base64(text)}"), f"{name}.csv"
    return Html(f"data:application/gzip;base64,{_zipped(text)}"), f"{name}.csv.gz"


@overload
def _packed(document: Mapping[str, Any]) -> str: ...


@overload
def _packed(document: Mapping[str, Any], most: int) -> str | None: ...


def _packed(document: Mapping[str, Any], most: float = math.inf) -> str | None:
    """Return a document as JSON, gzip and base64; None as soon as it is longer than ``most``."""
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    texts = json.JSONEncoder(indent=1, allow_nan=False).iterencode(document)
    packed = bytearray()
    while text := "".join(itertools.islice(texts, _TEXTS)):
        packed += packer.compress(text.encode("utf-8"))
        if 4 * math.ceil(len(packed) / 3) > most:
            return None
    packed += packer.compress(b"\n") + packer.flush()
    held = _base64(bytes(packed))
    return held if len(held) <= most else None


def _zipped(text: str) -> str:
    return _base64(gzip.compress(text.encode("utf-8"), _LEVEL, mtime=0))


def _base64(content: str | bytes) -> str:
    held = content.encode("utf-8") if isinstance(content, str) else content
    return base64.b64encode(held).decode("ascii")


def _without_samples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: [] if key in _SAMPLES else _without_samples(item) for key, item in value.items()
        }
    return [_without_samples(item) for item in value] if isinstance(value, list) else value
