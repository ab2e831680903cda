"""The loop over steps, with a clock that only steps move."""

import pytest

from spinn_edge.bench.training.job import StepRule
from spinn_edge.bench.training.step_timing import SAMPLE_S, WARM_S, WARM_STEPS, time_steps
from spinn_edge.core.errors import UsageError


class Machine:
    """Steps take time by number; the device is busy until it is synchronised."""

    def __init__(self, duration_s, *, queued=False):
        self.now_s = 0.0
        self.numbers = []
        self.synchronised = 0
        self._duration_s = duration_s
        self._queued = queued
        self._pending_s = 0.0

    def step(self, number):
        self.numbers.append(number)
        took_s = self._duration_s(len(self.numbers) - 1)
        if self._queued:
            self._pending_s += took_s
        else:
            self.now_s += took_s

    def synchronise(self):
        self.synchronised += 1
        self.now_s += self._pending_s
        self._pending_s = 0.0

    def clock(self):
        return self.now_s


def timed(machine, **rule):
    return time_steps(
        machine.step, StepRule(**rule), synchronise=machine.synchronise, clock=machine.clock
    )


def test_steps_are_timed_for_the_time_asked_for_after_a_warm_up():
    machine = Machine(lambda number: 0.004)
    times = timed(machine, seconds=1.0)
    steps = sum(times.sample_steps)
    assert steps * 0.004 == pytest.approx(1.0, abs=SAMPLE_S)
    assert (len(machine.numbers) - steps) * 0.004 >= WARM_S
    assert times.samples_s == pytest.approx([0.004] * len(times.samples_s))
    assert machine.numbers == list(range(len(machine.numbers)))


def test_a_slow_step_is_part_of_the_mean_and_never_left_out():
    warm = 75  # of 4 ms
    machine = Machine(lambda number: 1.0 if number == warm + 100 else 0.004)
    times = timed(machine, iterations=200)
    pairs = zip(times.samples_s, times.sample_steps, strict=True)
    whole_s = sum(mean_s * steps for mean_s, steps in pairs)
    assert whole_s == pytest.approx(199 * 0.004 + 1.0)


def test_the_number_of_iterations_is_exact():
    machine = Machine(lambda number: 0.0001)
    times = timed(machine, iterations=37)
    assert sum(times.sample_steps) == 37
    assert len(times.sample_steps) > 5
    (one,) = timed(Machine(lambda number: 0.5), iterations=1).samples_s
    assert one == 0.5


def test_a_device_that_works_in_the_background_is_waited_for():
    machine = Machine(lambda number: 0.004, queued=True)
    times = timed(machine, seconds=0.5)
    assert times.samples_s == pytest.approx([0.004] * len(times.samples_s))
    # before and after each run, not after each step
    assert machine.synchronised < len(machine.numbers)
    assert min(times.sample_steps) > 1


def test_a_slow_step_is_warmed_up_a_few_times_only():
    machine = Machine(lambda number: 3.0)
    times = timed(machine, seconds=1.0)
    assert times.sample_steps == (1,)
    assert len(machine.numbers) == WARM_STEPS + 1


@pytest.mark.parametrize("seconds", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_is_none_is_refused(seconds):
    with pytest.raises(UsageError, match=r"--seconds .*: expected a time above 0"):
        StepRule(seconds=seconds)


def test_no_iterations_are_refused():
    with pytest.raises(UsageError, match="--iterations 0: expected 1 or more"):
        StepRule(iterations=0)
