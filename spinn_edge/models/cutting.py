"""Physical removal of channels as a plan says; the plan needs no graph and no pickle."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut, GroupPlan
from spinn_edge.models.modules import MLP, linear_layers

M = TypeVar("M", bound=nn.Module)

NORMALIZED_SHAPE = "normalized_shape"
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
            it would stay.
    """
    small = copy.deepcopy(module)
    heads = {
        name: layer.head_dim
        for name, layer in small.named_modules()
        if isinstance(layer, nn.MultiheadAttention)
    }
    for (tensor, dim), removed in _removed(plans).items():
        _cut_tensor(small, tensor, dim, removed)
    for name, layer in small.named_modules():
        _describe(layer, heads.get(name))
    if isinstance(small, MLP):
        layers = linear_layers(small)
        small.widths = (layers[0].in_features, *(layer.out_features for layer in layers))
    return small


def removed_positions(cut_: Cut, plan: GroupPlan) -> list[int]:
    """Return the positions along ``cut_.dim`` that a plan removes."""
    kept = set(plan.kept)
    return [
        cut_.offset + channel * cut_.repeat + step
        for channel in range(plan.channels)
        if channel not in kept
        for step in range(cut_.repeat)
    ]


def _removed(plans: Sequence[GroupPlan]) -> dict[tuple[str, int], set[int]]:
    """Return what goes from each dimension; several groups may share one behind a concatenation."""
    found: dict[tuple[str, int], set[int]] = {}
    for plan in plans:
        if not plan.kept or not set(plan.kept) <= set(range(plan.channels)):
            raise PruningError(
                f"the plan of '{plan.name}' keeps {len(plan.kept)} of {plan.channels} channels, "
                f"expected indices from 0 to {plan.channels - 1}, at least one"
            )
        for cut_ in plan.cuts:
            found.setdefault((cut_.tensor, cut_.dim), set()).update(removed_positions(cut_, plan))
    return found


def _cut_tensor(module: nn.Module, name: str, dim: int, removed: set[int]) -> None:
    path, _, attribute = name.rpartition(".")
    try:
        owner = module.get_submodule(path)
        old = getattr(owner, attribute)
    except AttributeError as exc:
        raise PruningError(
            f"the plan cuts '{name}', which the network does not have; give the network that the "
            "plan was made for"
        ) from exc
    if attribute == NORMALIZED_SHAPE:
        setattr(owner, NORMALIZED_SHAPE, (*old[:-1], old[-1] - len(removed)))
        return
    if old is None:
        raise PruningError(f"the plan cuts '{name}', which is None in this network")
    size = old.shape[dim] if dim < old.ndim else 0
    if removed and max(removed) >= size:
        raise PruningError(
            f"the plan cuts position {max(removed)} of '{name}', whose dimension {dim} has {size}; "
            "give the network that the plan was made for"
        )
    stays = torch.tensor(
        [position for position in range(size) if position not in removed], device=old.device
    )
    new = old.detach().index_select(dim, stays)
    if not isinstance(old, nn.Parameter):
        setattr(owner, attribute, new)
        return
    parameter = nn.Parameter(new, requires_grad=old.requires_grad)
    # one parameter under several names must stay one
    for other in module.modules():
        for key, value in list(other.named_parameters(recurse=False, remove_duplicate=False)):
            if value is old:
                setattr(other, key, parameter)


def _describe(layer: nn.Module, head_dim: int | None) -> None:
    """Make a layer's own numbers say what its tensors are."""
    if isinstance(layer, nn.Linear):
        layer.out_features, layer.in_features = layer.weight.shape
    elif isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d):
        _describe_convolution(layer)
    elif isinstance(layer, nn.modules.batchnorm._BatchNorm | nn.modules.instancenorm._InstanceNorm):
        tensor = layer.weight if layer.weight is not None else layer.running_mean
        if tensor is not None:
            layer.num_features = len(tensor)
    elif isinstance(layer, nn.LayerNorm | nn.RMSNorm) and layer.weight is not None:
        layer.normalized_shape = tuple(layer.weight.shape)
    elif isinstance(layer, nn.GroupNorm) and layer.weight is not None:
        layer.num_channels = len(layer.weight)
    elif isinstance(layer, nn.PReLU):
        layer.num_parameters = len(layer.weight)
    elif isinstance(layer, nn.Embedding):
        layer.embedding_dim = layer.weight.shape[1]
    elif isinstance(layer, nn.MultiheadAttention) and head_dim is not None:
        _describe_attention(layer, head_dim)


def _describe_convolution(layer: nn.Conv1d | nn.Conv2d | nn.Conv3d) -> None:
    depthwise = layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels
    layer.out_channels = layer.weight.shape[0]
    if depthwise:
        layer.groups = layer.out_channels
    layer.in_channels = layer.weight.shape[1] * layer.groups


def _describe_attention(layer: nn.MultiheadAttention, head_dim: int) -> None:
    """Set the sizes of attention, and keep the scale that its logits were learnt with.

    PyTorch divides q k^T by the root of the head's size, which has become smaller, so the query's
    weights take up the ratio. Source: Vaswani et al. (2017), "Attention is all you need", 3.2.1.
    """
    size = layer.out_proj.weight.shape[1]
    if size == layer.embed_dim:
        return
    layer.embed_dim = layer.kdim = layer.vdim = size
    layer.head_dim = size // layer.num_heads
    ratio = math.sqrt(layer.head_dim / head_dim)
    with torch.no_grad():
        if layer.in_proj_weight is not None:
            layer.in_proj_weight[:size].mul_(ratio)
        else:
            layer.q_proj_weight.mul_(ratio)
        if layer.in_proj_bias is not None:
            layer.in_proj_bias[:size].mul_(ratio)
