"""How sure the figures are, in words that follow from the rows."""

import pytest

from spinn_edge.bench.loops.timing import BUDGET, INTERVAL
from spinn_edge.report.certainty import certainty_remarks
from tests.unit.report.results import result, row, unavailable


def said(*rows):
    return certainty_remarks(result(rows))


def test_nothing_is_said_of_nothing():
    assert said(unavailable("pruned")) == []


@pytest.mark.parametrize(("sizes", "words"), [((1000,), "1 launch:"), ((500, 500), "2 launches:")])
def test_too_few_launches_are_said_with_what_to_type(sizes, words):
    (remark,) = said(row("pruned", 1e-4, launch_samples=sizes))
    assert f"no intervals from {words}" in remark
    assert "--launches" in remark


def test_the_noise_floor_is_stated_as_a_range():
    quiet = row("dense", 1e-4)
    loud = row("pruned", 1e-4, samples_s=(1e-4, 1e-4, 1.5e-4), launch_samples=(1, 1, 1), batch=2)
    (remark,) = said(quiet, loud)
    assert "0.0% to 50.0%" in remark


def test_a_timing_that_its_budget_ended_is_counted():
    remarks = said(
        row("dense", 1e-4, stopped_by=(INTERVAL, BUDGET, INTERVAL)),
        row("pruned", 1e-4, stopped_by=(INTERVAL,) * 3),
    )
    assert any(line.startswith("1 of 2 timings ended with their time") for line in remarks)


def test_a_runtime_that_never_settled_is_named_once():
    rows = [row(name, 1e-4, runtime="pt2", steady=(True, False, True)) for name in ("a", "b")]
    remarks = said(*rows, row("a", 1e-4, steady=(True,) * 3))
    assert [line for line in remarks if "steady" in line] == [
        "pt2: not steady when its warm-up ended; its first samples may be slow"
    ]
