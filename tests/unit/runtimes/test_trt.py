import dataclasses
import sys

import numpy as np
import pytest

from spinn_edge.core.errors import (
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
)
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.trt import build_engines
from spinn_edge.runtimes.base import OpenOptions, infer
from spinn_edge.runtimes.cuda_driver import find_device
from spinn_edge.runtimes.cuda_memory import DeviceMemory
from spinn_edge.runtimes.trt import open_trt, probe
from spinn_edge.runtimes.trt_engine import EngineChoice
from tests.fakes.cuda import FakeCudart, FakeDriver
from tests.fakes.trt import (
    FEATURES,
    FLOAT32,
    INPUTS,
    MAX_BATCH,
    Bench,
    FakeEngine,
    fake_backend,
    make_bundle,
    write_mlp,
)


def a2000():
    return find_device(FakeDriver().load)


def no_gpu():
    raise RuntimeUnavailableError("no NVIDIA driver: libcuda.so.1 cannot be loaded")


def must_not_ask():
    raise AssertionError("the driver was asked too early")


def has_driver():
    try:
        find_device()
    except RuntimeUnavailableError:
        return False
    return True


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


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    """Real engines of tensorrt_rtx for SM86 and SM89."""
    root = tmp_path_factory.mktemp("engines")
    onnx_path = write_mlp(root / "model.onnx")
    entries = build_engines(
        onnx_path, root, inputs=INPUTS, max_batch=MAX_BATCH,
        compute_capabilities=("SM86", "SM89"), find=no_gpu,
    )  # fmt: skip
    return make_bundle(root, entries)


@pytest.mark.skipif(has_driver(), reason="asks what happens without a driver")
def test_open_without_a_driver_fails_cleanly(engines):
    with pytest.raises(RuntimeUnavailableError, match="nvidia-smi"):
        open_trt(engines, OpenOptions())


def test_open_joins_the_chosen_engine_and_the_cuda_package(bench, monkeypatch):
    choice = EngineChoice(backend=bench.backend, entry=bench.entry, plan=b"plan")
    monkeypatch.setattr("spinn_edge.runtimes.trt.choose_engine", lambda bundle: choice)
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", bench.cudart)
    x = samples(3)
    runtime = open_trt(bench.bundle, OpenOptions())
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))
    monkeypatch.setitem(sys.modules, "cuda.bindings.runtime", None)
    with pytest.raises(MissingDependencyError, match=r"'cuda.bindings.runtime'(?s:.*)\[trt\]"):
        open_trt(bench.bundle, OpenOptions())


def test_stream_that_is_not_made_is_reported(bench):
    bench.cudart.refuse["cudaStreamCreateWithFlags"] = {1}
    with pytest.raises(RuntimeUnavailableError, match="cudaErrorMemoryAllocation"):
        bench.open()


@pytest.mark.skipif(has_driver(), reason="asks what happens without a driver")
def test_real_cuda_refusal_names_the_error(bench):
    bench.cudart = pytest.importorskip("cuda.bindings.runtime")
    with pytest.raises(RuntimeUnavailableError, match=r"cudaError(InsufficientDriver|NoDevice)"):
        bench.open()


# --- running


def test_outputs_equal_the_engines_at_every_batch(bench):
    runtime = bench.open()
    for batch in (1, 5, MAX_BATCH, 3, 3):
        x = samples(batch, seed=batch)
        np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))


def test_bound_inputs_are_the_devices_own(bench):
    runtime = bench.open()
    x = samples(4)
    expected = bench.expected(x)
    runtime.bind({"input": x})
    x[:] = 0
    runtime.run()
    runtime.sync()
    np.testing.assert_array_equal(runtime.fetch()["output"], expected)


def test_strided_input_is_read_as_it_looks(bench):
    x = samples(8)[::2]
    outputs = infer(bench.open(), {"input": x})
    np.testing.assert_array_equal(outputs["output"], bench.expected(np.ascontiguousarray(x)))


def test_fetched_arrays_survive_the_next_run(bench):
    runtime = bench.open()
    first = infer(runtime, {"input": samples(4, seed=1)})["output"]
    kept = first.copy()
    infer(runtime, {"input": samples(4, seed=2)})
    np.testing.assert_array_equal(first, kept)


def test_fetch_waits_for_a_run_that_nobody_synchronized(bench):
    runtime = bench.open()
    x = samples(4)
    runtime.bind({"input": x})
    runtime.run()
    np.testing.assert_array_equal(runtime.fetch()["output"], bench.expected(x))


def test_buffers_and_shapes_are_kept_while_the_batch_stays(bench):
    runtime = bench.open()
    for seed in range(5):
        infer(runtime, {"input": samples(4, seed)})
    assert bench.cudart.calls.count("cudaMalloc") == 2
    assert bench.engine.shape_calls == 1


def test_smaller_batch_reuses_buffers_and_larger_ones_replace_them(bench):
    runtime = bench.open()
    for batch, allocations, frees in ((8, 2, 0), (2, 2, 0), (8, 2, 0), (9, 4, 2)):
        infer(runtime, {"input": samples(batch)})
        assert bench.cudart.calls.count("cudaMalloc") == allocations
        assert bench.cudart.calls.count("cudaFree") == frees
        assert len(bench.cudart.live) == 2


def test_growth_waits_for_work_in_flight(bench):
    runtime = bench.open()
    runtime.bind({"input": samples(2)})
    runtime.run()
    runtime.bind({"input": samples(3)})  # the fake asserts that nothing is freed in flight


def test_model_with_two_inputs_and_outputs(tmp_path):
    bench = Bench(tmp_path)
    onnx = pytest.importorskip("onnx")
    value, kind = onnx.helper.make_tensor_value_info, onnx.TensorProto.FLOAT
    nodes = [
        onnx.helper.make_node("Add", ["a", "b"], ["sum"]),
        onnx.helper.make_node("Sub", ["a", "b"], ["difference"]),
    ]
    graph = onnx.helper.make_graph(
        nodes, "graph", [value(name, kind, ["batch", 3]) for name in "ab"],
        [value(name, kind, ["batch", 3]) for name in ("sum", "difference")],
    )  # fmt: skip
    opsets = [onnx.helper.make_opsetid("", 18)]
    path = tmp_path / "two.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    bench.engine = FakeEngine(path, bench.cudart)
    bench.backend = fake_backend(bench.engine)
    shapes = {"min": [1, 3], "opt": [2, 3], "max": [8, 3]}
    bench.entry = dataclasses.replace(
        bench.entry,
        details={"profile": {"a": shapes, "b": shapes | {"min": [2, 3], "max": [4, 3]}}},
    )
    bench.bundle = make_bundle(
        tmp_path, (bench.entry,),
        inputs=tuple(TensorSpec(name, (None, 3), FLOAT32) for name in "ab"),
        outputs=tuple(TensorSpec(name, (None, 3), FLOAT32) for name in ("sum", "difference")),
    )  # fmt: skip
    runtime = bench.open()
    a, b = samples(4)[:, :3], samples(4, seed=1)[:, :3]
    outputs = infer(runtime, {"a": a, "b": b})
    np.testing.assert_array_equal(outputs["sum"], a + b)
    np.testing.assert_array_equal(outputs["difference"], a - b)
    for batch in (1, 5):
        x = samples(batch)[:, :3]
        with pytest.raises(InferenceError, match=r"2\.\.4"):  # what both profiles allow
            runtime.bind({"a": x, "b": x})


# --- refusals


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ({"x": samples(1)}, "input 'input' missing"),
        ({"input": samples(1)[:, :3]}, r"float32 \[1, 3\], expected float32 \[batch, 18\]"),
        ({"input": samples(1).astype("float64")}, "is float64"),
        ({"input": samples(0)}, "0 samples"),
        ({"input": samples(MAX_BATCH + 1)}, r"65 samples given, .* allows 1\.\.64"),
    ],
)
def test_feeds_that_do_not_fit_are_refused_before_any_copy(bench, feeds, words):
    runtime = bench.open()
    with pytest.raises(InferenceError, match=words):
        runtime.bind(feeds)
    assert bench.cudart.calls == ["cudaStreamCreateWithFlags"]


@pytest.mark.parametrize(
    ("method", "words"),
    [("set_input_shape", "for input 'input'"), ("set_tensor_address", "a buffer for 'input'")],
)
def test_refused_binding_is_reported_and_tried_again(bench, method, words):
    runtime = bench.open()
    bench.engine.refuse.add(method)
    with pytest.raises(InferenceError, match=f"TensorRT refused .*{words}"):
        runtime.bind({"input": samples(2)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()
    bench.engine.refuse.clear()
    x = samples(2)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))


def test_refused_run_is_reported(bench):
    runtime = bench.open()
    runtime.bind({"input": samples(2)})
    bench.engine.refuse.add("execute_async_v3")
    with pytest.raises(InferenceError, match="TensorRT refused to run"):
        runtime.run()


def test_output_shape_that_depends_on_data_is_refused(bench):
    runtime = bench.open()
    bench.engine.output_shape = (-1, 2)
    with pytest.raises(InferenceError, match="the shape of 'output' depends on data"):
        runtime.bind({"input": samples(2)})


@pytest.mark.parametrize("method", ["run", "fetch"])
def test_nothing_runs_before_bind(bench, method):
    with pytest.raises(InferenceError, match="call bind first"):
        getattr(bench.open(), method)()


def test_failed_bind_unbinds_what_was_bound(bench):
    runtime = bench.open()
    runtime.bind({"input": samples(2)})
    bench.cudart.refuse["cudaMemcpyAsync"] = {2}
    with pytest.raises(InferenceError, match="cudaMemcpyAsync"):
        runtime.bind({"input": samples(2)})
    with pytest.raises(InferenceError, match="call bind first"):
        runtime.run()


@pytest.mark.parametrize("function", ["cudaMalloc", "cudaMemcpyAsync", "cudaStreamSynchronize"])
def test_cuda_refusal_carries_function_and_error_name(bench, function):
    runtime = bench.open()
    bench.cudart.refuse[function] = {1}
    with pytest.raises(InferenceError, match=f"{function} failed: cudaErrorMemoryAllocation"):
        runtime.bind({"input": samples(2)})


def test_failed_allocation_frees_everything_on_close(bench):
    runtime = bench.open()
    bench.cudart.refuse["cudaMalloc"] = {2}
    with pytest.raises(InferenceError, match="cudaMalloc"):
        runtime.bind({"input": samples(2)})
    runtime.close()
    assert not bench.cudart.live
    assert not bench.cudart.streams


def test_failed_growth_leaves_a_runtime_that_still_works(bench):
    runtime = bench.open()
    infer(runtime, {"input": samples(2)})
    bench.cudart.refuse["cudaMalloc"] = {4}
    with pytest.raises(InferenceError, match="cudaMalloc"):
        runtime.bind({"input": samples(40)})
    x = samples(2)
    np.testing.assert_array_equal(infer(runtime, {"input": x})["output"], bench.expected(x))


# --- closing


def test_close_frees_all_and_a_second_call_does_nothing(bench):
    runtime = bench.open()
    runtime.bind({"input": samples(2)})
    runtime.run()
    runtime.close()
    assert not bench.cudart.live
    assert not bench.cudart.streams
    calls = list(bench.cudart.calls)
    runtime.close()
    assert bench.cudart.calls == calls


@pytest.mark.parametrize("function", ["cudaStreamSynchronize", "cudaFree", "cudaStreamDestroy"])
def test_close_frees_all_even_when_cuda_refuses_and_says_so(bench, function):
    runtime = bench.open()
    infer(runtime, {"input": samples(2)})
    bench.cudart.refuse[function] = {bench.cudart.calls.count(function) + 1}
    with pytest.raises(InferenceError, match=function):
        runtime.close()
    assert not bench.cudart.live
    assert not bench.cudart.streams
    runtime.close()


def test_device_memory_may_be_closed_twice():
    cudart = FakeCudart()
    memory = DeviceMemory(cudart)
    memory.reserve("x", 8)
    memory.close()
    memory.close()
    assert not cudart.live
    assert cudart.calls.count("cudaStreamDestroy") == 1


def test_closed_runtime_says_so(bench):
    runtime = bench.open()
    runtime.close()
    for call in (lambda: runtime.bind({"input": samples(1)}), runtime.run, runtime.sync,
                 runtime.fetch):  # fmt: skip
        with pytest.raises(InferenceError, match="was closed"):
            call()
