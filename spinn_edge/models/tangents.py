"""Values with their first and second derivatives, carried forward through a network.

For two inputs i and j a value h carries h_i, h_j and h_ij. Through a function f

    f(h)_i = f'(h) h_i,    f(h)_ij = f''(h) h_i h_j + f'(h) h_ij,

exactly, the mixed derivative included. A derivative that is 0 everywhere is not stored, and one
that is the same for every sample has a batch axis of 1.

Source: Griewank and Walther (2008), "Evaluating Derivatives", chapter 13 (Taylor polynomials).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import torch
from torch.nn import functional

Pair = tuple[int, int]
Key = TypeVar("Key", int, Pair)


class Jet(NamedTuple):
    """A value and its derivatives by numbered directions.

    Attributes:
        value: tensor of shape (batch, columns); for a constant, anything that broadcasts to it, a
            plain number included.
        first: by direction; a missing one is 0.
        second: by pair of directions, the smaller first; a missing one is 0.
    """

    value: Any
    first: Mapping[int, torch.Tensor] = MappingProxyType({})
    second: Mapping[Pair, torch.Tensor] = MappingProxyType({})


Slopes = tuple[torch.Tensor, ...]
"""f(h), f'(h) and, where it was asked for, f''(h)."""


def compose(jet: Jet, slopes: Slopes, pairs: Sequence[Pair]) -> Jet:
    """Apply an elementwise function.

    Args:
        jet: what goes in.
        slopes: the function and its derivatives at ``jet.value``.
        pairs: second derivatives to carry.
    """
    value, slope, *curvature = slopes
    second = {}
    for i, j in pairs:
        terms = []
        if i in jet.first and j in jet.first:
            terms.append(curvature[0] * (jet.first[i] * jet.first[j]))
        if (i, j) in jet.second:
            terms.append(slope * jet.second[i, j])
        if terms:
            second[i, j] = sum(terms[1:], terms[0])
    return Jet(value=value, first={i: slope * d for i, d in jet.first.items()}, second=second)


def apply_linear(jet: Jet, weight: torch.Tensor, bias: torch.Tensor | None) -> Jet:
    """Apply ``x W^T + b``; the bias moves the value alone."""
    return Jet(
        value=functional.linear(jet.value, weight, bias),
        first={i: functional.linear(d, weight) for i, d in jet.first.items()},
        second={pair: functional.linear(d, weight) for pair, d in jet.second.items()},
    )


def add(left: Jet, right: Jet) -> Jet:
    """Return the sum; a single column may be added to many."""
    value = left.value + right.value
    columns = value.shape[-1]

    def wide(parts: Mapping[Key, torch.Tensor]) -> dict[Key, torch.Tensor]:
        return {key: d.expand(-1, columns) for key, d in parts.items()}

    return Jet(
        value=value,
        first=wide(_sum(left.first, right.first)),
        second=wide(_sum(left.second, right.second)),
    )


def multiply(left: Jet, right: Jet, pairs: Sequence[Pair]) -> Jet:
    """Return the product of two values that may both depend on the inputs."""
    first = _sum(
        {i: d * right.value for i, d in left.first.items()},
        {i: left.value * d for i, d in right.first.items()},
    )
    second = _sum(
        {pair: d * right.value for pair, d in left.second.items()},
        {pair: left.value * d for pair, d in right.second.items()},
    )
    for i, j in pairs:
        for one, other in ((i, j), (j, i)):
            if one in left.first and other in right.first:
                second = _sum(second, {(i, j): left.first[one] * right.first[other]})
    return Jet(value=left.value * right.value, first=first, second=second)


def concatenate(jets: Sequence[Jet]) -> Jet:
    """Put columns side by side."""

    def beside(parts: Callable[[Jet], Mapping[Key, torch.Tensor]]) -> dict[Key, torch.Tensor]:
        keys = dict.fromkeys(key for jet in jets for key in parts(jet))
        return {
            key: torch.cat(
                [
                    parts(jet)[key].expand_as(jet.value)
                    if key in parts(jet)
                    else torch.zeros_like(jet.value)
                    for jet in jets
                ],
                dim=1,
            )
            for key in keys
        }

    return Jet(
        value=torch.cat([jet.value for jet in jets], dim=1),
        first=beside(lambda jet: jet.first),
        second=beside(lambda jet: jet.second),
    )


def transform(jet: Jet, function: Callable[[torch.Tensor], torch.Tensor]) -> Jet:
    """Apply one linear function of columns to the value and to every derivative."""
    return Jet(
        value=function(jet.value),
        first={i: function(d) for i, d in jet.first.items()},
        second={pair: function(d) for pair, d in jet.second.items()},
    )


def _sum(left: Mapping[Key, torch.Tensor], right: Mapping[Key, torch.Tensor]) -> dict[Key, Any]:
    total = dict(left)
    for key, tensor in right.items():
        total[key] = total[key] + tensor if key in total else tensor
    return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """An elementwise function with its derivatives.

    Attributes:
        orders: how many of them it has.
        slopes: from h and the wanted order to f(h), f'(h) and, for order 2, f''(h).
    """

    slopes: Callable[..., Slopes]
    orders: int = 2


def _tanh(h: torch.Tensor, order: int) -> Slopes:
    t = torch.tanh(h)
    slope = (1 - t) * (1 + t)
    return (t, slope, -2 * t * slope)[: order + 1]


def _sin(h: torch.Tensor, order: int) -> Slopes:
    s = torch.sin(h)
    return (s, torch.cos(h), -s)[: order + 1]


def _cos(h: torch.Tensor, order: int) -> Slopes:
    c = torch.cos(h)
    return (c, -torch.sin(h), -c)[: order + 1]


def _sigmoid(h: torch.Tensor, order: int) -> Slopes:
    s = torch.sigmoid(h)
    slope = s * (1 - s)
    return (s, slope, slope * (1 - 2 * s))[: order + 1]


def _silu(h: torch.Tensor, order: int) -> Slopes:
    s = torch.sigmoid(h)
    slope = s * (1 + h * (1 - s))
    return (functional.silu(h), slope, s * (1 - s) * (2 + h * (1 - 2 * s)))[: order + 1]


def _gelu(h: torch.Tensor, order: int) -> Slopes:
    below = 0.5 * (1 + torch.erf(h * math.sqrt(0.5)))  # the normal distribution
    density = torch.exp(-0.5 * h * h) * (1 / math.sqrt(2 * math.pi))
    return (functional.gelu(h), below + h * density, density * (2 - h * h))[: order + 1]


def _gelu_tanh(h: torch.Tensor, order: int) -> Slopes:
    """Take 0.5 h (1 + tanh u) with u = k (h + c h^3) apart.

    Source: Hendrycks and Gimpel (2016), "Gaussian error linear units", k = sqrt(2/pi) and
    c = 0.044715.
    """
    k, c = math.sqrt(2 / math.pi), 0.044715
    t = torch.tanh(k * (h + c * h * h * h))
    inner, bend = k * (1 + 3 * c * h * h), 6 * k * c * h  # u' and u''
    slope = (1 - t) * (1 + t)
    return (
        functional.gelu(h, approximate="tanh"),
        0.5 * (1 + t) + 0.5 * h * slope * inner,
        slope * inner + 0.5 * h * slope * (bend - 2 * t * inner * inner),
    )[: order + 1]


def _softplus(h: torch.Tensor, order: int, beta: float = 1.0, threshold: float = 20.0) -> Slopes:
    value = functional.softplus(h, beta, threshold)
    s = torch.sigmoid(beta * h)
    straight = beta * h > threshold  # PyTorch goes on in a straight line there
    slope = torch.where(straight, torch.ones_like(s), s)
    return (value, slope, torch.where(straight, torch.zeros_like(s), beta * s * (1 - s)))[
        : order + 1
    ]


def _relu(h: torch.Tensor, order: int) -> Slopes:
    return (functional.relu(h), (h > 0).to(h.dtype))


ACTIVATIONS = {
    "tanh": Activation(slopes=_tanh),
    "sin": Activation(slopes=_sin),
    "cos": Activation(slopes=_cos),
    "sigmoid": Activation(slopes=_sigmoid),
    "silu": Activation(slopes=_silu),
    "gelu": Activation(slopes=_gelu),
    "gelu_tanh": Activation(slopes=_gelu_tanh),
    "softplus": Activation(slopes=_softplus),
    "relu": Activation(slopes=_relu, orders=1),
}
"""By name. The first two orders of relu are 0 or 1, and 0: a second derivative says nothing."""
