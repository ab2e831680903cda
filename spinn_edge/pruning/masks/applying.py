"""Masks put on a network, kept there and made permanent, over ``torch.nn.utils.prune``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn
from torch.nn.utils import prune
from torch.optim.optimizer import register_optimizer_step_post_hook

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.masks.arguments import check_masks, check_network, check_ratio
from spinn_edge.pruning.masks.choice import check_choice, choose_smallest, choose_two_of_four
from spinn_edge.pruning.masks.weights import Masks, fit_masks, maskable_weights, masked_share

M = TypeVar("M", bound=nn.Module)

PATTERN_RATIO = 0.5
"""What 2:4 masks of a layer."""


def apply_pruning(
    model: nn.Module,
    prune_ratio: float,
    existing_masks: Mapping[str, torch.Tensor] | None = None,
    *,
    scope: str = "global",
    pattern: str | None = None,
) -> tuple[float, Masks]:
    """Mask a share of the weights that are still left: those of the smallest magnitude.

    Masks never shrink: what is masked, on the network or in ``existing_masks``, stays masked.
    Biases are never masked. The network keeps its size and its speed.

    Args:
        model: changed in place: its weights go through ``torch.nn.utils.prune`` from now on (see
            :func:`make_permanent`). Any network with Linear or Conv layers.
        prune_ratio: share of the weights that are still left, in (0, 1), rounded to the nearest
            whole weight; 0.5 with ``pattern``.
        existing_masks: of earlier stages, by weight name; bool, or 0 and 1.
        scope: ``global`` lets all layers' weights compete, ``layer`` those of each layer.
        pattern: ``2:4`` masks two of every four consecutive input weights, whatever is masked
            already included; layers whose inputs are no multiple of 4 are left alone.

    Returns:
        The share of all maskable weights that is masked now, counted, and all masks: weight name
        to bool, True where the weight stays.

    Raises:
        PruningError: an argument is of a wrong type, the ratio makes no sense, a weight is NaN or
            Inf, the masks are of another network, or a layer would lose its last weight. The
            network is as it was then.
    """
    check_network(model)
    check_ratio(prune_ratio)
    check_masks({} if existing_masks is None else existing_masks, "existing_masks")
    weights = maskable_weights(model)
    check_choice(scope, pattern)
    for weight in weights:
        if not torch.isfinite(weight.values).all():
            raise PruningError(
                f"'{weight.name}' holds NaN or Inf, which has no place in an order by magnitude; "
                "load weights of a run that did not diverge"
            )
    existing = fit_masks(model, existing_masks or {})
    if pattern is None:
        masks = choose_smallest(weights, existing, prune_ratio, scope)
    elif prune_ratio != PATTERN_RATIO:
        raise PruningError(
            f"pattern {pattern} masks half of every group of four; give prune_ratio "
            f"{PATTERN_RATIO:g}, not {prune_ratio:g}"
        )
    else:
        masks, _ = choose_two_of_four(weights, existing)
    apply_masks(model, masks)
    return masked_share(masks), masks


def left_alone_by_pattern(model: nn.Module) -> dict[str, str]:
    """Return the layers that cannot take 2:4, and why, by weight name.

    Raises:
        PruningError: no layer can take it.
    """
    return choose_two_of_four(maskable_weights(model), fit_masks(model, {}))[1]


def apply_masks(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> None:
    """Put masks on a network in place, on top of those that hold already.

    Raises:
        PruningError: they are of another network; it is as it was then.
    """
    fitted = fit_masks(model, masks)
    for weight in maskable_weights(model):
        mask = fitted[weight.name]
        held = weight.mask
        if held is None or not torch.equal(held, mask):  # else containers would only grow
            prune.custom_from_mask(weight.module, "weight", mask)  # type: ignore[no-untyped-call]
    settle(model)


def settle(model: nn.Module) -> None:
    """Make what is stored and what layers show agree: masked positions are exactly 0 in both.

    ``torch.nn.utils.prune`` refreshes ``layer.weight`` only when the layer runs, so after an
    optimiser step or ``load_state_dict`` it shows old values; and its tensor carries a gradient
    history, which cannot be copied.
    """
    for module, name in _pruned(model):
        stored, mask = module._parameters[f"{name}_orig"], module._buffers[f"{name}_mask"]
        assert stored is not None
        assert mask is not None
        with torch.no_grad():
            stored.masked_fill_(mask == 0, 0)
        setattr(module, name, stored.detach().clone())


@contextmanager
def held(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> Iterator[Masks]:
    """Keep masked weights exactly 0 after every step of any optimiser within the block.

    Weight decay and momentum move a weight that gets no gradient, so zeroing once is not enough.

    Args:
        model: under ``torch.nn.utils.prune`` or plain.
        masks: by weight name.

    Yields:
        The masks that are held, those on the network included.

    Raises:
        PruningError: the masks are of another network.
    """
    fitted = fit_masks(model, masks)
    gone = [
        (weight.stored, ~fitted[weight.name])
        for weight in maskable_weights(model)
        if not fitted[weight.name].all()
    ]

    @torch.no_grad()
    def zero(*_: object) -> None:
        for stored, mask in gone:
            stored.masked_fill_(mask, 0)

    zero()
    handle = register_optimizer_step_post_hook(zero)
    try:
        yield fitted
    finally:
        handle.remove()
        settle(model)


def count_regrown(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> int:
    """Return how many masked weights are not 0; NaN counts.

    Raises:
        PruningError: the masks are of another network.
    """
    fitted = fit_masks(model, masks)
    return sum(
        int(torch.count_nonzero(weight.values[~fitted[weight.name]]))
        for weight in maskable_weights(model)
    )


def check_none_regrown(model: nn.Module, masks: Mapping[str, torch.Tensor]) -> int:
    """Return 0.

    Raises:
        PruningError: a masked weight is not 0 any more.
    """
    if regrown := count_regrown(model, masks):
        raise PruningError(
            f"{regrown} masked weights are not 0 any more: something moved them past their mask; "
            "train with fine_tune(..., masks=masks), which holds them"
        )
    return 0


def make_permanent(model: M) -> M:
    """Take the masks off in place and leave plain weights with zeros in them.

    Returns:
        ``model`` itself, whose state dict has the names and the order of the plain network's.
    """
    settle(model)
    for module, name in _pruned(model):
        prune.remove(module, name)  # type: ignore[no-untyped-call]
        parameters = module._parameters
        for other in [key for key in parameters if key != "weight"]:
            parameters[other] = parameters.pop(other)  # prune puts what it touched last
    return model


def permanent_copy(model: M) -> M:
    """Return a copy without masks, zeros where they were; ``model`` keeps them."""
    settle(model)
    copied = copy.deepcopy(model)
    make_permanent(copied)
    return copied


def _pruned(model: nn.Module) -> list[tuple[nn.Module, str]]:
    """Return (module, tensor name) of all that ``torch.nn.utils.prune`` holds, biases too."""
    return [
        (module, key.removesuffix("_orig"))
        for module in model.modules()
        for key in list(module._parameters)
        if key.endswith("_orig") and f"{key.removesuffix('_orig')}_mask" in module._buffers
    ]
