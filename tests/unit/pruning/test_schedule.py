import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.schedule import EXAMPLE, Stage, parse_schedule, verify_schedule


def cumulative(text: str, **options: float) -> list[float]:
    return [row.cumulative for row in verify_schedule(parse_schedule(text), **options)]


def test_thirty_thirty_twenty_twenty_is_no_hundred_per_cent() -> None:
    assert cumulative(EXAMPLE) == pytest.approx([0.30, 0.51, 0.608, 0.6864])
    rows = verify_schedule(parse_schedule(EXAMPLE), target=0.685)
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert rows[3].stage == Stage(0.2, 15, 1e-4)


def test_plain_triples_are_stages_too() -> None:
    rows = verify_schedule([(0.3, 10, 1e-3), (0.3, 5, 5e-4)], 0.51)
    assert rows[1].stage == Stage(0.3, 5, 5e-4)
    with pytest.raises(PruningError, match="got 30"):
        verify_schedule([(30, 10, 1e-3)])


def test_percent_and_share_are_the_same() -> None:
    assert parse_schedule(" 30%:10:1e-3 , 20 %:5:2e-4,") == (
        Stage(0.3, 10, 1e-3),
        Stage(0.2, 5, 2e-4),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no stage; expected one such as 0.3:10:1e-3"),
        (" , ", "has no stage"),
        ("0.3:10", "stage 1 of the schedule is '0.3:10'; expected RATIO:EPOCHS:LEARNING_RATE"),
        ("0.3:10:1e-3,0.3:many:1e-3", "stage 2 of the schedule is '0.3:many:1e-3'"),
        ("0.3:2.5:1e-3", "expected RATIO:EPOCHS:LEARNING_RATE"),
        ("0.3:1:1:1", "expected RATIO:EPOCHS:LEARNING_RATE"),
        ("0:10:1e-3", "stage 1 of the schedule, '0:10:1e-3': a stage's ratio .* got 0; for 30 %"),
        ("1:10:1e-3", "above 0 and below 1; got 1"),
        ("30:10:1e-3", "above 0 and below 1; got 30; for 30 % write 0.3 or 30%"),
        ("nan:10:1e-3", "above 0 and below 1; got nan"),
        ("-0.1:10:1e-3", "above 0 and below 1; got -0.1"),
        ("0.3:0:1e-3", "whole number from 1 on; got 0"),
        ("0.3:-1:1e-3", "whole number from 1 on; got -1"),
        ("0.3:1:0", "learning rate must be above 0 and finite; got 0"),
        ("0.3:1:inf", "learning rate must be above 0 and finite; got inf"),
        ("0.3:1:nan", "learning rate must be above 0 and finite; got nan"),
    ],
)
def test_bad_schedule_is_refused_with_the_stage(text: str, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        parse_schedule(text)


def test_schedule_that_ends_elsewhere_says_where_and_which_last_ratio_would_do() -> None:
    with pytest.raises(PruningError) as refusal:
        verify_schedule(parse_schedule("0.3:1:1,0.3:1:1,0.2:1:1,0.2:1:1"), target=0.9)
    words = str(refusal.value)
    assert "ends at 68.64%, and 90.00% is asked for (within 0.30%)" in words
    assert "30.00%, 51.00%, 60.80%, 68.64% are gone" in words
    assert "a last ratio of 0.7449 would reach it" in words
    assert cumulative("0.3:1:1,0.3:1:1,0.2:1:1,0.7449:1:1", target=0.9)


def test_schedule_that_is_past_the_target_early_says_which_stage_is_too_many() -> None:
    with pytest.raises(PruningError, match=r"91\.00% are gone before the last stage already"):
        verify_schedule(parse_schedule("0.7:1:1,0.7:1:1,0.1:1:1"), target=0.5)


def test_tolerance_is_the_limit_from_both_sides() -> None:
    stages = parse_schedule("0.5:1:1")
    assert verify_schedule(stages, target=0.502, tolerance=0.0021)
    for target in (0.503, 0.497):
        with pytest.raises(PruningError, match="would reach it"):
            verify_schedule(stages, target=target, tolerance=0.002)


def test_start_counts_as_gone() -> None:
    assert cumulative("0.5:1:1", start=0.5) == [0.75]
    with pytest.raises(PruningError, match=r"50\.00% are gone before the last stage already"):
        verify_schedule(parse_schedule("0.5:1:1"), target=0.4, start=0.5)


@pytest.mark.parametrize("target", [0.0, 1.0, 1.5, float("nan"), -1.0])
def test_target_that_is_no_share_is_refused(target: float) -> None:
    with pytest.raises(PruningError, match="the target is a share to be gone"):
        verify_schedule(parse_schedule("0.5:1:1"), target=target)


@pytest.mark.parametrize("options", [{"tolerance": float("nan")}, {"tolerance": -0.1}])
def test_tolerance_that_would_pass_anything_or_nothing_is_refused(options: dict) -> None:
    with pytest.raises(PruningError, match="tolerance must be at least 0"):
        verify_schedule(parse_schedule("0.5:1:1"), 0.5, **options)


@pytest.mark.parametrize("start", [1.0, -0.1, float("nan")])
def test_start_that_is_no_share_is_refused(start: float) -> None:
    with pytest.raises(PruningError, match="gone at the start"):
        verify_schedule(parse_schedule("0.5:1:1"), start=start)


def test_no_stages_are_refused() -> None:
    with pytest.raises(PruningError, match="has no stage"):
        verify_schedule(())


@given(st.lists(st.floats(0.01, 0.9), min_size=1, max_size=6), st.floats(0.05, 0.95))
def test_suggested_last_ratio_reaches_the_target(ratios: list[float], target: float) -> None:
    stages = tuple(Stage(ratio, 1, 1e-3) for ratio in ratios)
    try:
        rows = verify_schedule(stages, target, 1e-4)
    except PruningError as exc:
        if "leave it out" in str(exc):
            return
        suggested = float(str(exc).split("a last ratio of ")[1].split()[0])
        rows = verify_schedule((*stages[:-1], Stage(suggested, 1, 1e-3)), target, 1e-4)
    assert abs(rows[-1].cumulative - target) <= 1e-4


def test_schedules_need_no_torch() -> None:
    code = "import sys, spinn_edge.pruning.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
