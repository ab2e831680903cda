import pytest

from spinn_edge.cli.time_left import TimeLeft, duration


def words_of(rounds, *asked):
    """Return what is said at (time, round) after each other."""
    times = iter([time_s for time_s, _ in asked])
    left = TimeLeft(rounds, clock=lambda: next(times))
    return [left.words(number) for _, number in asked]


def test_nothing_is_known_in_the_first_round():
    assert words_of(5, (100.0, 1), (105.0, 1)) == ["", ""]


def test_rounds_that_ended_tell_how_long_the_others_take():
    said = words_of(4, (100.0, 1), (105.0, 1), (110.0, 2), (114.0, 2), (122.0, 3))
    assert said[2:] == [", about 30 s left", ", about 26 s left", ", about 22 s left"]


def test_little_time_is_not_worth_a_word():
    assert words_of(2, (0.0, 1), (1.5, 2)) == ["", ""]


def test_a_round_that_takes_longer_than_the_others_says_nothing_negative():
    assert words_of(2, (0.0, 1), (10.0, 2), (50.0, 2))[2] == ""


@pytest.mark.parametrize(
    ("seconds", "words"), [(2.1, "3 s"), (99, "99 s"), (100, "2 min"), (7200, "2.0 h")]
)
def test_durations_are_rounded_up(seconds, words):
    assert duration(seconds) == words
