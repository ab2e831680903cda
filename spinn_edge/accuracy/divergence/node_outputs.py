"""What every node of an ONNX file puts out."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spinn_edge.accuracy.divergence.layer_outputs import LayerOutput, Recording
from spinn_edge.core.errors import BundleError, InferenceError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, Feeds
from spinn_edge.models.onnx_file import in_float64, load_onnx

_SCOPES = "pkg.torch.onnx.name_scopes"
"""Metadata of a node that PyTorch's dynamo exporter writes: the modules around it, outermost
first, and last the name of the traced operation that it was made from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOutput:
    """One float tensor that depends on the inputs.

    Attributes:
        node: name of the node; that of its tensor where it has none.
        operator: ONNX operator.
        tensor: name of the output.
        reads: tensors that the node was given.
        scopes: paths of the modules around it, outermost first; empty where the file has none.
        operation: the traced operation that it was made from; several nodes may share one.
        renamed: a converter put this node in the place of another, whose scopes these are.
        values: float64, shape (batch, ...).
    """

    node: str
    operator: str
    tensor: str
    reads: tuple[str, ...]
    scopes: tuple[str, ...]
    operation: str
    values: Array
    renamed: bool = False


def record_nodes(
    path: Path, inputs: Feeds, *, converted_from: Path | None = None, threads: int = 1
) -> tuple[NodeOutput, ...]:
    """Run an ONNX file on ONNX Runtime's CPU provider with every intermediate tensor as an output.

    Graph optimisations are off, so that each node is run as the file has it. What fusions change is
    therefore not seen. Tensors inside the bodies of If, Loop and Scan are not seen either.

    Args:
        path: the file.
        inputs: by input name.
        converted_from: the file that a converter made it from. A quantiser replaces nodes and drops
            their metadata, but keeps the names of tensors: they tell which node was replaced.
        threads: CPU threads inside one operator.

    Returns:
        The float tensors that depend on the inputs, in the order of the nodes.

    Raises:
        MissingDependencyError: onnx or onnxruntime is not installed.
        BundleError: the file is corrupt, or onnxruntime cannot load it.
        InferenceError: it fails.
    """
    ort = require("onnxruntime", extra="ort")
    model = load_onnx(path)
    _show_every_tensor(model)
    settings = ort.SessionOptions()
    settings.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3  # errors only: they become exceptions of ours
    try:
        session = ort.InferenceSession(
            model.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )
    except Exception as exc:  # onnxruntime raises its own pybind types
        raise BundleError(
            f"{path} cannot be loaded with all its tensors: {first_line(exc)}"
        ) from exc
    names = [value.name for value in session.get_outputs()]
    try:
        arrays = dict(zip(names, session.run(names, dict(inputs)), strict=True))
    except Exception as exc:
        raise InferenceError(f"ONNX Runtime failed on {path.name}: {first_line(exc)}") from exc
    origins = {} if converted_from is None else _origins(load_onnx(converted_from))
    return tuple(_node_outputs(model, arrays, origins))


def record_onnx_reference(path: Path, inputs: Feeds, *, double: bool) -> Recording:
    """Run an ONNX file in ``onnx.reference``, numpy operator by operator.

    Args:
        path: a file of float32 products.
        inputs: by input name.
        double: compute in float64, else in float32.

    Returns:
        Each float tensor that depends on the inputs, under its name.

    Raises:
        MissingDependencyError: onnx is not installed.
        BundleError: the file is corrupt.
        InferenceError: the evaluator fails, or does not know an operator.
    """
    evaluator = require("onnx.reference", extra="export").ReferenceEvaluator
    model = load_onnx(path)
    outputs = [value.name for value in model.graph.output]
    if double:
        model = in_float64(model)
    _show_every_tensor(model)
    dtype = np.float64 if double else np.float32
    feeds = {n: a.astype(dtype) if a.dtype == np.float32 else a for n, a in inputs.items()}
    try:
        session = evaluator(model)
        arrays = dict(zip(session.output_names, session.run(None, feeds), strict=True))
    except Exception as exc:  # the evaluator raises whatever numpy raises
        raise InferenceError(f"{path.name} fails in onnx.reference: {first_line(exc)}") from exc
    nodes = tuple(_node_outputs(model, arrays, {}))
    return Recording(
        layers=tuple(
            LayerOutput(layer=node.tensor, kind=node.operator, values=node.values) for node in nodes
        ),
        outputs={name: np.asarray(arrays[name], np.float64) for name in outputs},
    )


def _show_every_tensor(model: Any) -> None:
    value_info: Callable[..., Any] = require("onnx", extra="export").ValueInfoProto
    shown = {value.name for value in model.graph.output}
    del model.graph.value_info[:]  # stale where another tool had frozen a batch size
    for node in model.graph.node:
        model.graph.output.extend(
            value_info(name=name) for name in node.output if name and name not in shown
        )


def _origins(model: Any) -> dict[str, tuple[tuple[str, ...], str]]:
    """Return scopes and operation of each tensor's node."""
    return {name: _scopes(node) for node in model.graph.node for name in node.output}


def _node_outputs(
    model: Any, arrays: dict[str, Any], origins: Mapping[str, tuple[tuple[str, ...], str]]
) -> Iterator[NodeOutput]:
    weights = {tensor.name for tensor in model.graph.initializer}
    varying = {value.name for value in model.graph.input} - weights
    for node in model.graph.node:
        if varying.isdisjoint(node.input):
            continue
        varying.update(name for name in node.output if name)
        own = _scopes(node)
        for name in node.output:
            scopes, operation = own if own[0] else origins.get(name, own)
            values = arrays.get(name)
            if isinstance(values, np.ndarray) and values.dtype.kind == "f":
                yield NodeOutput(
                    node=node.name or name,
                    operator=node.op_type,
                    tensor=name,
                    reads=tuple(node.input),
                    scopes=scopes,
                    operation=operation,
                    values=values.astype(np.float64),
                    renamed=bool(scopes) and not own[0],
                )


def _scopes(node: Any) -> tuple[tuple[str, ...], str]:
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            try:
                *scopes, operation = ast.literal_eval(entry.value)
            except (ValueError, SyntaxError):
                return (), ""  # another writer's words under this key
            return tuple(str(scope) for scope in scopes), str(operation)
    return (), ""
