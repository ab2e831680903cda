import pytest

from spinn_edge.bench.machine.gpu_state import GpuState, read_gpu_state
from tests.fakes.nvml import FakeNvml, absent, gpu


def state(nvml, name="RTX", **variables):
    return read_gpu_state(name, variables, lambda: nvml)


def test_clocks_are_in_hertz_and_power_in_watts():
    nvml = FakeNvml(gpu())
    assert state(nvml) == GpuState(
        driver="580.65.06",
        clock_hz=300_000_000,
        max_clock_hz=2_001_000_000,
        memory_clock_hz=405_000_000,
        power_limit_w=70.5,
        persistence=True,
    )
    assert nvml.open == 0  # what was opened was closed


def test_only_what_slows_the_clock_is_told():
    idle_and_user_clocks = 0x1 | 0x2
    assert state(FakeNvml(gpu(reasons=idle_and_user_clocks))).slowed_by == ()
    found = state(FakeNvml(gpu(reasons=0x1 | 0x4 | 0x40))).slowed_by
    assert found == ("its power limit", "heat (hardware)")


def test_persistence_that_is_off_is_false():
    assert state(FakeNvml(gpu(persistence=0))).persistence is False


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetClockInfo", "clock_hz"),
        ("nvmlDeviceGetEnforcedPowerLimit", "power_limit_w"),
        ("nvmlDeviceGetPersistenceMode", "persistence"),
        ("nvmlSystemGetDriverVersion", "driver"),
    ],
)
def test_what_a_gpu_does_not_tell_is_none_and_the_rest_is_read(function, field):
    found = state(FakeNvml(gpu(), broken=(function,)))
    assert getattr(found, field) is None
    assert found.max_clock_hz == 2_001_000_000


def test_the_gpu_that_cuda_shows_is_found_by_its_name():
    nvml = FakeNvml(gpu("Small", clock=1), gpu("RTX", clock=7))
    assert state(nvml).clock_hz == 7_000_000


def test_of_two_alike_none_is_guessed_unless_a_variable_names_one():
    nvml = FakeNvml(gpu(uuid="GPU-1", clock=1), gpu(uuid="GPU-2", clock=2))
    assert state(nvml) is None
    assert state(nvml, CUDA_VISIBLE_DEVICES="0") is None  # CUDA's order is not NVML's
    assert state(nvml, CUDA_VISIBLE_DEVICES="GPU-2,GPU-1").clock_hz == 2_000_000
    assert nvml.open == 0


def test_without_the_bindings_nothing_is_told():
    assert read_gpu_state("RTX", {}, absent) is None


def test_without_a_driver_nothing_is_told():
    nvml = FakeNvml(broken=("nvmlInit",))
    assert state(nvml) is None
    assert nvml.open == 0
