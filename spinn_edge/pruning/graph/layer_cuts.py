"""Where a layer's channels lie in its tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from spinn_edge.core.pruning_record import Cut
from spinn_edge.models.cutting import NORMALIZED_SHAPE

PER_CHANNEL = (
    nn.modules.batchnorm._BatchNorm,
    nn.modules.instancenorm._InstanceNorm,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
    nn.PReLU,
)


MAKERS = (nn.modules.conv._ConvNd, nn.Linear, nn.Embedding, nn.MultiheadAttention)
"""Layers that make channels."""

KNOWN = (*MAKERS, *PER_CHANNEL)


class Run(NamedTuple):
    """Channel ``c`` takes ``length`` positions from ``offset + c * length`` on."""

    offset: int
    length: int


def makes_channels(layer: nn.Module) -> bool:
    """Say whether a layer makes channels, rather than to work on each that it is given."""
    if isinstance(layer, nn.modules.conv._ConvNd):
        return not depthwise(layer)
    return isinstance(layer, MAKERS)


def cuts_of(name: str, layer: nn.Module, side: str, runs: Sequence[Run]) -> tuple[Cut, ...] | None:
    """Return the cuts for channels that lie in a layer.

    Args:
        name: of the layer.
        layer: of full size.
        side: ``out`` or ``in``; all the same for a layer that works on each channel alone.
        runs: where the channels are among the layer's own.

    Returns:
        None for a layer whose tensors cannot be cut there.
    """
    if is_parametrized(layer):
        return None
    if isinstance(layer, PER_CHANNEL):
        return _per_channel(name, layer, runs)
    if isinstance(layer, nn.MultiheadAttention):
        return _attention(name, layer, runs)
    if isinstance(layer, nn.Embedding):
        return _at(name, "weight", 1, "output", runs)
    if isinstance(layer, nn.modules.conv._ConvNd):
        return _convolution(name, layer, side, runs)
    if isinstance(layer, nn.Linear):
        if side == "in":
            return _at(name, "weight", 1, "input", runs)
        return _made(name, layer, 0, runs)
    return None


def why_not(name: str, layer: nn.Module) -> str:
    """Say why a layer's tensors cannot be cut."""
    if is_parametrized(layer):
        return f"the weight of '{name}' is computed from other parameters, as by weight norm"
    if isinstance(layer, nn.RNNBase):
        return f"'{name}' is a {layer.mode.split('_')[0]}, whose state goes from step to step"
    if isinstance(layer, nn.modules.conv._ConvNd):
        return f"'{name}' is a grouped convolution, in which each group takes its own channels"
    if isinstance(layer, nn.MultiheadAttention):
        return f"'{name}' is attention whose keys or values have a size of their own"
    return f"'{name}' is a {type(layer).__name__}, which cannot be cut"


def blocks_of(layer: nn.Module) -> int:
    """Return how many equal blocks a layer takes its channels in."""
    if isinstance(layer, nn.MultiheadAttention):
        return int(layer.num_heads)
    if isinstance(layer, nn.GroupNorm):
        return layer.num_groups
    if isinstance(layer, nn.modules.conv._ConvNd) and not depthwise(layer):
        return int(layer.groups)
    return 1


def depthwise(layer: nn.modules.conv._ConvNd) -> bool:
    """Say whether each channel of a convolution has a filter of its own."""
    return layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels


def _at(name: str, part: str, dim: int, role: str, runs: Sequence[Run]) -> tuple[Cut, ...]:
    tensor = f"{name}.{part}".lstrip(".")
    return tuple(
        Cut(tensor=tensor, dim=dim, role=role, offset=run.offset, repeat=run.length) for run in runs
    )


def _made(name: str, layer: nn.Module, dim: int, runs: Sequence[Run]) -> tuple[Cut, ...]:
    cuts = _at(name, "weight", dim, "output", runs)
    return cuts if layer.bias is None else (*cuts, *_at(name, "bias", 0, "output", runs))


def _convolution(
    name: str, layer: nn.modules.conv._ConvNd, side: str, runs: Sequence[Run]
) -> tuple[Cut, ...] | None:
    if depthwise(layer):
        cuts = _at(name, "weight", 0, "channel", runs)
        return cuts if layer.bias is None else (*cuts, *_at(name, "bias", 0, "channel", runs))
    if layer.groups > 1 and (side == "in" or layer.transposed):
        return None  # each group of filters would lose its own positions
    if side == "in":
        return _at(name, "weight", 0 if layer.transposed else 1, "input", runs)
    return _made(name, layer, 1 if layer.transposed else 0, runs)


def _per_channel(name: str, layer: nn.Module, runs: Sequence[Run]) -> tuple[Cut, ...]:
    tensors = {
        part: tensor
        for part in ("weight", "bias", "running_mean", "running_var")
        if (tensor := getattr(layer, part, None)) is not None
    }
    if isinstance(layer, nn.PReLU) and layer.num_parameters == 1:
        return ()
    if not tensors:
        number = "num_channels" if isinstance(layer, nn.GroupNorm) else "num_features"
        size = NORMALIZED_SHAPE if isinstance(layer, nn.LayerNorm | nn.RMSNorm) else number
        return _at(name, size, 0, "channel", runs)
    return tuple(
        cut
        for part, tensor in tensors.items()
        for cut in _at(name, part, tensor.ndim - 1, "channel", runs)
    )


def _attention(
    name: str, layer: nn.MultiheadAttention, runs: Sequence[Run]
) -> tuple[Cut, ...] | None:
    """Return the cuts of the embedding dimension: queries, keys, values and what goes out.

    ``in_proj_weight`` has the three on top of each other, (3 E, E).
    """
    size = layer.embed_dim
    if layer.kdim != size or layer.vdim != size:
        return None
    tiled = [Run(run.offset + tile * size, run.length) for tile in range(3) for run in runs]
    cuts = [
        *_at(name, "in_proj_weight", 0, "output", tiled),
        *_at(name, "in_proj_weight", 1, "input", runs),
    ]
    if layer.in_proj_bias is not None:
        cuts += _at(name, "in_proj_bias", 0, "output", tiled)
    if layer.bias_k is not None:
        cuts += _at(name, "bias_k", 2, "output", runs)
        cuts += _at(name, "bias_v", 2, "output", runs)
    cuts += _at(name, "out_proj.weight", 0, "output", runs)
    cuts += _at(name, "out_proj.weight", 1, "input", runs)
    if layer.out_proj.bias is not None:
        cuts += _at(name, "out_proj.bias", 0, "output", runs)
    return tuple(cuts)
