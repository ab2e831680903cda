import os

import pytest

from spinn_edge.bench.machine.device_memory import device_bytes_of_this_process
from tests.fakes.nvml import FakeNvml, absent, gpu

V3 = "nvmlDeviceGetComputeRunningProcesses_v3"
V2 = "nvmlDeviceGetComputeRunningProcesses_v2"
OWN, OTHER = os.getpid(), os.getpid() + 1


def held(nvml):
    found = device_bytes_of_this_process(lambda: nvml)
    assert nvml.open == 0  # what was opened was closed
    return found


def test_the_memory_of_this_process_is_told_and_not_that_of_others():
    assert held(FakeNvml(gpu(processes=((OTHER, 7), (OWN, 500), (OTHER, 9))))) == 500


def test_a_process_on_two_gpus_holds_what_it_holds_on_both():
    assert held(FakeNvml(gpu(processes=((OWN, 500),)), gpu(processes=((OWN, 30),)))) == 530


@pytest.mark.parametrize("processes", [(), ((OTHER, 7),)])
def test_a_process_that_the_driver_does_not_list_is_not_known(processes):
    assert held(FakeNvml(gpu(processes=processes))) is None


def test_the_number_outside_of_a_container_can_be_named():
    nvml = FakeNvml(gpu(processes=((OTHER, 7), (OWN, 500))))
    assert device_bytes_of_this_process(lambda: nvml, OTHER) == 7


def test_memory_that_the_driver_does_not_count_is_not_known():
    assert held(FakeNvml(gpu(processes=((OWN, None),)))) is None
    assert held(FakeNvml(gpu(processes=((OWN, 5),)), gpu(processes=((OWN, None),)))) is None


def test_an_older_driver_is_asked_in_its_own_words():
    assert held(FakeNvml(gpu(processes=((OWN, 500),)), broken=(V3,))) == 500


@pytest.mark.parametrize("broken", [("nvmlInit",), ("nvmlDeviceGetCount",), (V3, V2)])
def test_without_a_driver_that_answers_nothing_is_known(broken):
    assert held(FakeNvml(gpu(processes=((OWN, 500),)), broken=broken)) is None


def test_a_gpu_that_cannot_be_opened_leaves_the_others():
    class OneLost(FakeNvml):
        def nvmlDeviceGetHandleByIndex(self, index):
            return self._refuse() if index == 0 else super().nvmlDeviceGetHandleByIndex(index)

    assert held(OneLost(gpu(), gpu(processes=((OWN, 500),)))) == 500


def test_without_the_bindings_nothing_is_known():
    assert device_bytes_of_this_process(absent) is None
