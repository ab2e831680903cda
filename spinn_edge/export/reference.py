"""The evaluators that golden outputs come from: float64, and the float32 form called eager."""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge.core.errors import ExportError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, named_results
from spinn_edge.models.onnx_file import in_float64, load_onnx

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
        shares: by name of output, what forms may differ from ``eager`` by, a share of its scale;
            empty for the usual share.
    """

    eager: Evaluate
    exact: Evaluate
    note: str = ""
    shares: Mapping[str, float] = field(default_factory=dict)


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
        exact=run(evaluator(in_float64(graph)), np.float64),
    )


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
    """Return a module's result as arrays, by the names of :func:`named_results`.

    Raises:
        ExportError: something in it is no tensor.
    """
    named = named_results(result)
    for name, value in named.items():
        if not isinstance(value, torch.Tensor):
            raise ExportError(
                f"the model returns a {type(value).__name__} as '{name}'; "
                "tensors, sequences or dicts of tensors can be exported"
            )
    return {name: value.numpy() for name, value in named.items()}
