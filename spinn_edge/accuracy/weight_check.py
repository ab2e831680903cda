"""Weights in an ONNX file against those that the bundle's eager form is made of, tensor by tensor.

Asked only when outputs differ: it tells which layer, where somebody changed a file's weights.
"""

from __future__ import annotations

import numpy as np

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array
from spinn_edge.models.onnx_file import load_onnx

EQUAL_WITHIN = 1e-6
"""Share of the tensor's largest magnitude: export folds and copies weights, it does not round."""


def explain_weights(bundle: Bundle, file: FileEntry) -> str:
    """Name the first weights in a float32 ONNX file that differ from the bundle's own.

    Args:
        bundle: a loaded bundle.
        file: its ONNX file.

    Returns:
        A clause such as ``weights '2.weight' in model.onnx are 1.001 times those in
        model.safetensors``; empty where no tensor of the same name differs, or where this machine
        cannot read one of the two files.
    """
    sources = bundle.manifest.files_of("weights")
    if not sources or file.format != "onnx" or file.precision != "fp32":
        return ""
    try:
        numpy_helper = require("onnx.numpy_helper", extra="export")
        load_file = require("safetensors.numpy", extra="export").load_file
        graph = load_onnx(bundle.path_of(file)).graph
        own = load_file(bundle.path_of(sources[0]))
    except SpinnEdgeError:  # one of them is not installed, or cannot be read
        return ""
    for tensor in graph.initializer:
        expected = own.get(tensor.name)
        if expected is None:
            continue
        got = numpy_helper.to_array(tensor)
        if got.shape == expected.T.shape and got.shape != expected.shape:
            expected = expected.T
        if words := _difference(got, expected):
            return f"weights '{tensor.name}' in {file.path} {words} in {sources[0].path}"
    return ""


def _difference(got: Array, expected: Array) -> str:
    if got.shape != expected.shape:
        return f"have shape {list(got.shape)}, {list(expected.shape)}"
    got, expected = got.astype(np.float64), expected.astype(np.float64)
    allowed = EQUAL_WITHIN * float(np.abs(expected).max(initial=0.0))
    if not (np.abs(got - expected) > allowed).any():
        return ""
    square = float((expected * expected).sum())
    factor = float((got * expected).sum()) / square if square else 0.0
    if (np.abs(got - factor * expected) <= 2 * allowed).all():
        return f"are {factor:.6g} times those"
    differ = int((np.abs(got - expected) > allowed).sum())
    return f"differ in {differ} of {got.size} values from those"
