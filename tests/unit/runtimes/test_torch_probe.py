import shutil

import pytest

from spinn_edge.runtimes import torch_probe


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
