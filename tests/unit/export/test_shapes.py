import numpy as np
import pytest

from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.shapes import input_specs, onnx_outputs, parse_input_shapes
from spinn_edge.models.loading import LoadedModel, load_model
from tests.fakes.networks import load_mlp

FLOAT32 = np.dtype(np.float32)
UNKNOWN = LoadedModel(origin="theirs:make", architecture=Architecture(kind="factory"), module=None)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ([], []),
        (["18"], [("input", (None, 18))]),
        (["3,32,32"], [("input", (None, 3, 32, 32))]),
        ([" 3, 8 "], [("input", (None, 3, 8))]),
        (["x=18"], [("x", (None, 18))]),
        (["a=3", "b=2,4"], [("a", (None, 3)), ("b", (None, 2, 4))]),
        (["layer.0=3"], [("layer.0", (None, 3))]),
    ],
)
def test_sizes_become_specs_with_a_batch_axis_in_front(texts, expected):
    specs = parse_input_shapes(texts)
    assert [(spec.name, spec.shape) for spec in specs] == expected
    assert all(spec.dtype == FLOAT32 for spec in specs)


@pytest.mark.parametrize(
    "texts",
    [
        [""],
        ["x="],
        ["0"],
        ["-3"],
        ["3,0"],
        ["3,"],
        ["1.5"],
        ["3x32"],
        ["18 features"],
        ["=3", "x=2"],
        ["3", "2"],
        ["a=3", "2"],
        ["a=3", "a=2"],
    ],
    ids=" ".join,
)
def test_other_texts_are_refused_with_an_example(texts):
    with pytest.raises(UsageError, match=r"--input-shape .*such as 18 or 3,32,32"):
        parse_input_shapes(texts)


def test_the_text_that_is_wrong_is_named():
    with pytest.raises(UsageError, match="--input-shape b=none:"):
        parse_input_shapes(["a=3", "b=none"])


def test_a_model_that_says_nothing_takes_what_was_given():
    given = parse_input_shapes(["18"])
    assert input_specs(UNKNOWN, given) == given


def test_a_model_that_says_nothing_needs_a_shape():
    with pytest.raises(UsageError, match=r"'theirs:make' does not say.*--input-shape 18"):
        input_specs(UNKNOWN, ())


def test_an_mlp_says_its_width():
    assert input_specs(load_mlp(), ()) == (TensorSpec("input", (None, 4), FLOAT32),)


def test_a_shape_that_agrees_is_accepted():
    assert input_specs(load_mlp(), parse_input_shapes(["4"]))[0].shape == (None, 4)


@pytest.mark.parametrize("texts", [["5"], ["4,1"], ["a=4", "b=4"]])
def test_a_shape_that_contradicts_the_model_is_refused_with_both(texts):
    with pytest.raises(UsageError, match=r"takes float32 \[batch, 4\]"):
        input_specs(load_mlp(), parse_input_shapes(texts))


@pytest.mark.parametrize("name", ["", "model.pt2", "model.onnx"])
def test_bundles_and_exported_files_know_their_inputs(tiny_bundle, name):
    loaded = load_model(tiny_bundle.root / name if name else tiny_bundle.root)
    assert input_specs(loaded, ()) == tiny_bundle.manifest.inputs


def test_outputs_of_an_onnx_file_are_named_in_graph_order(tiny_bundle):
    assert onnx_outputs(load_model(tiny_bundle.root / "model.onnx")) == ("output",)


def test_weights_that_are_listed_as_inputs_are_no_inputs(tmp_path):
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "old style",
        [
            helper.make_tensor_value_info("x", floats, ["batch", 3]),
            helper.make_tensor_value_info("w", floats, [3, 2]),
        ],
        [helper.make_tensor_value_info("y", floats, ["batch", 2])],
        [numpy_helper.from_array(np.ones((3, 2), np.float32), "w")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "old.onnx")
    loaded = load_model(tmp_path / "old.onnx")
    assert input_specs(loaded, ()) == (TensorSpec("x", (None, 3), FLOAT32),)


def test_a_corrupt_onnx_file_is_refused(tmp_path):
    (tmp_path / "x.onnx").write_bytes(b"no onnx")
    with pytest.raises(BundleError, match="corrupt or truncated"):
        input_specs(load_model(tmp_path / "x.onnx"), ())
