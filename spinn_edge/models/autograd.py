"""Derivatives by PyTorch's automatic differentiation: the reference for all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.tensors import named_results


def differentiate(
    function: Callable[..., Any],
    inputs: Mapping[str, torch.Tensor],
    derivatives: Sequence[Derivative],
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Evaluate a network and derivatives of its outputs.

    The outputs of all samples are summed and the sum is differentiated once, which is right because
    no sample depends on another.

    Args:
        function: takes the tensors in the order of ``inputs``.
        inputs: by name, shape (batch, columns); the derivatives are in their dtype.
        derivatives: what is wanted.

    Returns:
        Outputs by name, and derivatives by request, shape (batch,); without gradients.
    """
    with torch.enable_grad():
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in inputs.items()}
        results = named_results(function(*leaves.values()))
        found = {}
        for wanted in derivatives:
            values = results[wanted.output.tensor][:, wanted.output.index]
            for channel in wanted.inputs:
                values = _slope(values, leaves[channel.tensor])[:, channel.index]
            found[wanted.request] = values.detach()
    return {name: tensor.detach() for name, tensor in results.items()}, found


def _slope(values: torch.Tensor, leaf: torch.Tensor) -> torch.Tensor:
    """Return d(values)/d(leaf) of each sample; 0 where the one does not depend on the other."""
    if not values.requires_grad:
        return torch.zeros_like(leaf)
    (slope,) = torch.autograd.grad(values.sum(), leaf, create_graph=True, allow_unused=True)
    return torch.zeros_like(leaf) if slope is None else slope
