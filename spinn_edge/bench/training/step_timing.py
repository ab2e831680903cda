"""The loop that times training steps; imports no torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from spinn_edge.bench.training.job import StepRule

WARM_STEPS, WARM_S = 5, 0.3
"""Steps before timing: at least so many, and at least so long. Threads, caches and memory pools are
filled by then; compilation was before."""
SAMPLE_S = 0.02
"""Steps are timed in runs of about this length: a device is not synchronised after each step, as
nobody trains like that, and the clock's own time does not show."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTimes:
    """Runs of steps.

    Attributes:
        samples_s: mean duration of a step in each run.
        sample_steps: steps in each.
    """

    samples_s: tuple[float, ...]
    sample_steps: tuple[int, ...]


def time_steps(
    step: Callable[[int], object],
    rule: StepRule,
    *,
    synchronise: Callable[[], None],
    clock: Callable[[], float],
) -> StepTimes:
    """Warm up, then time steps until the rule's time or number is reached; none is left out.

    Args:
        step: takes the number of the step, from 0 on.
        rule: when to stop.
        synchronise: returns when the device has nothing left to do.
        clock: seconds.
    """
    number = 0

    def run(steps: int) -> float:
        nonlocal number
        synchronise()
        start_s = clock()
        for _ in range(steps):
            step(number)
            number += 1
        synchronise()
        return clock() - start_s

    warm_s = run(WARM_STEPS)
    while warm_s < WARM_S:
        warm_s += run(WARM_STEPS)
    in_a_run = max(1, math.ceil(SAMPLE_S * number / max(warm_s, 1e-9)))
    if rule.iterations is not None:
        in_a_run = min(in_a_run, max(1, rule.iterations // 10))
    samples_s: list[float] = []
    sample_steps: list[int] = []
    spent_s = 0.0
    while True:
        left = None if rule.iterations is None else rule.iterations - sum(sample_steps)
        if left == 0 or (left is None and spent_s >= rule.seconds):
            break
        steps = in_a_run if left is None else min(in_a_run, left)
        took_s = run(steps)
        spent_s += took_s
        samples_s.append(took_s / steps)
        sample_steps.append(steps)
    return StepTimes(samples_s=tuple(samples_s), sample_steps=tuple(sample_steps))
