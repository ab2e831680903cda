"""What an inference costs in energy: a window of a second or more, in a pass of its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from spinn_edge.bench.loops.timing import Clock
from spinn_edge.bench.machine.energy import FEWEST_ENERGY_WINDOW_S, Energy, EnergyMeter

_CHECK_EVERY_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class SpentEnergy:
    """One window.

    Attributes:
        inferences: that followed each other inside it.
        energy: of the whole machine meanwhile: the processor's idle cores are in it.
    """

    inferences: int
    energy: Energy


def time_energy(
    start: Callable[[], object],
    finish: Callable[[], object],
    *,
    gpu: bool,
    about_s: float,
    start_meter: Callable[[bool], EnergyMeter] = EnergyMeter.start,
    clock: Clock = time.perf_counter_ns,
) -> SpentEnergy | None:
    """Run inferences for a little over the shortest window that means something.

    Args:
        start: begins one inference.
        finish: waits for those that were begun.
        gpu: the GPU's counter counts too.
        about_s: what one inference takes, seconds; it sets how often the clock is read.
        start_meter: takes the first reading.
        clock: monotonic, nanoseconds.

    Returns:
        None where no counter can be read.
    """
    between_looks = max(1, int(_CHECK_EVERY_S / max(about_s, 1e-9)))
    inferences = 0
    meter = start_meter(gpu)
    end_ns = clock() + int(1.05 * FEWEST_ENERGY_WINDOW_S * 1e9)
    try:
        while clock() < end_ns:
            for _ in range(between_looks):
                start()
            finish()
            inferences += between_looks
    finally:
        energy = meter.stop()
    return SpentEnergy(inferences=inferences, energy=energy) if energy is not None else None
