import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from spinn_edge.core.errors import BundleError, ExportError
from spinn_edge.export.reference import (
    copy_onnx,
    module_reference,
    name_outputs,
    onnx_reference,
)
from spinn_edge.models.onnx_file import load_onnx
from tests.fakes.networks import load_mlp, module_in

X = np.random.default_rng(0).standard_normal((5, 4)).astype(np.float32)


def test_eager_is_the_model_in_float32_and_exact_in_float64():
    module = module_in(load_mlp())
    reference = module_reference(module)
    with torch.no_grad():
        eager = module(torch.from_numpy(X)).numpy()
        exact = copy.deepcopy(module).double()(torch.from_numpy(X).double()).numpy()
    got = reference.eager({"input": X})["output"]
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, eager)
    got = reference.exact({"input": X})["output"]
    assert got.dtype == np.float64
    np.testing.assert_array_equal(got, exact)
    assert not np.array_equal(got, eager)


def test_the_model_itself_stays_float32():
    module = module_in(load_mlp())
    module_reference(module).exact({"input": X})
    assert {parameter.dtype for parameter in module.parameters()} == {torch.float32}


def test_integers_stay_integers():
    class Lookup(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(10, 2)

        def forward(self, index):
            return self.table(index)

    reference = module_reference(Lookup())
    assert reference.exact({"i": np.array([1, 2])})["output"].shape == (2, 2)


def test_a_model_that_fails_is_named_with_its_inputs():
    with pytest.raises(ExportError, match=r"fails on inputs \{'input': \[5, 3\]\}.*--input-shape"):
        module_reference(module_in(load_mlp())).eager({"input": X[:, :3]})


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (torch.ones(2), ["output"]),
        ((torch.ones(2), torch.ones(2)), ["output_0", "output_1"]),
        ([torch.ones(2)], ["output_0"]),
        ({"b": torch.ones(2), "a": torch.ones(2)}, ["b", "a"]),
    ],
)
def test_outputs_are_named_by_what_the_model_returns(result, names):
    assert list(name_outputs(result, torch)) == names


@pytest.mark.parametrize("result", [3.0, (torch.ones(1), "text"), {"a": None}], ids=str)
def test_a_result_that_is_no_tensor_is_refused(result):
    with pytest.raises(ExportError, match=r"returns a (float|str|NoneType) as"):
        name_outputs(result, torch)


def test_a_result_that_is_no_tensor_is_not_taken_for_a_wrong_shape():
    class Text(nn.Module):
        def forward(self, x):
            return "text"

    with pytest.raises(ExportError, match=r"returns a str as 'output'"):
        module_reference(Text()).eager({"input": X})


# --- ONNX


def save(path, nodes, initializers=(), y_type=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", y_type, ["batch", 4])],
        [numpy_helper.from_array(array, name) for name, array in initializers],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return path


def test_the_exact_form_of_an_onnx_file_computes_in_float64(tmp_path):
    third = np.array([1 / 3], np.float32)
    path = save(tmp_path / "m.onnx", [helper.make_node("Mul", ["x", "w"], ["y"])], [("w", third)])
    reference = onnx_reference(path)
    assert reference.eager({"x": X})["y"].dtype == np.float32
    exact = reference.exact({"x": X})["y"]
    assert exact.dtype == np.float64
    np.testing.assert_array_equal(exact, X.astype(np.float64) * third.astype(np.float64))


def test_constants_and_casts_of_an_onnx_file_are_widened_too(tmp_path):
    half = numpy_helper.from_array(np.array([0.1], np.float32), "half")
    nodes = [
        helper.make_node("Constant", [], ["c"], value=half),
        helper.make_node("Cast", ["x"], ["z"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["z", "c"], ["y"]),
    ]
    exact = onnx_reference(save(tmp_path / "m.onnx", nodes)).exact({"x": X})["y"]
    assert exact.dtype == np.float64
    np.testing.assert_array_equal(exact, X.astype(np.float64) * np.float64(np.float32(0.1)))


def test_an_onnx_file_that_fails_is_named(tmp_path):
    shape = np.array([7, 7], np.int64)
    path = save(
        tmp_path / "m.onnx", [helper.make_node("Reshape", ["x", "s"], ["y"])], [("s", shape)]
    )
    with pytest.raises(ExportError, match=r"m\.onnx fails in onnx.reference: .+"):
        onnx_reference(path).eager({"x": X})


def test_the_onnx_reference_agrees_with_eager_of_its_source(tiny_bundle):
    golden = tiny_bundle.golden()
    reference = onnx_reference(tiny_bundle.root / "model.onnx")
    np.testing.assert_allclose(
        reference.exact(golden.inputs)["output"], golden.outputs["output"], rtol=1e-12, atol=1e-14
    )


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"text"], ids=["empty", "zeros", "text"])
def test_a_file_that_is_no_onnx_is_refused(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(BundleError, match="no valid ONNX file"):
        load_onnx(tmp_path / "m.onnx")


def test_a_graph_that_breaks_the_rules_is_refused(tmp_path):
    path = tmp_path / "m.onnx"
    onnx.save(
        helper.make_model(helper.make_graph([helper.make_node("Neg", ["q"], ["y"])], "g", [], [])),
        path,
    )
    with pytest.raises(BundleError, match="no valid ONNX file"):
        load_onnx(path)


@pytest.mark.parametrize("beside", [False, True])
def test_a_copy_of_an_onnx_file_stands_alone(tmp_path, beside):
    source, target = tmp_path / "theirs.onnx", tmp_path / "ours" / "model.onnx"
    target.parent.mkdir()
    weights = numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "w")
    sides = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", width])
        for name, width in (("x", 4), ("y", 2))
    ]
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    graph = helper.make_graph([node], "g", sides[:1], sides[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, source, save_as_external_data=beside, location="w.data", size_threshold=0)

    copy_onnx(source, target)

    assert [path.name for path in target.parent.iterdir()] == ["model.onnx"]
    assert (target.read_bytes() == source.read_bytes()) != beside
    (copied,) = load_onnx(target).graph.initializer
    np.testing.assert_array_equal(numpy_helper.to_array(copied), numpy_helper.to_array(weights))
