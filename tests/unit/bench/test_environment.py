import os
import platform
from importlib.metadata import version
from pathlib import Path

import pytest

from spinn_edge import __version__
from spinn_edge.bench import environment
from spinn_edge.bench.environment import describe_environment
from spinn_edge.core.errors import RuntimeUnavailableError

CPUINFO = "processor\t: 0\nmodel name\t: Fast: CPU @ 3 GHz\nprocessor\t: 1\nmodel name\t: Other\n"


@pytest.fixture
def cpuinfo(monkeypatch):
    """Put text, or an error, in the place of /proc/cpuinfo."""

    def put(content):
        def read_text(path, encoding):
            assert path == Path("/proc/cpuinfo")
            if isinstance(content, Exception):
                raise content
            return content

        monkeypatch.setattr(environment, "Path", lambda text: FakePath(text, read_text))

    return put


class FakePath:
    def __init__(self, text, read):
        self._path, self._read = Path(text), read

    def read_text(self, encoding):
        return self._read(self._path, encoding)


def test_versions_of_what_is_installed_are_recorded():
    packages = describe_environment().packages
    assert packages["spinn-edge"] == __version__
    assert packages["numpy"] == version("numpy")
    assert packages["onnxruntime"] == version("onnxruntime")


def test_what_is_not_installed_is_left_out(monkeypatch):
    monkeypatch.setattr(
        environment, "installed_version", lambda name: "2" if name == "numpy" else None
    )
    assert describe_environment().packages == {"spinn-edge": __version__, "numpy": "2"}


def test_the_processors_that_may_be_used_are_counted(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (1.2345, 9, 9))
    found = describe_environment()
    assert (found.cores, found.affinity, found.load_1min) == (64, 2, 1.23)


def test_a_system_without_affinity_or_load_is_described(monkeypatch):
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.delattr(os, "getloadavg", raising=False)
    found = describe_environment()
    assert (found.affinity, found.load_1min) == (0, None)


def test_the_processor_is_named(cpuinfo):
    cpuinfo(CPUINFO)
    assert describe_environment().cpu == "Fast: CPU @ 3 GHz"


@pytest.mark.parametrize("content", [OSError("none"), "flags : fpu\n", ""], ids=repr)
def test_without_a_name_the_architecture_is_given(cpuinfo, content):
    cpuinfo(content)
    assert describe_environment().cpu in (platform.processor(), platform.machine())


def test_the_gpu_is_named_or_why_there_is_none(monkeypatch):
    def none():
        raise RuntimeUnavailableError("no NVIDIA driver")

    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", none)
    assert describe_environment().gpu == "none: no NVIDIA driver"
    monkeypatch.setattr("spinn_edge.runtimes.nvidia.driver.find_device", lambda: "RTX A2000")
    assert describe_environment().gpu == "RTX A2000"


def test_python_and_system_are_recorded():
    found = describe_environment()
    assert found.python == platform.python_version()
    assert found.system == platform.platform()
