"""An ONNX file that computes in fp16 and takes and gives float32, made from the float32 one.

The tool is onnxruntime's own converter (ADR 0009): it is kept with the runtime that proves the
file, and needs no package that is not here already.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.precision.onnx_types import count_onnx
from spinn_edge.accuracy.precision.truth import check_precision
from spinn_edge.core.bundle import describe_file
from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.manifest import FileEntry
from spinn_edge.core.optional import require

FILE_NAME = "model.fp16.onnx"

_LARGEST = float(np.finfo(np.float16).max)
_SMALLEST = 5.96e-08  # what the converter takes for the smallest fp16 number; 2**-24 is 5.9605e-8


def convert_to_fp16(source: Path, folder: Path) -> FileEntry:
    """Write ``model.fp16.onnx`` from a float32 graph; equal graphs give equal bytes.

    Weights that fp16 cannot hold are clipped by the converter; how many is said in the entry's
    ``conversion_warnings``, and whether that matters is for the proof to tell.

    Args:
        source: the float32 file.
        folder: where to write.

    Raises:
        ExportError: the converter refused, or nothing in the result computes in fp16.
        MissingDependencyError: onnx or onnxruntime is not installed.
    """
    onnx = require("onnx", extra="export")
    float16 = require("onnxruntime.transformers.float16", extra="ort")
    path = folder / FILE_NAME
    try:
        model = onnx.load(source)
        warnings = _out_of_range(model, onnx)
        converted = float16.convert_float_to_float16(model, keep_io_types=True)
        _sort_nodes(converted.graph)  # it puts its casts at the end
        # Types of values inside the graph: stale where another tool had frozen a batch size.
        del converted.graph.value_info[:]
        onnx.save(converted, path)
        onnx.checker.check_model(path, full_check=True)
    except Exception as exc:  # a converter over protobuf: the errors share no base
        raise ExportError(
            f"{source.name} cannot be converted to fp16 ({type(exc).__name__}): {first_line(exc)}"
        ) from exc
    counts = count_onnx(path)
    check_precision(path, "fp16", counts)
    return describe_file(
        folder,
        FILE_NAME,
        "onnx",
        precision="fp16",
        toolchain={
            "onnx": onnx.__version__,
            "onnxruntime": require("onnxruntime", extra="ort").__version__,
        },
        details={
            "opset": max(
                opset.version for opset in converted.opset_import if opset.domain in ("", "ai.onnx")
            ),
            "ir_version": converted.ir_version,
            **counts.details(),
            "conversion_warnings": warnings,
        },
    )


def _out_of_range(model: Any, onnx: Any) -> list[str]:
    """Return a sentence for each weight that holds numbers which fp16 does not have."""
    warnings = []
    for tensor in model.graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT:
            continue
        magnitude = np.abs(onnx.numpy_helper.to_array(tensor))
        large = int(np.count_nonzero((magnitude > _LARGEST) & np.isfinite(magnitude)))
        small = int(np.count_nonzero((magnitude > 0) & (magnitude < _SMALLEST)))
        if large:
            warnings.append(
                f"'{tensor.name}': {large} of {magnitude.size} values are beyond ±{_LARGEST:.0f} "
                "and were clipped to it"
            )
        if small:
            warnings.append(
                f"'{tensor.name}': {small} of {magnitude.size} values are nearer to 0 than "
                f"{_SMALLEST:g} and were moved to it"
            )
    return warnings


def _sort_nodes(graph: Any) -> None:
    """Put every node behind those whose outputs it reads, as ONNX demands."""
    made_by = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    order = TopologicalSorter(
        {
            index: [made_by[name] for name in _read_by(node) if name in made_by]
            for index, node in enumerate(graph.node)
        }
    ).static_order()
    nodes = [graph.node[index] for index in order]
    copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(copies)


def _read_by(node: Any) -> Iterator[str]:
    """Yield what a node reads, the bodies of control flow included."""
    yield from node.input
    for attribute in node.attribute:
        for body in (*((attribute.g,) if attribute.HasField("g") else ()), *attribute.graphs):
            for inner in body.node:
                yield from _read_by(inner)
