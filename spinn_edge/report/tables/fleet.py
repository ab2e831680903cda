"""Results of several machines beside each other, never averaged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BundleFacts
from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import FLEET, FLEET_SCHEMA_VERSION, NamedResult

_CAPTION = (
    "Median latency, and speed-up against the baseline timed beside it on the same machine; "
    "nothing is averaged over machines"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlace:
    """What a line of the fleet's table is about.

    Attributes:
        model: name of the bundle; with its result where the name means several models.
        runtime: the one that was asked for, with the one that ran, and TF32 where it was on.
        precision: of the file.
        batch: samples in one inference.
        boundary: what a sample spans.
        rate_per_s: inferences a second that were due; None where they follow each other.
        threads: CPU threads inside one operator.
    """

    model: str
    runtime: str
    precision: str
    batch: int
    boundary: str
    rate_per_s: float | None
    threads: int

    @property
    def texts(self) -> tuple[str, ...]:
        """Cells under ``_HEAD``."""
        rate = "–" if self.rate_per_s is None else f.rate(self.rate_per_s)
        return (
            *(self.model, self.runtime, self.precision, str(self.batch), self.boundary, rate),
            str(self.threads),
        )


_HEAD = ("model", "runtime", "precision", ">batch", "boundary", ">rate", ">threads")
_ALWAYS = ("model", "runtime", ">batch")


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetLine:
    """One place on every machine.

    Attributes:
        place: what was timed.
        rows: of each result, in their order; None where it holds no such row.
    """

    place: FleetPlace
    rows: tuple[Row | None, ...]


def fleet_lines(results: Sequence[NamedResult]) -> list[FleetLine]:
    """Return a line for each place that was timed on one machine at least."""
    labels = _model_labels(results)
    found: dict[FleetPlace, list[Row | None]] = {}
    for number, named in enumerate(results):
        for row in named.result.rows:
            place = _place(row, labels[number].get(row.bundle, row.bundle))
            found.setdefault(place, [None] * len(results))[number] = row
    return [
        FleetLine(place=place, rows=tuple(rows))
        for place, rows in found.items()
        if any(row is not None and row.samples_s for row in rows)
    ]


def fleet_sheets(results: Sequence[NamedResult]) -> tuple[Sheet, Sheet]:
    """Return which machines there are, and a column group for each of them.

    What a result does not hold was not measured.
    """
    lines = fleet_lines(results)
    texts = [line.place.texts for line in lines]
    kept = [
        column
        for column, title in enumerate(_HEAD)
        if title in _ALWAYS or len({cells[column] for cells in texts}) > 1
    ]
    ratios = [any(row.speedup is not None for row in named.result.rows) for named in results]
    head = [_HEAD[column] for column in kept]
    for number, ratio in enumerate(ratios):
        head += [f">{_mark(number)}: median"] + [f">{_mark(number)}: speed-up"] * ratio
    body = [
        (
            *(cells[column] for column in kept),
            *(
                text
                for row, ratio in zip(line.rows, ratios, strict=True)
                for text in _cells(row, ratio)
            ),
        )
        for line, cells in zip(lines, texts, strict=True)
    ]
    machines = Sheet(
        title="Machines",
        head=("", "result", "machine", "measured"),
        lines=tuple(
            (_mark(number), named.name, named.machine, named.result.created_utc)
            for number, named in enumerate(results)
        ),
    )
    fleet = Sheet(title="Fleet", head=tuple(head), lines=tuple(body), caption=_CAPTION)
    return machines, fleet


def fleet_document(results: Sequence[NamedResult]) -> dict[str, Any]:
    """Return the merged document: every result as it was read, under its name and machine."""
    return {
        "kind": FLEET,
        "schema_version": FLEET_SCHEMA_VERSION,
        "results": [
            {"name": named.name, "machine": named.machine, "result": dict(named.raw)}
            for named in results
        ],
    }


def _cells(row: Row | None, ratio: bool) -> tuple[str, ...]:
    if row is None:
        return (f.NOT_MEASURED, *["–"] * ratio)
    if not row.samples_s:
        return (row.status, *["–"] * ratio)
    return (f.seconds(row.median_s), *[f.speedup(row)] * ratio)


def _place(row: Row, model: str) -> FleetPlace:
    tf32 = ", TF32 on" if row.facts and row.facts.tf32 else ""
    return FleetPlace(
        model=model,
        runtime=f.served(row.runtime, row.served_by) + tf32,
        precision=row.precision,
        batch=row.batch,
        boundary=row.boundary,
        rate_per_s=row.rate_per_s,
        threads=row.threads,
    )


def _model_labels(results: Sequence[NamedResult]) -> list[dict[str, str]]:
    """Return, of each result, how its bundles are called: one name may mean several models."""
    first: dict[tuple[str, object], str] = {}
    kinds: dict[str, set[object]] = {}
    for named in results:
        for facts in named.result.bundles:
            first.setdefault((facts.name, _identity(facts)), named.name)
            kinds.setdefault(facts.name, set()).add(_identity(facts))
    return [
        {
            facts.name: facts.name
            if len(kinds[facts.name]) == 1
            else f"{facts.name} of {first[facts.name, _identity(facts)]}"
            for facts in named.result.bundles
        }
        for named in results
    ]


def _identity(facts: BundleFacts) -> object:
    return facts.widths, facts.parameters, facts.flops_per_sample


def _mark(number: int) -> str:
    """Return A to Z, then A2 and so on."""
    again, letter = divmod(number, 26)
    return chr(ord("A") + letter) + (str(again + 1) if again else "")
