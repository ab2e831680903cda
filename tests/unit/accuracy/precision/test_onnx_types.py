import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.core.errors import ExportError

HALF, FLOAT, BOOL = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BOOL


def write(path, nodes, kind=FLOAT, out=FLOAT, domains=("",)):
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes, "graph", [value("x", kind, ["batch", 4])], [value("y", out, ["batch", 4])]
    )
    opsets = [helper.make_opsetid(name, 18 if not name else 1) for name in domains]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


def cast(source, target, to):
    return helper.make_node("Cast", [source], [target], to=to)


def test_nodes_count_by_what_they_put_out_and_casts_do_not(tmp_path):
    nodes = [
        cast("x", "h", HALF),
        helper.make_node("Tanh", ["h"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Identity", ["b"], ["c"]),
        cast("c", "d", FLOAT),
        helper.make_node("Exp", ["d"], ["y"]),
    ]
    path = write(tmp_path / "m.onnx", nodes)
    assert count_onnx(path).layers == {"fp16": 2, "fp32": 1}
    assert count_onnx(path).details() == {
        "layers": {"fp16": 2, "fp32": 1},
        "layers_counted_from": "types in the ONNX graph, no engine was run",
        "weight_bytes": {},
    }


def test_other_floats_are_named(tmp_path):
    nodes = [
        cast("x", "d", TensorProto.DOUBLE),
        helper.make_node("Exp", ["d"], ["e"]),
        cast("e", "y", FLOAT),
    ]
    assert count_onnx(write(tmp_path / "m.onnx", nodes)).layers == {"fp16": 0, "fp32": 0, "fp64": 1}


def test_a_comparison_counts_by_what_it_compares(tmp_path):
    nodes = [cast("x", "h", HALF), helper.make_node("Less", ["h", "h"], ["y"])]
    assert count_onnx(write(tmp_path / "m.onnx", nodes, out=BOOL)).layers == {"fp16": 1, "fp32": 0}


def test_an_operator_of_a_foreign_domain_is_unknown(tmp_path):
    nodes = [
        helper.make_node("Sparkle", ["z"], ["s"], domain="my.own"),
        helper.make_node("Exp", ["x"], ["y"]),
    ]
    path = write(tmp_path / "m.onnx", nodes, domains=("", "my.own"))
    assert count_onnx(path).layers == {"fp16": 0, "fp32": 1, "unknown": 1}


def test_the_bodies_of_control_flow_count(tmp_path):
    value = helper.make_tensor_value_info
    branches = {
        f"{name}_branch": helper.make_graph(
            [helper.make_node(operator, ["x"], [f"{name}_y"])], name, [],
            [value(f"{name}_y", FLOAT, ["batch", 4])],
        )
        for name, operator in (("then", "Exp"), ("else", "Tanh"))
    }  # fmt: skip
    true = helper.make_node("Constant", [], ["c"], value=helper.make_tensor("c", BOOL, [], [True]))
    nodes = [true, helper.make_node("If", ["c"], ["y"], **branches)]
    assert count_onnx(write(tmp_path / "m.onnx", nodes)).layers == {"fp16": 0, "fp32": 2}


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ExportError, match=r"m\.onnx cannot be inferred"):
        count_onnx(tmp_path / "m.onnx")


def with_constants(path, nodes, *arrays, domains=("",)):
    write(path, nodes, domains=domains)
    model = onnx.load(path)
    for name, array in arrays:
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    onnx.save(model, path)
    return count_onnx(path)


def dequantize(source, target):
    return helper.make_node("DequantizeLinear", [source, "scale"], [target])


SCALE = ("scale", np.float32(0.1))
INTEGERS = ("integers", np.ones((4, 4), "int8"))


def test_weights_are_counted_by_type_and_vectors_are_none(tmp_path):
    nodes = [helper.make_node("Gemm", ["x", "w", "b"], ["y"])]
    counts = with_constants(
        tmp_path / "m.onnx",
        nodes,
        ("w", np.ones((4, 4), "float32")),
        ("h", np.ones((3, 5), "float16")),
        ("b", np.ones(4, "float32")),
        ("shape", np.ones((2, 2), "int64")),
    )
    assert counts.weight_bytes == {"fp32": 64, "fp16": 30}
    assert counts.weight_share("fp16") == 15 / 31


def test_constants_that_a_node_holds_are_weights_too(tmp_path):
    held = numpy_helper.from_array(np.ones((4, 4), "float16"), "held")
    nodes = [
        helper.make_node("Constant", [], ["w"], value=held),
        cast("w", "wf", FLOAT),
        helper.make_node("MatMul", ["x", "wf"], ["y"]),
    ]
    assert count_onnx(write(tmp_path / "m.onnx", nodes)).weight_bytes == {"fp16": 32}


def test_a_product_of_two_dequantised_factors_is_int8(tmp_path):
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["q"]),
        dequantize("q", "a"),
        dequantize("integers", "b"),
        helper.make_node("MatMul", ["a", "b"], ["c"]),
        helper.make_node("Tanh", ["c"], ["y"]),
    ]
    zero = ("zero", np.int8(0))
    counts = with_constants(tmp_path / "m.onnx", nodes, SCALE, zero, INTEGERS)
    assert counts.layers == {"fp16": 0, "fp32": 1, "int8": 1}
    assert counts.weight_bytes == {"int8": 16}


def test_a_product_with_one_float_factor_is_float(tmp_path):
    nodes = [dequantize("integers", "b"), helper.make_node("MatMul", ["x", "b"], ["y"])]
    counts = with_constants(tmp_path / "m.onnx", nodes, SCALE, INTEGERS)
    assert counts.layers == {"fp16": 0, "fp32": 1}
    assert counts.weight_bytes == {"int8": 16}


def test_operators_on_integers_are_int8(tmp_path):
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
        helper.make_node("MatMulInteger", ["q", "integers", "z"], ["i"]),
        cast("i", "f", FLOAT),
        helper.make_node("Mul", ["f", "s"], ["y"]),
    ]
    counts = with_constants(tmp_path / "m.onnx", nodes, INTEGERS)
    assert counts.layers == {"fp16": 0, "fp32": 1, "int8": 1}
