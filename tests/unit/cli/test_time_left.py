import pytest

from spinn_edge.cli.time_left import StepsLeft, TimedLines, TimeLeft, duration


def words_of(rounds, *asked, unlike=0):
    """Return what is said at (time, round) after each other."""
    times = iter([time_s for time_s, _ in asked])
    left = TimeLeft(rounds, clock=lambda: next(times), unlike=unlike)
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


def test_rounds_that_compile_tell_nothing_of_the_others():
    said = words_of(5, (0.0, 1), (60.0, 2), (64.0, 3), unlike=1)
    assert said == ["", "", ", about 12 s left"]


def test_work_that_began_before_is_no_evidence():
    assert words_of(5, (50.0, 3), (54.0, 4)) == ["", ", about 8 s left"]


def test_seconds_are_known_once_a_round_has_ended():
    times = iter([0.0, 1.0, 4.0, 5.0])
    left = TimeLeft(3, clock=lambda: next(times))
    left.begin(1)
    assert left.seconds() is None
    left.begin(2)
    assert left.seconds() == 7.0


def test_another_row_of_steps_begins_anew():
    times = iter([0.0, 10.0, 20.0, 24.0])
    left = StepsLeft(clock=lambda: next(times))
    said = [left.words(*at) for at in ((0, 3), (1, 3), (0, 3), (1, 3))]
    assert said == ["", ", about 20 s left", "", ", about 8 s left"]


def test_steps_without_a_total_have_no_time_left():
    left = StepsLeft(clock=iter([]).__next__)
    assert [left.words(0, 0), left.words(1, 0)] == ["", ""]
    assert left.now is None


def test_lines_carry_the_words_alone_where_nothing_is_known():
    said: list[str] = []
    TimedLines(said.append).step("launch 1 of 2: dense", 0, 2)
    assert said == ["launch 1 of 2: dense"]


@pytest.mark.parametrize(
    ("seconds", "words"), [(2.1, "3 s"), (99, "99 s"), (100, "2 min"), (7200, "2.0 h")]
)
def test_durations_are_rounded_up(seconds, words):
    assert duration(seconds) == words
