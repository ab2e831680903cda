"""Reading ONNX files, and the same graph in float64."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.core.errors import BundleError, first_line
from spinn_edge.core.optional import require


def load_onnx(path: Path) -> Any:
    """Load and check an ONNX file.

    Raises:
        BundleError: it is corrupt or truncated.
        MissingDependencyError: onnx is not installed.
    """
    onnx = require("onnx", extra="export")
    try:
        graph = onnx.load(path)
        onnx.checker.check_model(graph)
    except Exception as exc:  # protobuf and the checker raise types of their own
        raise BundleError(
            f"{path} is no valid ONNX file ({first_line(exc)}); it is corrupt or truncated"
        ) from exc
    return graph


def in_float64(graph: Any) -> Any:
    """Return a copy of the graph in which every float32 is a float64."""
    onnx = require("onnx", extra="export")
    single, double = onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE
    graph = copy.deepcopy(graph)
    del graph.graph.value_info[:]
    for tensor in graph.graph.initializer:
        _widen(tensor, onnx)
    for value in (*graph.graph.input, *graph.graph.output):
        if value.type.tensor_type.elem_type == single:
            value.type.tensor_type.elem_type = double
    for node in (*graph.graph.node, *(n for f in graph.functions for n in f.node)):
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == single:
                attribute.i = double
            elif attribute.HasField("t"):
                _widen(attribute.t, onnx)
    return graph


def _widen(tensor: Any, onnx: Any) -> None:
    if tensor.data_type == onnx.TensorProto.FLOAT:
        values = onnx.numpy_helper.to_array(tensor).astype(np.float64)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
