"""What of a network stays as it is, and why, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from spinn_edge.core.pruning_record import LeftAlone
from spinn_edge.pruning.graph.groups import Group
from spinn_edge.pruning.graph.layer_cuts import KNOWN, why_not

WHOLE = (*KNOWN, nn.RNNBase)
"""Layers that are named as one; of any other module each parameter is."""


def outside_layers(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the tensors that no known layer owns, single numbers left out."""
    return {
        f"{path}.{key}".lstrip("."): tuple(tensor.shape)
        for path, layer in module.named_modules()
        if not _is_whole(layer) and not _is_part(module, path)
        for key, tensor in [*layer._parameters.items(), *layer._buffers.items()]
        if tensor is not None and tensor.numel() > 1
    }


def left_alone(
    module: nn.Module,
    calls: Mapping[str, int],
    groups: Sequence[Group],
    reasons: Mapping[str, str],
) -> Iterator[LeftAlone]:
    """Name each layer and parameter whose own channels are in no group.

    Args:
        module: the network.
        calls: how often each module runs, by name.
        groups: that were proven.
        reasons: why not, by name of a layer or parameter, where something was tried.
    """
    gone = {cut.tensor for group in groups for cut in group.cuts if cut.role != "input"}
    for path, layer in module.named_modules():
        if _is_part(module, path):
            continue
        own = {
            f"{path}.{key}".lstrip("."): tensor
            for key, tensor in layer._parameters.items()
            if tensor is not None and tensor.numel() > 1
        }
        if is_parametrized(layer):
            yield LeftAlone(name=path, reason=why_not(path, layer))
        elif _is_whole(layer):
            if own and not gone & own.keys():
                why = reasons.get(path) or _unfollowed(path, layer, calls)
                yield LeftAlone(name=path or type(layer).__name__, reason=why)
        else:
            for name in (name for name in own if name not in gone):
                yield LeftAlone(
                    name=name,
                    reason=reasons.get(name)
                    or "it is a parameter outside any layer, which could not be followed",
                )


def _unfollowed(path: str, layer: nn.Module, calls: Mapping[str, int]) -> str:
    if isinstance(layer, nn.RNNBase):
        return why_not(path, layer)
    if path not in calls:
        return "the network does not call it"
    return "its channels are the network's inputs or could not be followed"


def _is_whole(layer: nn.Module) -> bool:
    return isinstance(layer, WHOLE) or is_parametrized(layer)


def _is_part(module: nn.Module, path: str) -> bool:
    """Say whether another layer holds this one, as attention does its last Linear layer."""
    parts = path.split(".")
    return any(_is_whole(module.get_submodule(".".join(parts[:n]))) for n in range(1, len(parts)))
