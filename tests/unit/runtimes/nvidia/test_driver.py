import contextlib

import pytest

from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.runtimes.nvidia.driver import find_device
from tests.fakes.cuda import FakeDriver


def test_device_is_described_in_the_words_of_tensorrt():
    device = find_device(FakeDriver().load)
    assert device.name == "NVIDIA RTX A2000"
    assert (device.compute_capability, device.sm) == ("8.6", "SM86")
    assert device.driver_version == "12.8"


def test_two_digit_compute_capability_keeps_both_digits():
    assert find_device(FakeDriver(capability=(12, 0)).load).sm == "SM120"


def test_missing_driver_library_is_named():
    def load(name):
        raise OSError(f"{name}: cannot open shared object file")

    with pytest.raises(RuntimeUnavailableError, match=r"no NVIDIA driver: .* cannot be loaded"):
        find_device(load)


@pytest.mark.parametrize(
    "function",
    [
        "cuInit",
        "cuDeviceGetCount",
        "cuDeviceGet",
        "cuDeviceGetName",
        "cuDeviceGetAttribute",
        "cuDriverGetVersion",
    ],
)
def test_every_refusal_names_function_and_code(function):
    driver = FakeDriver(refuse={function: 100})
    with pytest.raises(RuntimeUnavailableError, match=f"{function} gave CUresult 100"):
        find_device(driver.load)


def test_no_gpu_is_said():
    with pytest.raises(RuntimeUnavailableError, match="shows no GPU"):
        find_device(FakeDriver(devices=0).load)


def test_library_without_the_functions_is_no_driver():
    with pytest.raises(RuntimeUnavailableError, match="has no cuInit"):
        find_device(lambda name: object())


def test_this_machine_answers_without_dying():
    with contextlib.suppress(RuntimeUnavailableError):
        assert find_device().sm.startswith("SM")
