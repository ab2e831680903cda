"""Proof that a way to train computes eager's loss and gradients, before anything is timed."""

from __future__ import annotations

import copy

import torch
from torch import nn

from spinn_edge.bench.training.result import Proof
from spinn_edge.training.equations.problem import Points
from spinn_edge.training.pinn_step import AUTOGRAD, Gradient, Loss, gradient_of

TOLERANCE = 1e-4
"""Of the loss, and of the largest entry of each gradient: some hundred roundings of float32, which
a sum over thousands of points and two derivatives takes; a wrong term is far beyond."""

_SMALLEST_SCALE = 1e-3
"""A gradient that is small beside the network's largest is held against this share of it: it is the
difference of large numbers, and their rounding is all there is."""


def prove(network: nn.Module, loss: Loss, gradient: Gradient, points: Points) -> Proof:
    """Compare one loss and its gradients with eager autograd in float64.

    Args:
        network: whose parameters ``gradient`` fills; their ``grad`` is None again afterwards.
        loss: what ``gradient`` computes, by whatever way.
        gradient: what is to be proved.
        points: of one step, float32.
    """
    exact = _reference(copy.deepcopy(network).double(), loss, _doubled(points))
    eager = _reference(copy.deepcopy(network), loss, points)
    network.zero_grad(set_to_none=True)
    own = gradient(points), _gradients(network)
    network.zero_grad(set_to_none=True)
    loss_error, gradient_error = _errors(own, exact)
    eager_loss_error, eager_gradient_error = _errors(eager, exact)
    return Proof(
        loss_error=loss_error,
        gradient_error=gradient_error,
        eager_loss_error=eager_loss_error,
        eager_gradient_error=eager_gradient_error,
        tolerance=TOLERANCE,
    )


_Found = tuple[torch.Tensor, list[torch.Tensor]]


def _reference(network: nn.Module, loss: Loss, points: Points) -> _Found:
    network.zero_grad(set_to_none=True)
    value = gradient_of(network, loss, AUTOGRAD)(points)
    return value, _gradients(network)


def _doubled(points: Points) -> Points:
    return {name: tensor.double() for name, tensor in points.items()}


def _gradients(network: nn.Module) -> list[torch.Tensor]:
    # a parameter that the loss does not reach has none in one way and zeros in another
    return [
        torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()
        for parameter in network.parameters()
    ]


def _errors(found: _Found, exact: _Found) -> tuple[float, float]:
    value, reference = found[0].double(), exact[0]
    loss_error = float((value - reference).abs() / reference.abs().clamp_min(1e-300))
    scales = [float(gradient.abs().max()) for gradient in exact[1]]
    floor = max(_SMALLEST_SCALE * max(scales, default=0.0), 1e-300)
    shares = [
        float((ours.double() - theirs).abs().max()) / max(scale, floor)
        for ours, theirs, scale in zip(found[1], exact[1], scales, strict=True)
    ]
    # max() would pass a NaN by; a sum of them does not
    whole = sum(shares)
    return loss_error, max(shares) if whole == whole else float("nan")
