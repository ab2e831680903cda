"""Graphs with 8-bit weights, made of float32 ones: static, dynamic, or the weights alone.

The first two are written by onnxruntime's own quantizer; the third is a ``DequantizeLinear`` before
each product, which that quantizer does not write.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.export.quantization import DYNAMIC, STATIC, WEIGHT_ONLY

_PRODUCTS = {
    STATIC: ("Gemm", "MatMul", "Conv"),
    DYNAMIC: ("Gemm", "MatMul"),  # onnxruntime's CPU provider has no ConvInteger for int8 weights
    WEIGHT_ONLY: ("Gemm", "MatMul", "Conv"),
}
_LARGEST = 127  # symmetric: -128 is left unused

Quantize = Callable[[Any, Collection[str], Sequence[Mapping[str, Array]]], Any]
"""Takes a prepared graph, the names of the products to quantise, and calibration batches; gives a
new graph."""


def prepare(model: Any) -> Any:
    """Make a graph fit for quantising, in place: every node named, no types of inner values.

    Those types are inferred again. What the exporter wrote down stands in the quantizer's way
    ("Inferred shape and existing shape differ").

    Args:
        model: an ``onnx.ModelProto``.
    """
    del model.graph.value_info[:]
    taken: set[str] = set()
    for index, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{index}_of_{len(model.graph.node)}"
        taken.add(node.name)
    return model


def products_of(model: Any, form: str) -> dict[str, int]:
    """Return the products that can be quantised, by name, with the size of their weights.

    Args:
        model: what :func:`prepare` returned.
        form: one of ``FORMS``.
    """
    sizes = {tensor.name: int(np.prod(tensor.dims)) for tensor in _float_weights(model)}
    return {
        node.name: sizes[node.input[1]]
        for node in model.graph.node
        if node.op_type in _PRODUCTS[form] and node.input[1] in sizes
    }


def quantise(
    model: Any, form: str, names: Collection[str], batches: Sequence[Mapping[str, Array]]
) -> Any:
    """Return a copy of a graph in which some products are in int8.

    Args:
        model: what :func:`prepare` returned; it is not changed.
        form: one of ``FORMS``.
        names: products, at least one.
        batches: inputs by name that the ranges of activations are taken from.

    Raises:
        ExportError: onnxruntime's quantizer refuses the graph.
    """
    copy = type(model).FromString(model.SerializeToString())
    steps: dict[str, Quantize] = {
        STATIC: _static,
        DYNAMIC: _dynamic,
        WEIGHT_ONLY: _weights_alone,
    }
    try:
        with _log_silenced():
            made = steps[form](copy, names, batches)
    except Exception as exc:  # the quantizer over protobuf: the errors share no base
        raise ExportError(
            f"the graph cannot be turned into int8 ({type(exc).__name__}): {first_line(exc)}"
        ) from exc
    del made.graph.value_info[:]
    return made


def _static(model: Any, names: Collection[str], batches: Sequence[Mapping[str, Array]]) -> Any:
    """Quantise both factors, with ``QuantizeLinear`` and ``DequantizeLinear`` around (QDQ).

    Symmetric ranges and float biases, as TensorRT demands; products put out floats, so that one
    scale need not serve channels of different size. A Gemm loses its bias to an ``Add`` behind it,
    because onnxruntime computes a Gemm in int8 only without a float bias.
    """
    quantization = require("onnxruntime.quantization", extra="ort")
    _split_biases(model, names)
    return _through_file(
        lambda path: quantization.quantize_static(
            model,
            path,
            _Batches(batches),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(_PRODUCTS[STATIC]),
            nodes_to_quantize=list(names),
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod.MinMax,
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                "OpTypesToExcludeOutputQuantization": list(_PRODUCTS[STATIC]),
            },
        )
    )


def _dynamic(model: Any, names: Collection[str], batches: Sequence[Mapping[str, Array]]) -> Any:
    """Quantise weights now and activations at run time, with scales of each inference's own."""
    quantization = require("onnxruntime.quantization", extra="ort")
    inner = [f"{name}_MatMul" for name in names]  # what the quantizer calls the product in a Gemm
    return _through_file(
        lambda path: quantization.quantize_dynamic(
            model,
            path,
            op_types_to_quantize=list(_PRODUCTS[DYNAMIC]),
            nodes_to_quantize=[*names, *inner],
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
        )
    )


def _weights_alone(
    model: Any, names: Collection[str], batches: Sequence[Mapping[str, Array]]
) -> Any:
    """Keep weights in int8, one scale a channel, and turn them into floats before each product."""
    onnx = require("onnx", extra="export")
    graph = model.graph
    weights = {tensor.name: tensor for tensor in _float_weights(model)}
    nodes: list[Any] = []
    made: dict[tuple[str, int], str] = {}
    for node in graph.node:
        if node.name in names:
            weight = node.input[1]
            values = onnx.numpy_helper.to_array(weights[weight])
            axis = _channel_axis(node, values.ndim)
            if (weight, axis) not in made:
                name = f"{weight}_{axis}"
                scale, integers = _rounded(values, axis)
                graph.initializer.append(onnx.numpy_helper.from_array(integers, f"{name}_int8"))
                graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
                nodes.append(
                    onnx.helper.make_node(
                        "DequantizeLinear",
                        [f"{name}_int8", f"{name}_scale"],
                        [f"{name}_float"],
                        name=f"{name}_dequantize",
                        axis=axis,
                    )
                )
                made[weight, axis] = f"{name}_float"
            node.input[1] = made[weight, axis]
        nodes.append(node)
    _replace_nodes(graph, nodes)
    still_read = {name for node in graph.node for name in node.input}
    still_read |= {value.name for value in graph.output}
    for name, tensor in weights.items():
        if name not in still_read:
            graph.initializer.remove(tensor)
    return model


def _rounded(values: Array, axis: int) -> tuple[Array, Array]:
    others = tuple(a for a in range(values.ndim) if a != axis)
    largest = np.abs(values).max(axis=others)
    scale = np.where(largest > 0, largest / _LARGEST, 1).astype(np.float32)
    integers = np.rint(values / np.expand_dims(scale, others))
    return scale, np.clip(integers, -_LARGEST, _LARGEST).astype(np.int8)


def _channel_axis(node: Any, axes: int) -> int:
    """Return the axis of a product's weight that its output channels lie on."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "Gemm":
        return 0 if any(a.name == "transB" and a.i for a in node.attribute) else 1
    return axes - 1


def _split_biases(model: Any, names: Collection[str]) -> None:
    """Turn ``Gemm(x, w, b)`` into ``Add(Gemm(x, w), b)``, where the bias has no factor."""
    helper = require("onnx.helper", extra="export")
    nodes = []
    for node in model.graph.node:
        nodes.append(node)
        scaled = any(a.name == "beta" and a.f != 1 for a in node.attribute)
        if node.op_type == "Gemm" and node.name in names and len(node.input) == 3 and not scaled:
            bias, output = node.input.pop(), node.output[0]
            node.output[0] = f"{output}_without_bias"
            nodes.append(
                helper.make_node("Add", [node.output[0], bias], [output], name=f"{node.name}_bias")
            )
    _replace_nodes(model.graph, nodes)


def _replace_nodes(graph: Any, nodes: Sequence[Any]) -> None:
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _float_weights(model: Any) -> list[Any]:
    """Return the float32 constants of two axes or more; what may be fed as an input is none."""
    given = {value.name for value in model.graph.input}
    return [
        tensor
        for tensor in model.graph.initializer
        if tensor.data_type == 1 and len(tensor.dims) > 1 and tensor.name not in given
    ]


def _through_file(write: Callable[[str], None]) -> Any:
    """Let a function write a graph into a file that is gone afterwards, and read it."""
    onnx = require("onnx", extra="export")
    with tempfile.TemporaryDirectory(prefix="spinn-edge-int8-") as folder:
        path = Path(folder) / "model.onnx"
        write(str(path))
        return onnx.load(path)


class _Batches:
    """Calibration data as onnxruntime's quantizer reads it."""

    def __init__(self, batches: Sequence[Mapping[str, Array]]) -> None:
        self._left: Iterator[Mapping[str, Array]] = iter(batches)

    def get_next(self) -> Mapping[str, Array] | None:
        return next(self._left, None)


@contextmanager
def _log_silenced() -> Iterator[None]:
    """Hold back the quantizer's advice, and the handler that logging would give itself for it."""
    root = logging.getLogger()
    level, silent = root.level, logging.NullHandler()
    root.addHandler(silent)
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)
        root.removeHandler(silent)
