"""What every layer of a PyTorch module puts out, seen through forward hooks."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from spinn_edge.core.errors import InferenceError, first_line
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array, Feeds

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerOutput:
    """One tensor of the form that is held to be right.

    Attributes:
        layer: module path such as ``2`` or ``blocks.0.act``; name of the tensor where the form is
            an ONNX graph.
        kind: class of the module, or the operator.
        values: float64, shape (batch, ...); None for a layer that puts out no single tensor.
        innermost: no module lies within this one.
    """

    layer: str
    kind: str
    values: Array | None
    innermost: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Every tensor of one pass through a model.

    Attributes:
        layers: in the order of the calls.
        outputs: of the model, by name, float64.
    """

    layers: tuple[LayerOutput, ...]
    outputs: Mapping[str, Array]


def record_layers(
    module: nn.Module, inputs: Feeds, output_names: tuple[str, ...], *, double: bool
) -> Recording:
    """Run a copy of a module and keep what each module within it puts out.

    Identity and dropout are left out: in evaluation mode they put out what they were given.

    Args:
        module: in evaluation mode; left as it is.
        inputs: host arrays in the order of the module's arguments, shape (batch, ...).
        output_names: of the model, in order.
        double: compute in float64, else in float32.

    Raises:
        MissingDependencyError: torch is not installed.
        InferenceError: the module fails.
    """
    torch = require("torch", extra="export")
    network = in_precision(module, double=double)
    passing = (torch.nn.Identity, torch.nn.modules.dropout._DropoutNd)
    found: list[LayerOutput] = []

    def keep(layer: str, innermost: bool) -> Any:
        def hook(called: Any, given: Any, result: Any) -> None:
            # copied at once: the next layer may work in place
            values = _as_float64(result) if isinstance(result, torch.Tensor) else None
            kind = type(called).__name__
            found.append(LayerOutput(layer=layer, kind=kind, values=values, innermost=innermost))

        return hook

    for name, part in network.named_modules():
        if name and not isinstance(part, passing):
            innermost = next(part.children(), None) is None
            part.register_forward_hook(keep(name, innermost))
    outputs = run_module(network, inputs, output_names, double=double)
    return Recording(layers=tuple(found), outputs=outputs)


def in_precision(module: nn.Module, *, double: bool) -> nn.Module:
    """Return a copy of a module in float64 or float32.

    Raises:
        MissingDependencyError: torch is not installed.
    """
    torch = require("torch", extra="export")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of its own insides when a program is copied
        return copy.deepcopy(module).to(torch.float64 if double else torch.float32)


def run_module(
    network: nn.Module, inputs: Feeds, output_names: tuple[str, ...], *, double: bool
) -> dict[str, Array]:
    """Run what :func:`in_precision` returned.

    Args:
        network: in evaluation mode.
        inputs: host arrays in the order of the module's arguments, shape (batch, ...).
        output_names: of the model, in order.
        double: its precision is float64, else float32.

    Returns:
        Outputs by name, float64.

    Raises:
        MissingDependencyError: torch is not installed.
        InferenceError: the module fails.
    """
    torch = require("torch", extra="export")
    dtype = torch.float64 if double else torch.float32
    tensors = [torch.from_numpy(np.array(array, copy=True)) for array in inputs.values()]
    try:
        with torch.no_grad():
            result = network(*(t.to(dtype) if t.is_floating_point() else t for t in tensors))
    except Exception as exc:  # the user's own forward may raise anything
        raise InferenceError(
            f"the eager form fails in {'float64' if double else 'float32'} "
            f"({type(exc).__name__}): {first_line(exc)}"
        ) from exc
    if isinstance(result, Mapping):
        result = tuple(result.values())
    several = result if isinstance(result, tuple | list) else (result,)
    return {n: _as_float64(t) for n, t in zip(output_names, several, strict=True)}


def _as_float64(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().numpy(), np.float64, copy=True)
