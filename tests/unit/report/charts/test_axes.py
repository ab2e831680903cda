import json

import pytest

from spinn_edge.report import formatting as f
from spinn_edge.report.charts.axes import linear_ticks, log_ticks, seconds_axis, tick_texts


@pytest.mark.parametrize("values", [[1e-5, 3e-5], [2e-6, 9e-3], [1e-7, 1e2], [5e-4], [0.93, 1.07]])
def test_some_tick_lies_in_the_range_of_the_values_or_beside_it(values):
    ticks = log_ticks(values)
    assert ticks == sorted(set(ticks))
    assert any(min(values) / 2 <= tick <= max(values) * 2 for tick in ticks)
    assert 1 <= len(ticks) < 30


def test_zeros_and_infinities_make_no_ticks():
    assert log_ticks([0.0, float("inf")]) == []
    assert log_ticks([0.0, 1e-3]) == log_ticks([1e-3])


def test_ticks_say_what_tables_say():
    axis = seconds_axis("latency", [2e-6, 2e-3])["axis"]
    texts = json.loads(axis["labelExpr"].partition("[indexof(")[0])
    assert texts == [f.seconds(tick) for tick in axis["values"]]
    assert "1.00 ms" in texts


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 100, [0, 20, 40, 60, 80, 100]), (0.031, 0.033, [0.031, 0.0315, 0.032, 0.0325, 0.033])],
)
def test_linear_ticks_are_round(low, high, ticks):
    assert linear_ticks(low, high) == ticks


def test_a_range_of_nothing_has_one_tick():
    assert linear_ticks(3, 3) == [3]
    assert tick_texts([3.0], str)["values"] == [3.0]


@pytest.mark.parametrize("groups", [(), [[1e-4], [5e-3]]])
def test_an_axis_has_a_length_where_all_that_is_seen_is_alike(groups):
    values = [1e-4] if not groups else [1e-4, 5e-3]
    low, high = seconds_axis("latency", values, groups)["scale"]["domain"]
    assert low < min(values) <= max(values) < high
    assert "domain" not in seconds_axis("latency", [1e-4, 5e-3])["scale"]
