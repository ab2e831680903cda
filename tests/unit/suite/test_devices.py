import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.runtimes import registry
from spinn_edge.suite.devices import check_runtimes, default_runtimes, read_device


@pytest.mark.parametrize("device", ["cuda", "cuda:0", torch.device("cuda"), torch.device("cuda:0")])
def test_first_gpu_is_cuda_however_it_is_spelt(device):
    assert read_device(device) == "cuda"


@pytest.mark.parametrize("device", ["cpu", "cpu:0", torch.device("cpu")])
def test_cpu_is_cpu(device):
    assert read_device(device) == "cpu"


def test_another_gpu_is_refused_with_what_to_type():
    with pytest.raises(UsageError, match="CUDA_VISIBLE_DEVICES=1"):
        read_device("cuda:1")


@pytest.mark.parametrize("device", ["mps", "gpu", "cuda:x", "", None, "cuda0"])
def test_unknown_device_is_refused(device):
    with pytest.raises(UsageError, match="expected 'cpu', 'cuda' or 'cuda:0'"):
        read_device(device)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
@pytest.mark.parametrize("eager", [True, False])
def test_defaults_are_known_and_agree_with_the_device(device, eager):
    names = default_runtimes(device, eager=eager)
    assert check_runtimes(names, device) == names
    assert all(name.endswith("-cuda") == (device == "cuda") for name in names)
    assert any(registry.find(name).format == "weights" for name in names) == eager


def test_gpu_runtime_on_the_cpu_is_refused():
    with pytest.raises(UsageError, match="eager-cuda runs on a GPU"):
        check_runtimes(("ort-cpu", "eager-cuda"), "cpu")


def test_cpu_runtimes_alone_on_a_gpu_are_refused():
    with pytest.raises(UsageError, match="eager, ort-cpu runs on the CPU"):
        check_runtimes(("eager", "ort-cpu"), "cuda")


def test_cpu_runtime_beside_one_on_the_gpu_is_a_comparison():
    assert check_runtimes(("ort-cpu", "ort-cuda"), "cuda") == ("ort-cpu", "ort-cuda")


def test_runtime_is_timed_once_however_often_it_is_named():
    assert check_runtimes(("ort-cpu", "eager", "ort-cpu"), "cpu") == ("ort-cpu", "eager")


@pytest.mark.parametrize("runtimes", [(), "ort-cpu"])
def test_runtimes_are_a_sequence_of_names(runtimes):
    with pytest.raises(UsageError, match="expected names in a tuple"):
        check_runtimes(runtimes, "cpu")


def test_unknown_runtime_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown runtime 'ortcpu'; known: eager"):
        check_runtimes(("ortcpu",), "cpu")
