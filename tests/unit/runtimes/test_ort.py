import shutil
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    BundleError,
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
)
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes import ort
from spinn_edge.runtimes.base import OpenOptions, infer
from tests.fakes.runtime import doubling_bundle

FLOAT = TensorProto.FLOAT


def session_of(nodes, inputs, outputs):
    """Open a session on a graph; inputs and outputs are (name, type, shape)."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(*spec) for spec in inputs],
        [helper.make_tensor_value_info(*spec) for spec in outputs],
    )
    opset = [helper.make_opsetid("", 18)]
    content = helper.make_model(graph, opset_imports=opset, ir_version=10).SerializeToString()
    return onnxruntime.InferenceSession(content, providers=[ort.CPU])


def negation(x_shape=("batch", 3), y_shape=(None, 3), onnx_type=FLOAT, dtype=np.float32):
    session = session_of(
        [helper.make_node("Neg", ["x"], ["y"])],
        [("x", onnx_type, x_shape)],
        [("y", onnx_type, x_shape)],
    )
    return ort.OnnxRuntime(session, (TensorSpec("y", y_shape, np.dtype(dtype)),))


def ones(*shape):
    return {"x": np.ones(shape, np.float32)}


def feed(*values):
    return {"x": np.array([values], np.float32)}


# --- buffers


def test_a_batch_of_the_same_size_reuses_the_buffers():
    runtime = negation()
    infer(runtime, ones(2, 3))
    first = runtime._inputs["x"], runtime._outputs["y"]
    infer(runtime, ones(2, 3))
    assert runtime._inputs["x"] is first[0]
    assert runtime._outputs["y"] is first[1]


def test_another_size_makes_new_buffers_of_that_size():
    runtime = negation()
    infer(runtime, ones(2, 3))
    assert infer(runtime, ones(5, 3))["y"].shape == (5, 3)
    assert infer(runtime, ones(1, 3))["y"].shape == (1, 3)


def test_a_refused_feed_keeps_what_was_bound():
    runtime = negation()
    runtime.bind(feed(1, 2, 3))
    with pytest.raises(InferenceError):
        runtime.bind(ones(2, 4))
    runtime.run()
    runtime.sync()
    np.testing.assert_array_equal(runtime.fetch()["y"], [[-1, -2, -3]])


@pytest.mark.parametrize(
    ("onnx_type", "dtype"),
    [
        (TensorProto.FLOAT16, np.float16),
        (TensorProto.DOUBLE, np.float64),
        (TensorProto.INT64, np.int64),
        (TensorProto.INT32, np.int32),
    ],
)
def test_other_types_go_through_unchanged(onnx_type, dtype):
    runtime = negation(onnx_type=onnx_type, dtype=dtype)
    result = infer(runtime, {"x": np.array([[1, 2, 3]], dtype)})["y"]
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, np.array([[-1, -2, -3]], dtype))


def test_outputs_with_another_dynamic_axis_follow_the_input():
    runtime = negation(("batch", "n"), (None, None))
    for shape in ((2, 3), (2, 4), (1, 4)):
        np.testing.assert_array_equal(infer(runtime, ones(*shape))["y"], -np.ones(shape))


def test_outputs_with_another_dynamic_axis_are_the_callers_own():
    runtime = negation(("batch", "n"), (None, None))
    first = infer(runtime, feed(1, 2))["y"]
    infer(runtime, feed(3, 4))
    np.testing.assert_array_equal(first, [[-1, -2]])


def test_outputs_whose_size_depends_on_the_values_may_change_it_between_runs():
    session = session_of(
        [helper.make_node("NonZero", ["x"], ["i"]), helper.make_node("Transpose", ["i"], ["y"])],
        [("x", FLOAT, ["batch", 3])],
        [("y", TensorProto.INT64, ["found", 2])],
    )
    runtime = ort.OnnxRuntime(session, (TensorSpec("y", (None, None), np.dtype(np.int64)),))
    assert len(infer(runtime, feed(1, 0, 1))["y"]) == 2
    assert len(infer(runtime, feed(1, 0, 0))["y"]) == 1


def test_a_type_without_a_numpy_form_is_refused():
    with pytest.raises(BundleError, match=r"'x' has type tensor\(bfloat16\)"):
        ort.spec_of(SimpleNamespace(name="x", type="tensor(bfloat16)", shape=["batch", 3]))


def test_a_failure_inside_onnxruntime_is_wrapped_with_its_words():
    session = session_of(
        [helper.make_node("Reshape", ["x", "shape"], ["y"])],
        [("x", FLOAT, ["batch", 3]), ("shape", TensorProto.INT64, [2])],
        [("y", FLOAT, ["a", "b"])],
    )
    runtime = ort.OnnxRuntime(session, (TensorSpec("y", (None, None), np.dtype(np.float32)),))
    runtime.inputs = (*runtime.inputs[:1], TensorSpec("shape", (None,), np.dtype(np.int64)))
    feeds = {"x": np.ones((2, 3), np.float32), "shape": np.array([4, 5])}
    with pytest.raises(InferenceError, match=r"ONNX Runtime failed: .+") as caught:
        infer(runtime, feeds)
    assert caught.value.__cause__ is not None


# --- opening


def test_the_session_runs_on_the_cpu_with_the_threads_that_were_asked_for(tiny_bundle):
    runtime = ort.open_cpu(tiny_bundle, OpenOptions(threads=2))
    assert runtime._session.get_providers() == [ort.CPU]
    assert runtime._session.get_session_options().intra_op_num_threads == 2
    assert runtime._session.get_session_options().inter_op_num_threads == 1


def test_a_file_that_onnxruntime_cannot_load_is_named(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle.root, tmp_path / "copy")
    path = tmp_path / "copy" / "model.onnx"
    path.write_bytes(path.read_bytes()[:200])
    bundle = Bundle(root=tmp_path / "copy", manifest=tiny_bundle.manifest)
    with pytest.raises(BundleError, match=r"model\.onnx cannot be loaded by ONNX Runtime: .+"):
        ort.open_cpu(bundle, OpenOptions())


def test_a_file_that_was_changed_is_refused_before_onnxruntime_sees_it(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle.root, tmp_path / "copy")
    with (tmp_path / "copy" / "model.onnx").open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(BundleError, match=r"model\.onnx"):
        Bundle.load(tmp_path / "copy")


class FakeOnnxRuntime:
    """The module ``onnxruntime`` of a CUDA build; its sessions load ``provider``."""

    SessionOptions = SimpleNamespace

    def __init__(self, provider):
        self.calls = []
        self._provider = provider

    def get_available_providers(self):
        return [ort.CUDA, ort.CPU]

    def preload_dlls(self):
        self.calls.append("preload_dlls")

    def InferenceSession(self, path, settings, providers):
        self.calls.append(providers)
        session = onnxruntime.InferenceSession(path, providers=[ort.CPU])
        return FakeSession(session, self._provider)


class FakeSession:
    """A CPU session that says it is on ``provider``."""

    def __init__(self, session, provider):
        self._session, self._provider = session, provider

    def get_providers(self):
        return [self._provider, ort.CPU]

    def __getattr__(self, name):
        return getattr(self._session, name)


@pytest.fixture
def cuda_build(monkeypatch):
    """Put a CUDA build and a GPU in place; returns a function that says what sessions load."""

    def build(provider):
        module = FakeOnnxRuntime(provider)
        monkeypatch.setattr(ort, "require", lambda name, extra: module)
        monkeypatch.setattr("spinn_edge.runtimes.cuda_driver.find_device", lambda: "a GPU")
        return module

    return build


def test_cuda_is_asked_for_alone_after_its_libraries_were_loaded(cuda_build, tiny_bundle):
    module = cuda_build(ort.CUDA)
    ort.open_cuda(tiny_bundle, OpenOptions()).close()
    assert module.calls == ["preload_dlls", [ort.CUDA]]


def test_a_fall_back_from_cuda_to_the_cpu_is_an_error(cuda_build, tiny_bundle):
    cuda_build(ort.CPU)
    with pytest.raises(RuntimeUnavailableError) as caught:
        ort.open_cuda(tiny_bundle, OpenOptions())
    assert "asked for CUDAExecutionProvider" in str(caught.value)
    assert "loaded CPUExecutionProvider" in str(caught.value)


# --- probes


def test_probe_without_the_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(ort, "installed_version", lambda *names: None)
    for found, extra in ((ort.probe_cpu(), "[ort]"), (ort.probe_cuda(), "[ort-gpu]")):
        assert (found.version, found.available) == (None, False)
        assert "onnxruntime is not installed" in str(found.reason)
        assert extra in found.install


def test_probe_of_a_cpu_build_says_to_replace_it(monkeypatch):
    module = SimpleNamespace(get_available_providers=lambda: [ort.CPU])
    monkeypatch.setattr(ort, "require", lambda name, extra: module)
    found = ort.probe_cuda()
    assert "CPU build" in str(found.reason)
    assert "pip uninstall onnxruntime" in found.install
    assert "spinn-edge[ort-gpu]" in found.install


def test_probe_of_a_cuda_build_without_a_driver_says_so(cuda_build, monkeypatch):
    cuda_build(ort.CUDA)

    def no_gpu():
        raise RuntimeUnavailableError("no NVIDIA driver")

    monkeypatch.setattr("spinn_edge.runtimes.cuda_driver.find_device", no_gpu)
    found = ort.probe_cuda()
    assert (found.reason, found.install) == ("no NVIDIA driver", "an NVIDIA driver")


def test_probe_of_a_cuda_build_with_a_gpu_finds_nothing_missing(cuda_build):
    cuda_build(ort.CUDA)
    found = ort.probe_cuda()
    assert found.available
    assert found.install == ""


def test_opening_without_the_package_says_what_to_install(tiny_bundle, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # an import of it now fails
    with pytest.raises(MissingDependencyError, match=r"pip install 'spinn-edge\[ort\]'"):
        ort.open_cpu(tiny_bundle, OpenOptions())


def test_bundle_without_an_onnx_file_is_refused(tmp_path):
    bundle = doubling_bundle(tmp_path / "bundle")
    with pytest.raises(RuntimeUnavailableError, match="holds no onnx file"):
        ort.open_cpu(bundle, OpenOptions())
