"""Which tensors of a network can be masked, and masks by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from spinn_edge.core.errors import PruningError

Masks = dict[str, torch.Tensor]
"""Weight name (``0.weight``) to bool of the weight's shape: True where the weight stays."""

_KINDS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TENSOR = "weight"


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskableWeight:
    """The weight of one Linear or Conv layer.

    Attributes:
        name: as in the plain network's state dict, ``0.weight``.
        module: the layer.
    """

    name: str
    module: nn.Module

    @property
    def stored(self) -> nn.Parameter:
        """The parameter that an optimiser moves."""
        held = self.module._parameters
        found = held[_TENSOR] if _TENSOR in held else held[f"{_TENSOR}_orig"]
        assert found is not None
        return found

    @property
    def mask(self) -> torch.Tensor | None:
        """What ``torch.nn.utils.prune`` holds, as bool; None where it holds nothing."""
        mask = self.module._buffers.get(f"{_TENSOR}_mask")
        return None if mask is None else mask != 0

    @property
    def values(self) -> torch.Tensor:
        """What the layer multiplies with, detached: 0 where it is masked."""
        values, mask = self.stored.detach(), self.mask
        return values if mask is None else values.masked_fill(~mask, 0)


def maskable_weights(model: nn.Module) -> list[MaskableWeight]:
    """Return the weights of Linear and Conv layers, in order of definition.

    Biases are never masked. Layers inside ``nn.MultiheadAttention``, which uses their weights
    without running them, and weights under another parametrisation are left alone.

    Raises:
        PruningError: there is none, or two layers share one weight.
    """
    untouchable = {
        id(inner)
        for module in model.modules()
        if isinstance(module, nn.MultiheadAttention)
        for inner in module.modules()
    }
    found = [
        MaskableWeight(name=f"{name}.{_TENSOR}".lstrip("."), module=module)
        for name, module in model.named_modules()
        if isinstance(module, _KINDS) and id(module) not in untouchable and _plain(module)
    ]
    if not found:
        raise PruningError(
            "the network has no Linear or Conv layer whose weights could be masked; masks need one"
        )
    seen = dict[int, str]()
    for weight in found:
        if is_lazy(weight.stored):
            raise PruningError(
                f"'{weight.name}' has no shape yet; run the network once on a sample before masking"
            )
        other = seen.setdefault(id(weight.stored), weight.name)
        if other != weight.name:
            raise PruningError(
                f"'{other}' and '{weight.name}' are one shared tensor, and a mask would be for "
                "both; give each layer a weight of its own before masking"
            )
    return found


def read_masks(model: nn.Module) -> Masks:
    """Return the masks that hold on a network now; all True where nothing is masked."""
    masks = Masks()
    for weight in maskable_weights(model):
        mask = weight.mask
        masks[weight.name] = (
            torch.ones_like(weight.stored, dtype=torch.bool) if mask is None else mask.clone()
        )
    return masks


def fit_masks(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> Masks:
    """Return ``masks`` as bool on the network's device, those that hold on it already included.

    Args:
        model: what they are for.
        masks: bool, or numbers that are 0 or 1; a weight that is not named is masked no further.

    Raises:
        PruningError: a name or a shape is not the network's, or a value is neither 0 nor 1.
    """
    fitted = read_masks(model)
    for name, given in masks.items():
        mask = torch.as_tensor(given)
        if name not in fitted:
            raise PruningError(
                f"the masks are of another network: it has no weight '{name}' that can be masked; "
                f"its weights are {', '.join(fitted)}"
            )
        if mask.shape != fitted[name].shape:
            raise PruningError(
                f"the masks are of another network: the mask of '{name}' has shape "
                f"{tuple(mask.shape)}, the weight {tuple(fitted[name].shape)}"
            )
        if mask.dtype != torch.bool and not bool(((mask == 0) | (mask == 1)).all()):
            raise PruningError(
                f"the mask of '{name}' holds values other than 0 and 1; a mask says which weights "
                "stay (1, True) and which are held at zero (0, False)"
            )
        fitted[name] &= mask.to(device=fitted[name].device) != 0
    return fitted


def masked_share(masks: Mapping[str, torch.Tensor]) -> float:
    """Return the share of False over all masks, counted."""
    total = sum(mask.numel() for mask in masks.values())
    return 1 - sum(int(torch.count_nonzero(mask)) for mask in masks.values()) / total


def _plain(module: nn.Module) -> bool:
    """Tell whether the weight is a parameter, or one under ``torch.nn.utils.prune``."""
    held, buffers = module._parameters, module._buffers
    return held.get(_TENSOR) is not None or (
        held.get(f"{_TENSOR}_orig") is not None and f"{_TENSOR}_mask" in buffers
    )
