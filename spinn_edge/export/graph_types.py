"""Which number formats an ONNX graph computes in, counted from the graph itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.optional import require

COUNTED_FROM_GRAPH = "types in the ONNX graph, no engine was run"

_MOVERS = {
    *("Cast", "CastLike", "Identity", "Constant", "ConstantOfShape", "Shape", "Size", "Reshape"),
    *("Flatten", "Squeeze", "Unsqueeze", "Transpose", "Expand", "Tile", "Slice", "Split", "Concat"),
    *("Gather", "GatherElements", "GatherND", "Pad", "DepthToSpace", "SpaceToDepth", "Range"),
    *("If", "Loop", "Scan", "SequenceAt", "SequenceConstruct", "ConcatFromSequence"),
}
"""Operators that move, convert, hold or choose numbers, and compute none."""


def graph_facts(path: Path) -> dict[str, Any]:
    """Return what ``FileEntry.details`` says of the types in an ONNX file.

    Raises:
        ExportError: as :func:`count_types`.
    """
    return {"layers": count_types(path), "layers_counted_from": COUNTED_FROM_GRAPH}


def count_types(path: Path) -> dict[str, int]:
    """Count the computing nodes of an ONNX file by the float type of what they put out.

    A node that puts out no float, such as a comparison, counts by its first float input. Nodes of
    unknown type (operators of foreign domains) count as ``unknown``.

    Returns:
        ``{"fp16": 5, "fp32": 2}``, and other kinds where there are some.

    Raises:
        ExportError: it is no ONNX graph, or its types cannot be inferred.
    """
    onnx = require("onnx", extra="export")
    try:
        model = onnx.shape_inference.infer_shapes(onnx.load(path))
    except Exception as exc:  # protobuf's and onnx's own errors share no base
        raise ExportError(f"the types in {path} cannot be inferred: {first_line(exc)}") from exc
    kinds = {
        onnx.TensorProto.FLOAT: "fp32",
        onnx.TensorProto.FLOAT16: "fp16",
        onnx.TensorProto.BFLOAT16: "bf16",
        onnx.TensorProto.DOUBLE: "fp64",
    }
    found: Counter[str] = Counter()
    for graph in _graphs(model.graph):
        types = _types_of(graph)
        for node in graph.node:
            if node.op_type not in _MOVERS:
                found[_kind_of(node, types, kinds)] += 1
    return {"fp16": found.pop("fp16", 0), "fp32": found.pop("fp32", 0), **found}


def check_precision(path: Path, precision: str, layers: dict[str, int]) -> None:
    """Refuse a file that claims a precision which nothing in it computes in.

    Raises:
        ExportError: not one layer has it.
    """
    if not layers.get(precision):
        counted = ", ".join(f"{number} in {kind}" for kind, number in layers.items())
        raise ExportError(
            f"{path.name} should compute in {precision}, but none of its layers does ({counted}); "
            f"leave {precision} out of --precision"
        )


def _kind_of(node: Any, types: dict[str, int], kinds: dict[int, str]) -> str:
    for name in (*node.output, *node.input):
        if (kind := kinds.get(types.get(name, 0))) is not None:
            return kind
    return "unknown" if not any(name in types for name in node.output) else "other"


def _types_of(graph: Any) -> dict[str, int]:
    types = {tensor.name: int(tensor.data_type) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.HasField("tensor_type"):
            types[value.name] = int(value.type.tensor_type.elem_type)
    return types


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
