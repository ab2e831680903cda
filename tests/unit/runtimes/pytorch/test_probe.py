import shutil

import pytest

from spinn_edge.core.errors import RuntimeUnavailableError
from spinn_edge.runtimes.pytorch import probe as torch_probe


@pytest.fixture
def machine(monkeypatch):
    """A machine with a given torch and given programs."""

    def machine(version="2.13.0", programs=()):
        monkeypatch.setattr(torch_probe, "installed_version", lambda *names: version)
        monkeypatch.setattr(shutil, "which", lambda name: name if name in programs else None)
        monkeypatch.delenv("CXX", raising=False)

    return machine


@pytest.mark.parametrize("probe", [torch_probe.probe, torch_probe.probe_compiler])
def test_without_torch_it_says_what_to_install(machine, probe):
    machine(version=None, programs=("g++",))
    found = probe()
    assert (found.version, found.reason) == (None, "torch is not installed")
    assert "spinn-edge[export]" in found.install


@pytest.mark.parametrize("probe", [torch_probe.probe, torch_probe.probe_compiler])
def test_with_all_it_needs_it_gives_the_version(machine, probe):
    machine(programs=("g++",))
    found = probe()
    assert (found.version, found.available, found.install) == ("2.13.0", True, "")


def test_compiling_needs_a_compiler_and_eager_does_not(machine):
    machine()
    assert torch_probe.probe().available
    found = torch_probe.probe_compiler()
    assert found.version == "2.13.0"
    assert "C++ compiler" in str(found.reason)
    assert found.install == "apt-get install g++"


def test_the_compiler_that_cxx_names_counts(machine, monkeypatch):
    machine(programs=("clang++",))
    monkeypatch.setenv("CXX", "clang++")
    assert torch_probe.probe_compiler().available
    monkeypatch.setenv("CXX", "icpx")
    assert not torch_probe.probe_compiler().available


# --- on a GPU


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver")


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch_probe, "find_device", lambda: "a GPU")


@pytest.fixture(params=[torch_probe.probe_cuda, torch_probe.probe_cuda_compiler])
def probe_on_gpu(request):
    return request.param


def test_a_cpu_build_is_told_by_its_version_before_the_driver_is_asked(
    machine, monkeypatch, probe_on_gpu
):
    machine(version="2.13.0+cpu", programs=("gcc",))
    monkeypatch.setattr(torch_probe, "find_device", no_gpu)
    found = probe_on_gpu()
    assert found.reason == "torch 2.13.0+cpu is a CPU build"
    assert "pip install torch" in found.install


@pytest.mark.parametrize("version", ["2.13.0", "2.13.0+cu130"])
def test_a_cuda_build_without_a_driver_gives_the_drivers_words(
    machine, monkeypatch, probe_on_gpu, version
):
    machine(version=version, programs=("gcc",))
    monkeypatch.setattr(torch_probe, "find_device", no_gpu)
    found = probe_on_gpu()
    assert (found.version, found.reason) == (version, "no NVIDIA driver")
    assert "nvidia-smi" in found.install


def test_a_cuda_build_with_a_gpu_finds_nothing_missing(machine, gpu, probe_on_gpu):
    machine(programs=("gcc",))
    found = probe_on_gpu()
    assert (found.version, found.available, found.install) == ("2.13.0", True, "")


def test_without_torch_a_gpu_does_not_help(machine, gpu, probe_on_gpu):
    machine(version=None)
    assert probe_on_gpu().reason == "torch is not installed"


def test_compiling_for_a_gpu_needs_triton(machine, gpu, monkeypatch):
    machine(programs=("gcc",))
    monkeypatch.setattr(
        torch_probe, "installed_version", lambda *names: "2.13.0" if "torch" in names else None
    )
    found = torch_probe.probe_cuda_compiler()
    assert "Triton" in str(found.reason)
    assert found.install == "pip install triton"
    assert torch_probe.probe_cuda().available


def test_triton_needs_a_c_compiler(machine, gpu, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    machine()
    found = torch_probe.probe_cuda_compiler()
    assert "C compiler" in str(found.reason)
    assert found.install == "apt-get install gcc"
    machine(programs=("clang",))
    assert torch_probe.probe_cuda_compiler().available
    monkeypatch.setenv("CC", "icx")
    assert not torch_probe.probe_cuda_compiler().available
