"""Which number formats an ONNX graph computes and keeps its weights in, counted from itself."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spinn_edge.accuracy.precision.type_counts import TypeCounts, with_usual_kinds
from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.optional import require

COUNTED_FROM_GRAPH = "types in the ONNX graph, no engine was run"

_MOVERS = {
    *("Cast", "CastLike", "Identity", "Constant", "ConstantOfShape", "Shape", "Size", "Reshape"),
    *("Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Slice", "Split", "Concat"),
    *("Gather", "GatherElements", "GatherND", "Pad", "DepthToSpace", "SpaceToDepth", "Range"),
    *("If", "Loop", "Scan", "SequenceAt", "SequenceConstruct", "ConcatFromSequence"),
    *("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"),
}
"""Operators that move, convert, hold or choose numbers, and compute none."""

_INTEGER_OPERATORS = {
    *("MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "QGemm"),
    *("MatMulIntegerToFloat", "DynamicQuantizeMatMul"),
}
"""Operators whose factors are 8-bit integers by definition."""


def count_onnx(path: Path) -> TypeCounts:
    """Count the computing nodes of an ONNX file by type, and its weights.

    A node whose first two inputs come straight from 8-bit integers (QDQ) counts as int8: that is
    how runtimes and TensorRT recognise such a product. Any other counts by the float type of what
    it puts out; one that puts out no float, such as a comparison, by its first float input. Nodes
    of unknown type (operators of foreign domains) count as ``unknown``.

    Raises:
        ExportError: it is no ONNX graph, or its types cannot be inferred.
        MissingDependencyError: onnx is not installed.

    Source: ONNX Runtime documentation, "Quantize ONNX models", on QDQ and operator-oriented
    representation; NVIDIA TensorRT documentation, "Explicit Quantization".
    """
    onnx = require("onnx", extra="export")
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
    except Exception as exc:  # protobuf's and onnx's own errors share no base
        raise ExportError(f"the types in {path} cannot be inferred: {first_line(exc)}") from exc
    kinds = _kinds(onnx)
    layers: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for graph in _graphs(model.graph):
        types = _types_of(graph)
        whole = _from_integers(graph, types, kinds)
        for node in graph.node:
            if node.op_type not in _MOVERS:
                layers[_kind_of(node, types, kinds, whole)] += 1
        for tensor in _constants(graph):
            if len(tensor.dims) > 1 and tensor.data_type in kinds:
                weights[kinds[tensor.data_type]] += math.prod(tensor.dims)
    return TypeCounts(
        layers=with_usual_kinds(layers),
        counted_from=COUNTED_FROM_GRAPH,
        weight_values=dict(weights),
    )


def _kinds(onnx: Any) -> dict[int, str]:
    types = onnx.TensorProto
    return {
        types.FLOAT: "fp32",
        types.FLOAT16: "fp16",
        types.BFLOAT16: "bf16",
        types.DOUBLE: "fp64",
        types.INT8: "int8",
        types.UINT8: "int8",
    }


def _kind_of(node: Any, types: dict[str, int], kinds: dict[int, str], whole: set[str]) -> str:
    factors = [name for name in node.input[:2] if name]
    if node.op_type in _INTEGER_OPERATORS or (len(factors) == 2 and whole.issuperset(factors)):
        return "int8"
    for name in (*node.output, *node.input):
        if (kind := kinds.get(types.get(name, 0), "int8")) != "int8":
            return kind
    return "unknown" if not any(name in types for name in node.output) else "other"


def _from_integers(graph: Any, types: dict[str, int], kinds: dict[int, str]) -> set[str]:
    """Return the names of floats that a DequantizeLinear made of 8-bit integers."""
    return {
        node.output[0]
        for node in graph.node
        if node.op_type == "DequantizeLinear" and kinds.get(types.get(node.input[0], 0)) == "int8"
    }


def _types_of(graph: Any) -> dict[str, int]:
    types = {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.HasField("tensor_type"):
            types[value.name] = int(value.type.tensor_type.elem_type)
    return types


def _constants(graph: Any) -> Iterator[Any]:
    """Yield the tensors that a graph holds."""
    yield from graph.initializer
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t


def _graphs(graph: Any) -> Iterator[Any]:
    """Yield a graph and the bodies of its control flow."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            bodies: Iterable[Any] = attribute.graphs
            if attribute.HasField("g"):
                bodies = (attribute.g, *bodies)
            for body in bodies:
                yield from _graphs(body)
