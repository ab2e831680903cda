"""What a layer's weights look like: widths, counts, mean, spread, length."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch
    from torch import nn

_MASKED, _MASK = "_orig", "_mask"  # the names that torch.nn.utils.prune gives


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerStatistics:
    """One layer of a network after one stage.

    Attributes:
        name: as ``named_modules()`` gives it; empty for a network that is one layer itself.
        width_before: neurons or channels that it gave in the network that was given.
        width_after: those that it gives now.
        parameters: weights and biases; one that several layers share counts where it comes first,
            so that the layers add up to the network.
        nonzeros: those that are not exactly 0, masks applied.
        weight_mean: of the layer's weight, biases left out; None where that is no finite number.
        weight_std: likewise, standard deviation (n in the denominator).
        weight_l2: likewise, square root of the sum of squares.
        kind: class of the layer; empty in older records.
        weight_mean_abs: as ``weight_mean``, of absolute values; None in older records.
    """

    name: str
    width_before: int
    width_after: int
    parameters: int
    nonzeros: int
    weight_mean: float | None
    weight_std: float | None
    weight_l2: float | None
    kind: str = ""
    weight_mean_abs: float | None = None


def layer_statistics(
    module: nn.Module, original: Sequence[LayerStatistics] = ()
) -> tuple[LayerStatistics, ...]:
    """Return the statistics of every layer that owns parameters, in order of definition.

    A parameter that carries a mask of ``torch.nn.utils.prune`` counts as masked.

    Args:
        module: on any device.
        original: of the network that was given, for the widths before; empty if it is this one.
    """
    before = {layer.name: layer.width_after for layer in original}
    found: list[LayerStatistics] = []
    counted = set[int]()
    for name, layer in module.named_modules():
        tensors = _effective(layer)
        if not tensors:
            continue
        weight = _weight_of(tensors).double()
        width = weight.shape[0] if weight.ndim else 1
        own = [tensor for key, tensor in tensors.values() if key not in counted]
        counted |= {key for key, _ in tensors.values()}
        found.append(
            LayerStatistics(
                name=name,
                width_before=before.get(name, width),
                width_after=width,
                parameters=sum(tensor.numel() for tensor in own),
                nonzeros=sum(int(tensor.count_nonzero()) for tensor in own),
                weight_mean=_finite(weight.mean()),
                weight_std=_finite(weight.std(correction=0)),
                weight_l2=_finite(weight.square().sum().sqrt()),
                kind=type(layer).__name__,
                weight_mean_abs=_finite(weight.abs().mean()),
            )
        )
    return tuple(found)


def _effective(layer: nn.Module) -> dict[str, tuple[int, torch.Tensor]]:
    """Return the layer's own parameters, not its children's, as they work behind their masks.

    Returns:
        By name without suffix: the parameter's identity, and its values.
    """
    masks = dict(layer.named_buffers(recurse=False))
    tensors: dict[str, tuple[int, torch.Tensor]] = {}
    for name, parameter in layer.named_parameters(recurse=False):
        plain = name.removesuffix(_MASKED)
        mask = masks.get(plain + _MASK) if plain != name else None
        # the attribute without the suffix is stale between an optimiser's step and the next run
        values = parameter.detach() if mask is None else parameter.detach() * mask
        tensors[plain] = id(parameter), values
    return tensors


def _weight_of(tensors: dict[str, tuple[int, torch.Tensor]]) -> torch.Tensor:
    """Return the tensor called ``weight``, or the one with the most dimensions."""
    largest = max(tensors.values(), key=lambda pair: pair[1].ndim)
    return tensors.get("weight", largest)[1]


def _finite(value: torch.Tensor) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None
