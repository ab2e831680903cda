import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.bench.loops.saturation import (
    FORMAT,
    LARGEST_SWEPT,
    MEMORY,
    SATURATED,
    SATURATED_GAIN,
    SWEPT,
    next_batch,
    saturation_of,
)
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.bench.test_measurement import row

THROUGHPUTS = st.floats(1e-3, 1e12)


def sweep(throughput_of, largest=None, smallest=1):
    """Return batches and throughputs, one after the other as next_batch asks for them."""
    done: list[tuple[int, float]] = []
    while (batch := next_batch(done, largest, smallest)) is not None:
        done.append((batch, throughput_of(batch)))
        assert len(done) <= 17, "it does not end"
    return done


def line(floor_s, slope_s):
    """Return the throughput of an inference that takes floor + slope x batch seconds."""
    return lambda batch: batch / (floor_s + slope_s * batch)


def rows_of(done, **changes):
    return [row([batch / per_s] * 3, batch=batch, **changes) for batch, per_s in done]


# --- which sizes are timed


@given(st.data(), st.none() | st.integers(1, 200_000), st.integers(1, 300))
def test_whatever_the_throughputs_it_ends_and_doubles_from_the_smallest(data, largest, smallest):
    done = sweep(lambda batch: data.draw(THROUGHPUTS), largest, smallest)
    batches = [batch for batch, _ in done]
    limit = min(largest or LARGEST_SWEPT, LARGEST_SWEPT)
    first = 2 ** (smallest - 1).bit_length()
    if first > limit:
        assert batches == [smallest]
        return
    assert batches[0] == first
    assert batches == [batches[0] * 2**n for n in range(len(batches))]
    assert batches[-1] <= limit


@given(st.floats(1e-7, 1e-2), st.floats(1e-9, 1e-4))
def test_it_ends_at_the_second_doubling_that_gains_little(floor_s, slope_s):
    done = sweep(line(floor_s, slope_s))
    gains = [after[1] / before[1] - 1 for before, after in itertools.pairwise(done)]
    if done[-1][0] < LARGEST_SWEPT:
        assert max(gains[-2:]) < SATURATED_GAIN
    pairs = list(itertools.pairwise(gains))[:-1]
    assert all(max(pair) >= SATURATED_GAIN for pair in pairs)


def test_one_step_that_gains_nothing_is_gone_over():
    steps = {1: 10.0, 2: 20.0, 4: 20.0, 8: 40.0, 16: 40.0, 32: 40.0, 64: 80.0}
    assert [batch for batch, _ in sweep(steps.__getitem__)] == [1, 2, 4, 8, 16, 32]


def test_a_file_of_one_batch_size_gets_one_row():
    assert [batch for batch, _ in sweep(float, largest=1)] == [1]


@pytest.mark.parametrize(("smallest", "largest"), [(3, 3), (1000, 1000), (5, 7)])
def test_a_file_that_takes_no_power_of_two_is_timed_at_its_smallest(smallest, largest):
    assert [batch for batch, _ in sweep(float, largest, smallest)] == [smallest]


def test_a_largest_batch_between_two_powers_ends_at_the_lower_one():
    assert [batch for batch, _ in sweep(float, largest=1000)][-1] == 512


# --- the knee


@given(st.floats(1e-6, 1e-3), st.floats(1e-8, 1e-6))
def test_the_knee_of_floor_and_slope_is_found(floor_s, slope_s):
    done = sweep(line(floor_s, slope_s))
    if len(done) <= 2:
        return
    found = saturation_of(rows_of(done))
    best = max(per_s for _, per_s in done)
    expected = min(batch for batch, per_s in done if per_s >= 0.95 * best * (1 + 1e-9))
    assert found is not None
    assert found.knee_batch == expected
    assert found.best_per_s == pytest.approx(best)
    # batch x slope / floor is 19 where 95 % of 1 / slope is reached; the best is a little below
    assert found.knee_batch <= max(1, 2 * 19 * floor_s / slope_s)
    assert found.stopped_by == (SATURATED if done[-1][0] < LARGEST_SWEPT else found.stopped_by)


def test_a_knee_says_what_the_next_doubling_gains():
    done = [(1, 100.0), (2, 200.0), (4, 390.0), (8, 397.8), (16, 400.0)]
    found = saturation_of(rows_of(done))
    assert found is not None
    assert (found.knee_batch, found.best_batch, found.stopped_by) == (4, 16, SATURATED)
    assert found.knee_per_s == pytest.approx(390)
    assert found.next_gain == pytest.approx(0.02)
    assert found.saturated


def test_a_throughput_that_falls_again_has_its_knee_before_that():
    found = saturation_of(rows_of([(1, 100.0), (2, 200.0), (4, 100.0), (8, 90.0)]))
    assert found is not None
    assert (found.knee_batch, found.best_batch, found.stopped_by) == (2, 2, SATURATED)
    assert found.next_gain == pytest.approx(-0.5)


GROWING = [(1, 100.0), (2, 200.0), (4, 400.0)]


def test_a_throughput_that_grows_to_the_end_is_not_saturated():
    found = saturation_of(rows_of(GROWING))
    assert found is not None
    assert (found.knee_batch, found.next_gain, found.saturated) == (4, None, False)
    assert found.stopped_by == SWEPT


@pytest.mark.parametrize(
    ("largest", "stopped_by"), [(4, FORMAT), (7, FORMAT), (8, SWEPT), (None, SWEPT)]
)
def test_it_says_when_the_files_largest_batch_ended_it(largest, stopped_by):
    found = saturation_of(rows_of(GROWING, facts=RuntimeFacts(max_batch=largest)))
    assert found is not None
    assert found.stopped_by == stopped_by


def test_it_says_when_memory_ended_it():
    full = row(batch=8, status="unavailable", reason="out of memory", ends_sweep=True)
    found = saturation_of([*rows_of(GROWING), full])
    assert found is not None
    assert (found.knee_batch, found.stopped_by) == (4, MEMORY)


@pytest.mark.parametrize(
    "done",
    [[], GROWING[:1], GROWING[:2], [(1, 1.0), (7, 1.0), (1000, 1.0)]],
    ids=["none", "one", "two", "no doublings"],
)
def test_too_few_sizes_have_no_knee(done):
    assert saturation_of(rows_of(done)) is None
