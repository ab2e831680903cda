"""Rows with several speeds, in words that follow from their launches."""

import itertools
from dataclasses import replace

import pytest

from spinn_edge.bench.evidence.modes import modes_of
from spinn_edge.report.modes import launch_modes, mode_remarks
from tests.unit.report.results import result, row

FAST_S, SLOW_S, SLOWEST_S = 31.2e-6, 52e-6, 90e-6


def launches(*mixes):
    """Return a row whose launches took so many runs about each speed, in turn."""
    parts = []
    for mix in mixes:
        speeds = [
            [at_s * (1 + (run % 7 - 3) / 1000) for run in range(count)]
            for at_s, count in zip((FAST_S, SLOW_S, SLOWEST_S), mix, strict=False)
        ]
        turns = itertools.zip_longest(*speeds)
        parts.append([run for turn in turns for run in turn if run is not None])
    samples = tuple(run for part in parts for run in part)
    return row("pruned", 1.0, samples_s=samples, launch_samples=tuple(map(len, parts)))


def said(*rows):
    return mode_remarks(result(rows))


def test_rows_of_one_speed_few_samples_or_none_are_not_spoken_of():
    few = launches((40, 20))
    failed = replace(few, status="failed", samples_s=(), launch_samples=())
    assert said(row("dense", 1e-4), few, failed) == []


def test_speeds_are_told_with_their_shares():
    (words,) = said(launches(*[(84, 16)] * 3))
    assert words.startswith(
        "pruned, ort-cpu, batch 1: two speeds: 84 % of the runs near 31.2 µs, 16 % near 52.0 µs, "
    )


def test_three_speeds_are_told_as_three():
    (words,) = said(launches(*[(50, 30, 20)] * 3))
    assert "three speeds: 50 % of the runs near 31.2 µs, 30 % near 52.0 µs, 20 % near" in words


def test_speeds_that_change_from_run_to_run_lie_inside_the_launches():
    (words,) = said(launches((84, 16), (80, 20), (100, 0)))
    assert "inside launches (2 of 3)" in words
    assert "p90" in words
    assert "--launches" not in words


def test_a_launch_that_changed_once_is_inside_too():
    (words,) = said(launches((100, 0), (100, 0), (50, 50)))
    assert "inside launches (1 of 3)" in words


def test_launches_that_keep_their_speed_differ_by_placement():
    (words,) = said(launches((100, 0), (0, 100), (100, 0), (97, 3), (12, 88)))
    assert "each launch keeps its speed" in words
    assert "of whole launches (3 near 31.2 µs, 2 near 52.0 µs)" in words
    assert "an effect of placement" in words
    assert "5 launches do not tell how often, so take more with --launches" in words


def test_launches_that_differ_and_change_are_told_as_both():
    (words,) = said(launches((97, 3), (0, 100), (55, 45), (45, 55)))
    assert "(1 near 31.2 µs, 1 near 52.0 µs; 2 of 4 launches ran at several)" in words
    assert "launches differ from each other" in words
    assert "--launches" in words


def test_of_a_single_launch_it_is_not_known_whether_others_are_alike():
    (words,) = said(launches((84, 16)))
    assert "inside its one launch" in words
    assert "--launches" in words


@pytest.mark.parametrize(
    ("mixes", "homes", "whole"),
    [
        (((100, 0), (0, 100)), (0, 1), True),
        (((81, 19), (0, 100)), (0, 1), True),  # a fast launch's tail reaches into the slow mode
        (((79, 21), (0, 100)), (None, 1), False),
        (((80, 20), (80, 20), (80, 20), (0, 50)), (0, 0, 0, 1), False),
    ],
)
def test_a_mode_of_whole_launches_is_told_by_where_its_runs_lie(mixes, homes, whole):
    one = launches(*mixes)
    found = launch_modes(one, modes_of(one.samples_s))
    assert (found.homes, found.of_whole_launches) == (homes, whole)


def test_a_row_is_named_by_all_that_tells_it_from_others():
    both = launches(*[(84, 16)] * 3)
    half = replace(both, precision="fp16", boundary="device", batch=8)
    (words,) = said(both, half)  # of one cause, which is told once
    assert words.startswith("pruned, ort-cpu fp32, batch 1: two speeds")
    assert "; pruned, ort-cpu fp16, batch 8, device: two speeds" in words
    assert words.count("median alone") == 1
