"""Opening and probing; what runs then is in test_ort_device.py."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from spinn_edge.core.errors import (
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.runtimes.base import OpenOptions, infer
from spinn_edge.runtimes.nvidia.driver import DRIVER_ADVICE, find_device
from spinn_edge.runtimes.ort import cuda as ort_cuda
from spinn_edge.runtimes.ort.session import CPU, CUDA
from tests.fakes.cuda import FakeDriver
from tests.fakes.ort import FLOAT32, GPU, WEIGHTS, Bench, FakeOrt, Session
from tests.fakes.runtime import doubling_bundle


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path / "bundle")


def samples(batch, seed=0):
    return np.random.default_rng(seed).standard_normal((batch, 3)).astype(FLOAT32)


def expected(x):
    return np.tanh(x @ WEIGHTS)


def assert_right(runtime, batch, seed=0):
    x = samples(batch, seed)
    np.testing.assert_allclose(infer(runtime, {"x": x})["y"], expected(x), atol=1e-6)


@pytest.fixture(params=[False, True], ids=["plain", "graph"])
def graph(request):
    return request.param


# --- opening


def test_the_session_is_told_our_stream_tf32_and_what_the_caller_chose(bench):
    runtime = bench.open(tf32=True, provider_options={"gpu_mem_limit": "1000000"})
    assert bench.ort.options == {
        "gpu_mem_limit": "1000000",
        "user_compute_stream": "7",
        "do_copy_in_default_stream": "1",
        "use_tf32": "1",
        "enable_cuda_graph": "0",
    }
    facts = runtime.facts
    assert (facts.file, facts.tf32, facts.notices) == ("model.onnx", True, ())
    assert facts.device == "NVIDIA RTX A2000 (SM86)"


def test_tf32_is_forbidden_in_words_where_it_was_not_asked_for(bench):
    assert bench.open().facts.tf32 is False
    assert bench.ort.options["use_tf32"] == "0"


@pytest.mark.parametrize("name", ["use_tf32", "user_compute_stream", "device_id"])
def test_an_option_that_is_not_the_callers_is_refused_with_what_to_do_instead(bench, name):
    with pytest.raises(UsageError, match=rf"--provider-option {name}=1 cannot be set here: .+"):
        bench.open(provider_options={name: "1"})


def test_an_option_that_onnxruntime_refuses_names_ours_and_leaks_nothing(bench):
    bench.ort.refuse = RuntimeError('Unknown provider option: "speed".')
    with pytest.raises(UsageError, match=r"--provider-option: .*speed"):
        bench.open(provider_options={"speed": "1"})
    assert bench.cudart.held() == 0


def test_an_option_that_onnxruntime_passed_over_is_noted(bench):
    bench.ort.taken = {"use_tf32": "0", "user_compute_stream": "7", "enable_cuda_graph": "0"}
    [notice] = bench.open(provider_options={"speed": "1"}).facts.notices
    assert notice.endswith("does not list as taken: do_copy_in_default_stream, speed")


def test_a_fall_back_to_another_provider_is_refused_and_leaks_nothing(bench):
    bench.ort.loads = "AzureExecutionProvider"
    with pytest.raises(RuntimeUnavailableError, match=f"asked for {CPU}, onnxruntime loaded Azure"):
        bench.open()
    assert bench.cudart.held() == 0


def test_nodes_on_the_cpu_are_a_notice(bench, monkeypatch):
    nodes = [SimpleNamespace(op_type=name) for name in ("Foo", "Bar", "Foo")]
    parts = [
        SimpleNamespace(ep_name=CPU, get_nodes=lambda: nodes[:1]),  # the provider asked for here
        SimpleNamespace(ep_name="Other", get_nodes=lambda: nodes[1:]),
    ]
    monkeypatch.setattr(
        Session, "get_provider_graph_assignment_info", lambda self: parts, raising=False
    )
    assert bench.open().facts.notices == ("2 of 3 nodes run on the CPU: Bar, Foo",)


@pytest.mark.parametrize(
    ("version", "waits"), [("1.20.0", True), ("1.28rc1", False), ("unknown", True)]
)
def test_a_version_that_waits_for_each_replay_is_noted(bench, version, waits):
    bench.ort.__version__ = version
    assert any("28686" in notice for notice in bench.open(graph=True).facts.notices) == waits
    assert bench.open().facts.notices == ()


def test_another_precision_is_another_file(bench):
    with pytest.raises(RuntimeUnavailableError, match="holds no fp16 onnx file"):
        bench.open(precision="fp16")


def test_a_stream_that_is_not_made_is_a_machine_that_cannot(bench):
    bench.cudart.refuse["cudaStreamCreateWithFlags"] = {1}
    with pytest.raises(RuntimeUnavailableError, match="nvidia-smi"):
        bench.open()


# --- this machine


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver")


@pytest.fixture
def cuda_build(bench, monkeypatch):
    """A CUDA build of onnxruntime and everything else that it needs."""
    monkeypatch.setitem(sys.modules, "onnxruntime", bench.ort)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", bench.cudart)
    monkeypatch.setattr(ort_cuda, "find_device", lambda: GPU)
    return bench


def installed(*absent):
    return lambda *names: None if set(names) & set(absent) else "1.31.1"


def a2000():
    return find_device(FakeDriver().load)


def test_probe_with_everything_finds_nothing_missing(cuda_build):
    found = ort_cuda.probe_cuda(installed=installed(), find=a2000)
    assert (found.available, found.version, found.install) == (True, "1.31.1", "")


@pytest.mark.parametrize(
    ("absent", "reason"),
    [("onnxruntime", "onnxruntime is not installed"), ("cuda-bindings", "cuda-bindings is not")],
)
def test_probe_names_the_package_that_is_missing(cuda_build, absent, reason):
    found = ort_cuda.probe_cuda(installed=installed(absent), find=a2000)
    assert reason in str(found.reason)
    assert "spinn-edge[ort-gpu]" in found.install


def test_probe_of_a_cpu_build_says_to_replace_it(cuda_build, monkeypatch, tiny_bundle):
    monkeypatch.setattr(FakeOrt, "get_available_providers", lambda self: [CPU])
    found = ort_cuda.probe_cuda(installed=installed(), find=a2000)
    assert "CPU build" in str(found.reason)
    assert "pip uninstall onnxruntime" in found.install
    with pytest.raises(RuntimeUnavailableError, match=r"CPU build; pip uninstall.*\[ort-gpu\]"):
        ort_cuda.open_cuda(tiny_bundle, OpenOptions())


def test_probe_without_a_driver_gives_the_drivers_words(cuda_build, monkeypatch, tiny_bundle):
    found = ort_cuda.probe_cuda(installed=installed(), find=no_gpu)
    assert (found.reason, found.install) == ("no NVIDIA driver", DRIVER_ADVICE)
    monkeypatch.setattr(ort_cuda, "find_device", no_gpu)
    with pytest.raises(RuntimeUnavailableError, match=r"no NVIDIA driver; .*nvidia-smi"):
        ort_cuda.open_cuda(tiny_bundle, OpenOptions())


def test_opening_without_cuda_bindings_says_what_to_install(cuda_build, monkeypatch, tiny_bundle):
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(MissingDependencyError, match=r"cuda.bindings.runtime(?s:.*)\[ort-gpu\]"):
        ort_cuda.open_cuda(tiny_bundle, OpenOptions())


def test_a_bundle_without_an_onnx_file_is_refused_first(tmp_path):
    with pytest.raises(RuntimeUnavailableError, match="holds no fp32 onnx file"):
        ort_cuda.open_cuda(doubling_bundle(tmp_path / "bundle"), OpenOptions())


@pytest.mark.parametrize(
    ("opener", "graph"), [(ort_cuda.open_cuda, False), (ort_cuda.open_cuda_graph, True)]
)
def test_openers_load_cudas_libraries_and_ask_for_cuda(cuda_build, capsys, opener, graph):
    cuda_build.ort.loads = CUDA
    loaded: list[None] = []
    cuda_build.ort.preload_dlls = lambda: loaded.append(print("libcublas not found"))
    runtime = opener(cuda_build.bundle, OpenOptions())
    assert loaded
    assert capsys.readouterr().out == ""  # the worker's own lines go there
    assert runtime.facts.cuda_graph is graph
    assert runtime._memory == "cuda"
    runtime.close()


def test_an_onnxruntime_without_preloading_is_opened_too(cuda_build):
    cuda_build.ort.loads = CUDA
    ort_cuda.open_cuda(cuda_build.bundle, OpenOptions()).close()
