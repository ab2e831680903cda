"""The evaluators that golden outputs come from: float64, and the float32 form called eager."""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge.core.errors import BundleError, ExportError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array

if TYPE_CHECKING:
    from torch import nn

Evaluate = Callable[[Mapping[str, Array]], dict[str, Array]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """Two evaluators of one model.

    Attributes:
        eager: float32, as the model was given; for ONNX, the ``onnx`` package's own evaluator.
        exact: float64.
        note: empty, or why ``exact`` is no more exact than ``eager``.
    """

    eager: Evaluate
    exact: Evaluate
    note: str = ""


def module_reference(module: nn.Module) -> Reference:
    """Return the evaluators of a PyTorch module; a float64 copy is the exact one."""
    torch = require("torch", extra="export")

    def run(network: Any, dtype: Any) -> Evaluate:
        def evaluate(inputs: Mapping[str, Array]) -> dict[str, Array]:
            tensors = [torch.from_numpy(np.ascontiguousarray(a)) for a in inputs.values()]
            tensors = [t.to(dtype) if t.is_floating_point() else t for t in tensors]
            try:
                with torch.no_grad():
                    return name_outputs(network(*tensors), torch)
            except ExportError:
                raise
            except Exception as exc:  # the user's own forward may raise anything
                shapes = {name: list(a.shape) for name, a in inputs.items()}
                raise ExportError(
                    f"the model fails on inputs {shapes} ({type(exc).__name__}: "
                    f"{first_line(exc)}); is --input-shape right?"
                ) from exc

        return evaluate

    eager = run(module, torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own insides when a program is copied
        double = copy.deepcopy(module).double()
    return Reference(eager=eager, exact=run(double, torch.float64))


def onnx_reference(path: Path) -> Reference:
    """Return the evaluators of an ONNX file: ``onnx.reference``, numpy operator by operator.

    Raises:
        BundleError: the file is corrupt.
    """
    onnx = require("onnx", extra="export")
    evaluator = require("onnx.reference", extra="export").ReferenceEvaluator
    graph = load_onnx(path)

    def run(session: Any, dtype: Any) -> Evaluate:
        def evaluate(inputs: Mapping[str, Array]) -> dict[str, Array]:
            feeds = {
                name: array.astype(dtype) if array.dtype == np.float32 else array
                for name, array in inputs.items()
            }
            try:
                return dict(zip(session.output_names, session.run(None, feeds), strict=True))
            except Exception as exc:  # the evaluator raises whatever numpy raises
                raise ExportError(f"{path} fails in onnx.reference: {first_line(exc)}") from exc

        return evaluate

    return Reference(
        eager=run(evaluator(graph), np.float32),
        exact=run(evaluator(_in_float64(graph, onnx)), np.float64),
    )


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


def copy_onnx(source: Path, target: Path) -> None:
    """Copy an ONNX file byte for byte, or, where its weights lie beside it, as one file.

    Raises:
        BundleError: it is corrupt, or its weights are missing.
        ExportError: it does not fit into one file.
    """
    onnx = require("onnx", extra="export")
    shell = onnx.load(source, load_external_data=False)
    if not any(onnx.external_data_helper.uses_external_data(t) for t in shell.graph.initializer):
        shutil.copyfile(source, target)
        return
    try:
        onnx.save(load_onnx(source), target)
    except ValueError as exc:  # protobuf's limit
        raise ExportError(f"{source} does not fit into one file: {first_line(exc)}") from exc


def name_outputs(result: Any, torch: Any) -> dict[str, Array]:
    """Return a module's result as arrays by name.

    A tensor becomes ``output``; a sequence ``output_0`` and so on; a dict keeps its keys.

    Raises:
        ExportError: something in it is no tensor.
    """
    if isinstance(result, Mapping):
        named = {str(key): value for key, value in result.items()}
    elif isinstance(result, tuple | list):
        named = {f"output_{index}": value for index, value in enumerate(result)}
    else:
        named = {"output": result}
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise ExportError(
                f"the model returns a {type(value).__name__} as '{name}'; "
                "tensors, sequences or dicts of tensors can be exported"
            )
    return {name: value.numpy() for name, value in named.items()}


def _in_float64(graph: Any, onnx: Any) -> Any:
    """Return a copy of the graph in which every float32 is a float64."""
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
