"""Physical removal of channels as a plan says; the plan needs no graph and no pickle."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.core.pruning_record import GroupPlan
from spinn_edge.models.layer_sizes import describe_attention, describe_layer
from spinn_edge.models.modules import MLP, linear_layers

M = TypeVar("M", bound=nn.Module)

NORMALIZED_SHAPE = "normalized_shape"

SIZES = (NORMALIZED_SHAPE, "num_channels", "num_features")
"""A norm without weights has no tensor to cut; a plan then names this attribute of it."""


def cut(module: M, plans: Sequence[GroupPlan]) -> M:
    """Remove channels: rows of the layers that make them, columns of those that take them.

    Args:
        module: of the sizes that the plans were made for; not changed.
        plans: one for each group; channels that are not in ``kept`` go.

    Returns:
        A copy with smaller tensors that own their memory; whatever else the module is (activations,
        Dropout, its ``forward``) stays. The same module and plans give the same bits.

    Raises:
        PruningError: a tensor of the plan is not in the module, has another size, or nothing of
            it would stay; the module cannot be copied.
    """
    small = clone(module)
    attention = {
        layer: (layer.embed_dim, layer.head_dim)
        for layer in small.modules()
        if isinstance(layer, nn.MultiheadAttention)
    }
    _cut_all(small, plans)
    for layer in small.modules():
        describe_layer(layer)
    for layer, (size, head_dim) in attention.items():
        describe_attention(layer, size, head_dim)
    if isinstance(small, MLP):
        layers = linear_layers(small)
        small.widths = (layers[0].in_features, *(layer.out_features for layer in layers))
    return small


def clone(module: M) -> M:
    """Return a deep copy.

    Raises:
        PruningError: the module holds what PyTorch cannot copy.
    """
    try:
        return copy.deepcopy(module)
    except Exception as exc:  # a module may hold anything
        raise PruningError(
            f"the network cannot be copied ({type(exc).__name__}: {first_line(exc)}); "
            "make masks and weight norms permanent first (torch.nn.utils.prune.remove, "
            "torch.nn.utils.remove_weight_norm)"
        ) from exc


def find_tensor(module: nn.Module, name: str) -> tuple[nn.Module, Any]:
    """Return the submodule that owns what a plan names, and the thing itself.

    Raises:
        PruningError: the module has nothing of that name.
    """
    path, _, attribute = name.rpartition(".")
    try:
        owner = module.get_submodule(path)
        value = getattr(owner, attribute)
    except AttributeError as exc:
        raise PruningError(
            f"the plan cuts '{name}', which the network does not have; give the network that the "
            "plan was made for"
        ) from exc
    if value is None:
        raise PruningError(f"the plan cuts '{name}', which is None in this network")
    return owner, value


def _cut_all(module: nn.Module, plans: Sequence[GroupPlan]) -> None:
    """Cut every dimension once, however many groups and names share it."""
    removed: dict[tuple[object, int], set[int]] = {}
    names: dict[tuple[object, int], str] = {}
    for plan in plans:
        if not plan.kept or not set(plan.kept) <= set(range(plan.channels)):
            raise PruningError(
                f"the plan of '{plan.name}' keeps {len(plan.kept)} of {plan.channels} channels, "
                f"expected indices from 0 to {plan.channels - 1}, at least one"
            )
        for cut_ in plan.cuts:
            _, value = find_tensor(module, cut_.tensor)
            # tied weights: one tensor under several names is cut once
            thing = id(value) if isinstance(value, Tensor) else cut_.tensor
            names.setdefault((thing, cut_.dim), cut_.tensor)
            removed.setdefault((thing, cut_.dim), set()).update(plan.removed_positions(cut_))
    # by name: the first cut of a tensor replaces it, and with it its identity
    for key, positions in removed.items():
        _cut_one(module, names[key], key[1], positions)


def _cut_one(module: nn.Module, name: str, dim: int, removed: set[int]) -> None:
    owner, old = find_tensor(module, name)
    _, _, attribute = name.rpartition(".")
    if not isinstance(old, Tensor):
        _cut_size(owner, name, removed)
        return
    size = old.shape[dim] if dim < old.ndim else 0
    if removed and max(removed) >= size:
        raise PruningError(
            f"the plan cuts position {max(removed)} of '{name}', whose dimension {dim} has {size}; "
            "give the network that the plan was made for"
        )
    if len(removed) == size:
        raise PruningError(f"nothing of '{name}' would stay; keep at least one channel")
    stays = torch.tensor([p for p in range(size) if p not in removed], device=old.device)
    new = old.detach().index_select(dim, stays)
    if isinstance(old, nn.Parameter):
        new = nn.Parameter(new, requires_grad=old.requires_grad)
    for other in module.modules():  # one tensor under several names must stay one
        for owned in (other._parameters, other._buffers):
            for key in [key for key, value in owned.items() if value is old]:
                setattr(other, key, new)
    if getattr(owner, attribute) is old:  # a plain attribute
        setattr(owner, attribute, new)


def _cut_size(owner: nn.Module, name: str, removed: set[int]) -> None:
    _, _, attribute = name.rpartition(".")
    if attribute not in SIZES:
        raise PruningError(f"the plan cuts '{name}', which is no tensor in this network")
    old = getattr(owner, attribute)
    if attribute == NORMALIZED_SHAPE:
        setattr(owner, attribute, (*old[:-1], old[-1] - len(removed)))
    else:
        setattr(owner, attribute, old - len(removed))
