"""Names and ticks: short, on one line, told apart."""

import pytest

from spinn_edge.report.figures.lettering import labels, lettered, width_of
from spinn_edge.report.figures.scales import round_ticks, tick_seconds, tick_size
from spinn_edge.report.figures.sketch import stem
from spinn_edge.report.frontier import on_frontier


def test_a_short_name_stays():
    assert lettered("tool_wear", 20) == "tool_wear"


def test_a_long_name_loses_its_middle():
    short = lettered("abcdefghij" * 1000, 11)
    assert short.startswith("abcd")
    assert short.endswith("ghij")
    assert "…" in short
    assert width_of(short) <= 11


def test_wide_letters_count_more():
    assert len(lettered("m" * 50, 20)) < len(lettered("a" * 50, 20))
    assert width_of("模") > width_of("a")


def test_control_marks_and_turns_of_direction_go():
    assert lettered("a\x07b\u202ec\ud800d\ne\tf", 20) == "abcd e f"


def test_names_alike_once_shortened_are_numbered():
    found = labels(["x" * 90 + "1" + "x" * 90, "x" * 90 + "2" + "x" * 90, "\x07"], 20)
    assert len(set(found.values())) == 3
    assert list(found.values())[1].endswith("(2)")
    assert found["\x07"] == "(no name)"


@pytest.mark.parametrize(
    ("value", "words"),
    [(1e-3, "1 ms"), (1.5e-6, "1.5 µs"), (0.1, "100 ms"), (0, "0 s"), (2e-9, "2 ns")],
)
def test_ticks_of_seconds_have_no_spare_zeros(value, words):
    assert tick_seconds(value) == words


def test_ticks_of_bytes_have_no_spare_zeros():
    assert tick_size(2.0e8) == "200 MB"
    assert tick_size(0) == "0 B"


@pytest.mark.parametrize(
    ("low", "high"), [(1e-6, 1e-2), (9e-5, 3e-4), (1.01e-4, 1.04e-4), (1e-12, 1e3), (3.1, 3.9)]
)
def test_log_axes_get_few_ticks_inside(low, high):
    ticks = round_ticks(low, high, 4)
    assert 1 <= len(ticks) <= 5
    assert ticks == sorted(ticks)
    assert all(low <= tick <= high for tick in ticks)


def test_a_stem_holds_letters_digits_and_dashes():
    assert stem("pareto", "../../A b", "") == "pareto-a-b"
    assert stem("pareto", "עברית") == "pareto"
    assert len(stem("x", "y" * 999)) <= 60


def test_the_frontier_is_what_nothing_beats_in_both():
    points = [(1.0, 0.8), (2.0, 0.9), (3.0, 0.9), (1.0, 0.7), (1.0, 0.8)]
    assert on_frontier(points) == [True, True, False, False, True]
    assert on_frontier([]) == []
