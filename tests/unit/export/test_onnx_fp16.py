import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.core.errors import ExportError, MissingDependencyError
from spinn_edge.export.onnx_fp16 import FILE_NAME, convert_to_fp16
from tests.fakes.trt import FEATURES, write_graph, write_mlp


def run(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def noise(rows):
    return np.random.default_rng(0).standard_normal((rows, FEATURES)).astype("float32")


def test_it_takes_and_gives_float32_and_computes_in_fp16(tmp_path):
    source = write_mlp(tmp_path / "model.onnx", (FEATURES, 32, 32, 2))
    entry = convert_to_fp16(source, tmp_path)
    assert (entry.path, entry.format, entry.precision) == (FILE_NAME, "onnx", "fp16")
    assert entry.details["layers"] == {"fp16": 5, "fp32": 0}
    assert entry.details["conversion_warnings"] == []
    assert set(entry.toolchain) == {"onnx", "onnxruntime"}
    graph = onnx.load(tmp_path / FILE_NAME).graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert {tensor.data_type for tensor in graph.initializer} == {TensorProto.FLOAT16}
    assert entry.bytes < source.stat().st_size


@pytest.mark.parametrize("rows", [1, 2, 7, 1000])
def test_it_computes_the_same_within_fp16_at_any_batch(tmp_path, rows):
    source = write_mlp(tmp_path / "model.onnx", (FEATURES, 32, 2))
    convert_to_fp16(source, tmp_path)
    x = noise(rows)
    exact = run(source, x)
    difference = np.abs(run(tmp_path / FILE_NAME, x) - exact).max()
    assert 0 < difference <= 5e-3 * np.abs(exact).max()


def test_the_same_graph_gives_the_same_bytes(tmp_path):
    source = write_mlp(tmp_path / "model.onnx")
    assert convert_to_fp16(source, tmp_path).sha256 == convert_to_fp16(source, tmp_path).sha256


def test_types_that_another_tool_wrote_down_do_not_stand_in_the_way(tmp_path):
    source = write_mlp(tmp_path / "model.onnx")
    model = onnx.load(source)
    value = helper.make_tensor_value_info("hidden0", TensorProto.FLOAT, [3, 8])  # a frozen batch
    model.graph.value_info.append(value)
    onnx.save(model, source)
    convert_to_fp16(source, tmp_path)
    assert run(tmp_path / FILE_NAME, noise(5)).shape == (5, 2)
    assert list(onnx.load(tmp_path / FILE_NAME).graph.value_info) == []


def scaled(tmp_path, **weights):
    """Write x * w for each weight, in turn."""
    names = ["input", *(f"h{index}" for index in range(len(weights) - 1)), "output"]
    nodes = [
        helper.make_node("Mul", [names[index], name], [names[index + 1]])
        for index, name in enumerate(weights)
    ]
    tensors = [
        numpy_helper.from_array(np.asarray(values, "float32"), name)
        for name, values in weights.items()
    ]
    return write_graph(tmp_path / "model.onnx", nodes, 3, 3, tensors)


def test_weights_that_fp16_cannot_hold_are_said(tmp_path):
    source = scaled(tmp_path, big=[1e5, -7e4, 1], tiny=[1e-9, 0, 1], good=[65504, 6e-8, -1])
    entry = convert_to_fp16(source, tmp_path)
    big, tiny = entry.details["conversion_warnings"]
    assert big.startswith("'big': 2 of 3 values are beyond ±65504 and were clipped")
    assert tiny.startswith("'tiny': 1 of 3 values are nearer to 0 than 5.96e-08")
    (weight,) = (t for t in onnx.load(tmp_path / FILE_NAME).graph.initializer if t.name == "big")
    np.testing.assert_array_equal(numpy_helper.to_array(weight), [65504, -65504, 1])


def test_nodes_stand_behind_what_they_read(tmp_path):
    convert_to_fp16(write_mlp(tmp_path / "model.onnx", (FEATURES, 4, 4, 4, 2)), tmp_path)
    graph = onnx.load(tmp_path / FILE_NAME).graph
    known = {value.name for value in (*graph.input, *graph.initializer)}
    for node in graph.node:
        assert set(node.input) <= known
        known |= set(node.output)


def test_a_graph_with_nothing_to_convert_is_refused(tmp_path):
    node = helper.make_node("Identity", ["input"], ["output"])
    source = write_graph(tmp_path / "model.onnx", [node], 3, 3)
    with pytest.raises(ExportError, match="none of its layers does"):
        convert_to_fp16(source, tmp_path)


def test_a_graph_that_the_converter_refuses_is_named(tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ExportError, match=r"model\.onnx cannot be converted to fp16 \(DecodeError"):
        convert_to_fp16(tmp_path / "model.onnx", tmp_path)


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    source = write_mlp(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime.transformers.float16", None)
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[ort\]"):
        convert_to_fp16(source, tmp_path)
