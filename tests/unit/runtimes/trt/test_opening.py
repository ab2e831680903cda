import sys

import numpy as np
import pytest

from spinn_edge.core.errors import MissingDependencyError, RuntimeUnavailableError
from spinn_edge.runtimes.base import DeviceRuntime, OpenOptions, infer
from spinn_edge.runtimes.nvidia.driver import find_device
from spinn_edge.runtimes.registry import RUNTIMES
from spinn_edge.runtimes.trt.opening import open_trt, open_trt_without_graph, probe
from tests.fakes.cuda import FakeDriver
from tests.fakes.trt import FEATURES, FLOAT32, Bench


def a2000():
    return find_device(FakeDriver().load)


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver: libcuda.so.1 cannot be loaded")


def must_not_ask():
    raise AssertionError("the driver was asked too early")


def samples(rows, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, FEATURES)).astype(FLOAT32)


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# --- probe


def test_probe_without_a_package():
    found = probe(installed=lambda *names: None, find=must_not_ask)
    assert (found.version, found.available) == (None, False)
    assert "spinn-edge[trt-rtx]" in found.install


def test_probe_without_cuda_bindings():
    versions = {"tensorrt-rtx": "1.7.1.116"}
    found = probe(installed=lambda *names: versions.get(names[0]), find=must_not_ask)
    assert found.version == "1.7.1.116"
    assert found.reason == "cuda-bindings is not installed"


def test_probe_without_a_driver():
    found = probe(installed=lambda *names: "1.7.1.116", find=no_gpu)
    assert "no NVIDIA driver" in str(found.reason)
    assert "nvidia-smi" in found.install


def test_probe_with_everything():
    found = probe(installed=lambda *names: "1.7.1.116", find=a2000)
    assert found.available
    assert found.version == "1.7.1.116"


# --- opening


@pytest.fixture
def chosen(bench, monkeypatch):
    """Options that the preflight was asked with; it chooses the bench's engine."""
    asked = []

    def choose(bundle, options):
        asked.append((bundle, options))
        return bench.choice()

    monkeypatch.setattr("spinn_edge.runtimes.trt.opening.choose_engine", choose)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", bench.cudart)
    return asked


@pytest.mark.parametrize(("name", "replayed"), [("trt", True), ("trt-no-graph", False)])
def test_registered_openers_run_the_chosen_engine(bench, chosen, name, replayed):
    opener = {"open_trt": open_trt, "open_trt_without_graph": open_trt_without_graph}[
        RUNTIMES[name].opener.rpartition(":")[2]
    ]
    options = OpenOptions(on_mismatch="rebuild")
    runtime = opener(bench.bundle, options)
    assert chosen == [(bench.bundle, options)]
    assert isinstance(runtime, DeviceRuntime)
    x = samples(3)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    assert runtime.facts.cuda_graph is replayed
    assert bool(bench.cudart.counts["cudaGraphLaunch"]) is replayed


def test_missing_cuda_package_is_named_with_its_extra(bench, chosen, monkeypatch):
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(MissingDependencyError, match=r"'cuda.bindings.runtime'(?s:.*)\[trt\]"):
        open_trt(bench.bundle, OpenOptions())


@pytest.mark.parametrize("trusted", [False, True])
def test_trust_in_engine_code_is_the_callers(bench, chosen, trusted):
    bench.describe(version_compatible=True)
    options = OpenOptions(trust_engine_code=trusted)
    if trusted:
        open_trt(bench.bundle, options).close()
    else:
        with pytest.raises(RuntimeUnavailableError, match="--trust-engine-code"):
            open_trt(bench.bundle, options)
