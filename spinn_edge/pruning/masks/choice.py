"""Which weights are masked next: the smallest ones, by one of three rules."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.masks.weights import MaskableWeight, Masks

SCOPES = ("global", "layer")
"""Weights compete with those of all layers, or with those of their own."""

PATTERNS = ("2:4",)
"""Two of every four consecutive input weights are masked."""

_GROUP, _GONE = 4, 2


def check_choice(scope: str, pattern: str | None) -> None:
    """Refuse names that are in neither table.

    Raises:
        PruningError: lists the known ones.
    """
    if scope not in SCOPES:
        raise PruningError(f"unknown scope '{scope}'; known: {', '.join(SCOPES)}")
    if pattern is not None and pattern not in PATTERNS:
        raise PruningError(f"unknown pattern '{pattern}'; known: {', '.join(PATTERNS)}")


def choose_smallest(
    weights: list[MaskableWeight], masks: Mapping[str, torch.Tensor], ratio: float, scope: str
) -> Masks:
    """Mask a share of the weights that are still left, the smallest magnitudes first.

    The count is that share rounded to the nearest whole weight, exactly: of equal weights the
    first in order of definition go.

    Args:
        weights: of the network.
        masks: what holds already, bool by name; not changed.
        ratio: share of the weights that are left, in (0, 1).
        scope: ``global`` counts over the whole network, ``layer`` in each layer.

    Raises:
        PruningError: less than one weight or all of them would go, or a layer would lose its last.

    Source: Han et al. (2015), "Learning both weights and connections for efficient neural
    networks"; L1 of single weights is their magnitude.
    """
    blocks = [weights] if scope == "global" else [[weight] for weight in weights]
    chosen = Masks()
    for block in blocks:
        kept = torch.cat([masks[weight.name].flatten() for weight in block])
        sizes = torch.cat([weight.values.abs().flatten().double() for weight in block])
        left = int(torch.count_nonzero(kept))
        count = round(ratio * left)
        where = "the network" if scope == "global" else f"'{block[0].name}'"
        if not 0 < count < left:
            raise PruningError(
                f"{ratio:.4%} of the {left} weights that {where} has left is {count} whole "
                "weights; a stage masks at least one and leaves at least one: ask for a "
                f"{'larger' if count < 1 else 'smaller'} ratio"
            )
        candidates = torch.nonzero(kept).flatten()
        order = torch.argsort(sizes[candidates], stable=True)
        kept = kept.clone()
        kept[candidates[order[:count]]] = False
        parts = torch.split(kept, [weight.stored.numel() for weight in block])
        for weight, part in zip(block, parts, strict=True):
            chosen[weight.name] = part.view_as(weight.stored)
    _check_alive(chosen, masks)
    return chosen


def choose_two_of_four(
    weights: list[MaskableWeight], masks: Mapping[str, torch.Tensor]
) -> tuple[Masks, dict[str, str]]:
    """Mask the two smallest of every four consecutive input weights of a row.

    In a convolution the four are neighbours along the input channels, at one place of the kernel.
    Weights that are masked already count among the two.

    Returns:
        The masks, and why a layer was left alone, by name.

    Raises:
        PruningError: no layer can take the pattern.

    Source: Mishra et al. (2021), "Accelerating sparse deep neural networks".
    """
    chosen, alone = Masks(), dict[str, str]()
    for weight in weights:
        kept, values = masks[weight.name], weight.values
        if values.shape[1] % _GROUP:
            chosen[weight.name] = kept.clone()
            alone[weight.name] = f"{values.shape[1]} inputs, no multiple of {_GROUP}"
            continue
        # input channels last, so that four neighbours are one group
        sizes = torch.where(kept, values.abs().double(), -math.inf).movedim(1, -1)
        groups = sizes.reshape(-1, _GROUP)
        smallest = torch.argsort(groups, dim=1, stable=True)[:, :_GONE]
        keep = torch.ones_like(groups, dtype=torch.bool).scatter_(1, smallest, False)
        chosen[weight.name] = keep.view(sizes.shape).movedim(-1, 1).contiguous() & kept
    if len(alone) == len(weights):
        reasons = ", ".join(f"'{name}' has {why}" for name, why in alone.items())
        raise PruningError(
            f"no layer can take the pattern 2:4, which needs a multiple of 4 inputs: {reasons}; "
            "leave the pattern out"
        )
    return chosen, alone


def _check_alive(chosen: Masks, before: Mapping[str, torch.Tensor]) -> None:
    for name, mask in chosen.items():
        if not mask.any() and before[name].any():
            raise PruningError(
                f"'{name}' would lose its last weight, and nothing would pass through its layer; "
                "ask for a smaller ratio, or count in each layer with scope 'layer' "
                "(--scope layer)"
            )
