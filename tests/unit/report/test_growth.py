"""What a report costs grows with its rows, and no faster; each figure is derived once."""

import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import fields, replace
from typing import ClassVar

import pytest

from spinn_edge.bench import measurement
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.report.console import bench_table
from spinn_edge.report.page.page import render_page
from spinn_edge.report.result_remarks import screen_remarks
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.spreadsheet import csv_tables
from tests.unit.report.results import DENSE, PRUNED, result, row, unavailable

MODELS = 6


class CountedRow(Row):
    """A row that knows how often anything of it was read."""

    reads: ClassVar[Counter[str]] = Counter()

    def __getattribute__(self, name):
        CountedRow.reads[name] += 1
        return super().__getattribute__(name)


def counted(plain):
    return CountedRow(**{field.name: getattr(plain, field.name) for field in fields(plain)})


def rows_of(batches):
    """Return rows of everything that is said in words: speeds, failures, unlike precisions."""
    seconds = itertools.count(100)
    for name, batch in itertools.product(names(), range(1, batches + 1)):
        s = 1e-6 * next(seconds)
        two_speeds = tuple(s * near * (1 + 1e-3 * k) for k in range(60) for near in (1, 2))
        base = {"batch": batch, "baseline_median_s": 2 * s, "baseline_medians_s": (2 * s,) * 3}
        yield row(name, s, samples_s=two_speeds, launch_samples=(40, 40, 40), **base)
        yield row(name, 3 * s, precision="fp16", boundary="device", **base)
        yield row(name, s, rate_per_s=100.0, **base)
        yield replace(unavailable(name, f"no room for {batch}"), batch=batch, status="failed")


def names():
    return ["dense", *(f"pruned-{number}" for number in range(1, MODELS))]


def measured(batches, kind=lambda plain: plain):
    bundles = (DENSE, *(replace(PRUNED, name=name) for name in names()[1:]))
    return result(tuple(kind(plain) for plain in rows_of(batches)), bundles)


def sources_of(found):
    return ReportSources(results=(NamedResult.of("results", found, {}),))


FORMS: dict[str, Callable[[BenchResult], object]] = {
    "page": lambda found: render_page(sources_of(found)),
    "console": bench_table,
    "remarks": screen_remarks,
    "csv": lambda found: csv_tables(sources_of(found)),
}


@pytest.mark.parametrize("form", FORMS)
def test_twice_the_rows_are_read_twice_as_often(form):
    reads = []
    for batches in (8, 16):
        found = measured(batches, counted)
        CountedRow.reads.clear()
        FORMS[form](found)
        reads.append(CountedRow.reads.total())
    assert len(found.rows[0].modes) > 1
    few, many = reads
    assert few > 100
    assert many < 2.1 * few


def test_a_page_derives_each_figure_of_a_row_once(monkeypatch):
    calls: Counter[str] = Counter()

    def counting(name):
        derive = getattr(measurement, name)

        def counted_one(*given):
            calls[name] += 1
            return derive(*given)

        return counted_one

    derived = ("launch_medians", "median_interval", "modes_of", "speedup_interval", "noise_floor")
    for name in derived:
        monkeypatch.setattr(measurement, name, counting(name))
    found = measured(5)

    render_page(sources_of(found))

    assert set(calls) == set(derived)
    assert max(calls.values()) <= len(found.rows)
