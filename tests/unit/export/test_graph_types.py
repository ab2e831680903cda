import onnx
import pytest
from onnx import TensorProto, helper

from spinn_edge.core.errors import ExportError
from spinn_edge.export.graph_types import check_precision, count_types, graph_facts

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
    assert count_types(path) == {"fp16": 2, "fp32": 1}
    assert graph_facts(path) == {
        "layers": {"fp16": 2, "fp32": 1},
        "layers_counted_from": "types in the ONNX graph, no engine was run",
    }


def test_other_floats_are_named(tmp_path):
    nodes = [
        cast("x", "d", TensorProto.DOUBLE),
        helper.make_node("Exp", ["d"], ["e"]),
        cast("e", "y", FLOAT),
    ]
    assert count_types(write(tmp_path / "m.onnx", nodes)) == {"fp16": 0, "fp32": 0, "fp64": 1}


def test_a_comparison_counts_by_what_it_compares(tmp_path):
    nodes = [cast("x", "h", HALF), helper.make_node("Less", ["h", "h"], ["y"])]
    assert count_types(write(tmp_path / "m.onnx", nodes, out=BOOL)) == {"fp16": 1, "fp32": 0}


def test_an_operator_of_a_foreign_domain_is_unknown(tmp_path):
    nodes = [
        helper.make_node("Sparkle", ["z"], ["s"], domain="my.own"),
        helper.make_node("Exp", ["x"], ["y"]),
    ]
    path = write(tmp_path / "m.onnx", nodes, domains=("", "my.own"))
    assert count_types(path) == {"fp16": 0, "fp32": 1, "unknown": 1}


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
    assert count_types(write(tmp_path / "m.onnx", nodes)) == {"fp16": 0, "fp32": 2}


def test_what_is_no_graph_is_refused(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ExportError, match=r"m\.onnx cannot be inferred"):
        count_types(tmp_path / "m.onnx")


def test_a_claim_without_one_such_layer_is_refused(tmp_path):
    path = tmp_path / "model.fp16.onnx"
    check_precision(path, "fp16", {"fp16": 1, "fp32": 9})
    with pytest.raises(ExportError, match=r"fp16, but none .* \(0 in fp16, 9 in fp32\)"):
        check_precision(path, "fp16", {"fp16": 0, "fp32": 9})
