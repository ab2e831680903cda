import pytest

from spinn_edge.bench.loops.energy_timing import SpentEnergy, time_energy
from spinn_edge.bench.machine.energy import PROCESSORS, Energy
from spinn_edge.core.errors import InferenceError
from tests.fakes.runtime import FakeClock
from tests.unit.bench.test_measurement import row


class Meter:
    """Two watts for as long as the clock ran; nothing where it is ``blind``."""

    def __init__(self, clock, *, blind=False):
        self.clock, self.blind, self.begun_ns = clock, blind, clock()
        self.stopped = 0

    def stop(self):
        self.stopped += 1
        window_s = (self.clock() - self.begun_ns) / 1e9
        if self.blind:
            return None
        return Energy(joules=2 * window_s, window_s=window_s, sources=(PROCESSORS,))


def spend(inference_ns, *, about_s, blind=False, fails=False):
    clock, meters, asked = FakeClock(), [], []

    def start():
        if fails:
            raise InferenceError("failed")
        clock.advance(inference_ns)

    def start_meter(gpu):
        asked.append(gpu)
        meters.append(Meter(clock, blind=blind))
        return meters[-1]

    try:
        spent = time_energy(
            start, lambda: None, gpu=True, about_s=about_s, start_meter=start_meter, clock=clock
        )
    finally:
        assert [meter.stopped for meter in meters] == [1]
        assert asked == [True]
    return spent


def test_a_window_is_longer_than_a_second_and_its_inferences_are_counted():
    spent = spend(1_000_000, about_s=1e-3)
    assert spent.energy.window_s == pytest.approx(1.05)
    assert spent.inferences == 1050
    assert spent.energy.joules / spent.inferences == pytest.approx(2e-3)


def test_an_inference_longer_than_the_window_is_run_once():
    assert spend(3_000_000_000, about_s=3.0).inferences == 1


def test_counters_that_cannot_be_read_give_nothing():
    assert spend(1_000_000, about_s=1e-3, blind=True) is None


def test_the_meter_is_stopped_after_a_failure_too():
    with pytest.raises(InferenceError, match="failed"):
        spend(1, about_s=1.0, fails=True)


def window(joules, inferences, sources=(PROCESSORS,)):
    energy = Energy(joules=joules, window_s=1.1, sources=sources)
    return SpentEnergy(inferences=inferences, energy=energy)


def test_a_row_divides_all_energy_by_all_inferences():
    assert row([1e-3], energies=(window(3, 100), window(1, 100))).joules_per_inference == 0.02


def test_windows_of_other_sources_are_not_added():
    mixed = row([1e-3], energies=(window(3, 100), window(1, 100, ("GPU (NVML)",))))
    assert mixed.joules_per_inference is None
    assert row([1e-3]).joules_per_inference is None
