from functools import partial

import pytest

from spinn_edge.bench.machine import energy
from spinn_edge.bench.machine.energy import (
    FEWEST_ENERGY_WINDOW_S,
    GPU,
    PROCESSORS,
    Energy,
    EnergyMeter,
    energy_readable,
    open_gpu_counter,
)
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import RuntimeUnavailableError
from tests.fakes.machine import FakeClock, FakeMachine
from tests.fakes.nvml import FakeNvml, absent, gpu

RAPL = "sys/class/powercap"


@pytest.fixture
def machine(tmp_path):
    return FakeMachine(tmp_path)


def put_zone(machine, zone, name, energy_uj, range_uj=1000_000_000):
    machine.put(f"{RAPL}/{zone}/name", name)
    machine.put(f"{RAPL}/{zone}/energy_uj", energy_uj)
    if range_uj is not None:
        machine.put(f"{RAPL}/{zone}/max_energy_range_uj", range_uj)


def counter_of(nvml, name="RTX", **variables):
    return open_gpu_counter(lambda: nvml, variables, lambda: name)


def measured(machine, change, seconds=FEWEST_ENERGY_WINDOW_S, nvml=None, **variables):
    clock = FakeClock()
    open_gpu = partial(counter_of, nvml, **variables)
    meter = EnergyMeter.start(nvml is not None, clock=clock, root=machine.root, open_gpu=open_gpu)
    clock.now_s += seconds
    change()
    return meter.stop()


def joules(machine, change, seconds=FEWEST_ENERGY_WINDOW_S):
    found = measured(machine, change, seconds)
    return None if found is None else found.joules


# --- processors


def test_packages_are_added_and_what_counts_them_again_is_not(machine):
    zones = [("intel-rapl:0", "package-0"), ("intel-rapl:1", "package-1"),
             ("intel-rapl:0:0", "core"), ("intel-rapl:2", "psys"),
             ("intel-rapl-mmio:0", "package-0")]  # fmt: skip
    for zone, name in zones:
        put_zone(machine, zone, name, 1_000_000)

    def spend():
        for number, (zone, name) in enumerate(zones):
            put_zone(machine, zone, name, 1_000_000 + 2_000_000 * (number + 1))

    assert joules(machine, spend) == pytest.approx(2.0 + 4.0)


def test_a_counter_that_started_again_is_continued(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 9_000_000, range_uj=10_000_000)
    change = partial(put_zone, machine, "intel-rapl:0", "package-0", 500_000, range_uj=10_000_000)
    assert joules(machine, change) == pytest.approx(1.5)


def test_a_counter_that_started_again_from_nobody_knows_where_is_none(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 9_000_000, range_uj=None)
    change = partial(put_zone, machine, "intel-rapl:0", "package-0", 1, range_uj=None)
    assert joules(machine, change) is None


@pytest.mark.parametrize(
    ("share", "told"), [(0.99, False), (1.0, True)], ids=["too short", "long enough"]
)
def test_a_short_window_tells_no_energy(machine, share, told):
    put_zone(machine, "intel-rapl:0", "package-0", 0)
    change = partial(put_zone, machine, "intel-rapl:0", "package-0", 5_000_000)
    found = joules(machine, change, share * FEWEST_ENERGY_WINDOW_S)
    assert found == (5.0 if told else None)


def test_a_machine_without_counters_tells_no_energy(machine):
    assert joules(machine, lambda: None) is None


def test_one_package_that_only_root_may_read_makes_the_sum_unknown(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 1)
    machine.put(f"{RAPL}/intel-rapl:1/name", "package-1")
    machine.put_unreadable(f"{RAPL}/intel-rapl:1/energy_uj")
    assert joules(machine, lambda: None) is None


def test_a_package_that_went_away_makes_the_sum_unknown(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 1)
    put_zone(machine, "intel-rapl:1", "package-1", 1)
    gone = partial(machine.put, f"{RAPL}/intel-rapl:1/name", "dram")
    assert joules(machine, gone) is None


# --- the GPU


def test_the_energy_of_the_gpu_is_added_and_named(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 0)
    nvml = FakeNvml(gpu("Other", energy_mj=1), gpu("RTX", energy_mj=70_000))

    def spend():
        put_zone(machine, "intel-rapl:0", "package-0", 5_000_000)
        nvml.gpus[0].energy_mj = 900_000
        nvml.gpus[1].energy_mj = 170_500

    found = measured(machine, spend, seconds=2.0, nvml=nvml)
    assert found.joules == pytest.approx(5.0 + 100.5)
    assert (found.window_s, found.sources) == (2.0, (PROCESSORS, GPU))
    assert nvml.open == 0  # what was opened was closed


def test_nvml_stays_open_between_the_readings(machine):
    nvml = FakeNvml(gpu())
    opened = []
    measured(machine, lambda: opened.append(nvml.open), nvml=nvml)
    assert opened == [1]


def test_the_gpu_alone_is_told_where_the_processors_cannot_be_read(machine):
    nvml = FakeNvml(gpu(energy_mj=1000))
    found = measured(machine, lambda: setattr(nvml.gpus[0], "energy_mj", 4000), nvml=nvml)
    assert (found.joules, found.sources) == (3.0, (GPU,))


def test_the_gpu_is_not_asked_unless_told(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 0)

    def never():
        raise AssertionError("NVML was opened")

    clock = FakeClock()
    meter = EnergyMeter.start(clock=clock, root=machine.root, open_gpu=never)
    clock.now_s += 1
    assert meter.stop() == Energy(joules=0.0, window_s=1.0, sources=(PROCESSORS,))
    assert energy_readable(root=machine.root, open_gpu=never)


def test_a_gpu_of_a_driver_that_was_loaded_anew_tells_no_energy(machine):
    nvml = FakeNvml(gpu(energy_mj=1000))
    assert measured(machine, lambda: setattr(nvml.gpus[0], "energy_mj", 10), nvml=nvml) is None
    assert nvml.open == 0


def test_a_gpu_without_a_counter_leaves_the_processors(machine):
    put_zone(machine, "intel-rapl:0", "package-0", 0)
    nvml = FakeNvml(gpu(), broken=("nvmlDeviceGetTotalEnergyConsumption",))
    assert measured(machine, lambda: None, nvml=nvml).sources == (PROCESSORS,)


def test_a_short_window_on_a_gpu_tells_no_energy_and_closes(machine):
    nvml = FakeNvml(gpu())
    assert measured(machine, lambda: None, 0.5, nvml=nvml) is None
    assert nvml.open == 0


# --- which GPU, and whether any


def test_of_two_gpus_alike_none_is_guessed():
    nvml = FakeNvml(gpu(uuid="GPU-1", energy_mj=1), gpu(uuid="GPU-2", energy_mj=2))
    assert counter_of(nvml) is None
    assert nvml.open == 0
    assert counter_of(nvml, CUDA_VISIBLE_DEVICES="GPU-2").read() == 2


def test_without_bindings_driver_or_gpu_there_is_no_counter():
    assert open_gpu_counter(absent, {}, lambda: "RTX") is None
    assert counter_of(FakeNvml(gpu(), broken=("nvmlInit",))) is None
    assert counter_of(FakeNvml(gpu()), name=None) is None


def test_without_a_gpu_the_driver_names_none(monkeypatch):
    def refuse():
        raise RuntimeUnavailableError("no NVIDIA driver")

    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", refuse)
    assert energy.open_gpu_counter(lambda: FakeNvml(gpu()), {}) is None


@pytest.mark.parametrize(
    ("rapl", "broken", "asked", "readable"),
    [
        (True, (), False, True),
        (False, (), False, False),
        (False, (), True, True),
        (False, ("nvmlDeviceGetTotalEnergyConsumption",), True, False),
        (False, ("nvmlInit",), True, False),
        (True, ("nvmlInit",), True, True),
    ],
)
def test_energy_is_readable_where_one_source_is(machine, rapl, broken, asked, readable):
    if rapl:
        put_zone(machine, "intel-rapl:0", "package-0", 0)
    nvml = FakeNvml(gpu(), broken=broken)
    found = energy_readable(asked, root=machine.root, open_gpu=lambda: counter_of(nvml))
    assert found is readable
    assert nvml.open == 0


def test_an_energy_survives_a_result_file():
    found = Energy(joules=1.5, window_s=1.0, sources=(PROCESSORS,))
    assert decode(Energy, encode(found), where="worker") == found
