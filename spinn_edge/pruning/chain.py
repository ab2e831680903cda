"""A plain MLP inside any module, and the physical removal of its neurons.

This is the exact path for MLPs. General graphs will have a file of their own beside it.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.models.modules import MLP

M = TypeVar("M", bound=nn.Module)

EXACTNESS = 1e-6
"""Allowed difference between the shrunk and the masked network, as a share of output scale."""


def find_chain(module: nn.Module) -> list[tuple[str, nn.Linear]]:
    """Return the Linear layers of a plain MLP by name, in order of definition.

    Raises:
        PruningError: a layer is shared, a parameter lies outside the Linear layers, or their
            widths do not fit each other in order.
    """
    chain = [(name, m) for name, m in module.named_modules() if isinstance(m, nn.Linear)]
    if len(chain) < 2:
        raise PruningError(
            f"the network has {len(chain)} Linear layers; pruning needs a hidden one"
        )
    inside = {f"{name}.{part}".lstrip(".") for name, layer in chain for part in ("weight", "bias")}
    names = [name for name, _ in module.named_parameters(remove_duplicate=False)]
    if outside := [
        name for name in (*names, *(n for n, _ in module.named_buffers())) if name not in inside
    ]:
        raise PruningError(
            f"'{outside[0]}' belongs to no Linear layer: only plain MLPs can be pruned so far"
        )
    for (name, layer), (after, following) in itertools.pairwise(chain):
        if layer.out_features != following.in_features:
            raise PruningError(
                f"'{name}' gives {layer.out_features} values but '{after}' takes "
                f"{following.in_features}: only plain MLPs can be pruned so far"
            )
    return chain


def widths_of(chain: Sequence[tuple[str, nn.Linear]]) -> tuple[int, ...]:
    """Return input width, hidden widths and output width."""
    return (chain[0][1].in_features, *(layer.out_features for _, layer in chain))


def shrink(module: M, kept: Sequence[torch.Tensor]) -> M:
    """Remove neurons physically: rows of a layer and the next layer's columns.

    Args:
        module: contains a plain MLP; not changed.
        kept: for each hidden layer, the indices that stay, ascending, int64.

    Returns:
        A copy with smaller Linear layers; everything else (activations, Dropout, the ``forward``
        around them) is as it was.

    Raises:
        PruningError: as :func:`find_chain`.
    """
    small = copy.deepcopy(module)
    chain = find_chain(small)
    columns = torch.arange(chain[0][1].in_features)
    rows_per_layer = [*kept, torch.arange(chain[-1][1].out_features)]
    for (_, layer), rows in zip(chain, rows_per_layer, strict=True):
        layer.weight = nn.Parameter(layer.weight.detach()[rows][:, columns].clone())
        if layer.bias is not None:
            layer.bias = nn.Parameter(layer.bias.detach()[rows].clone())
        layer.in_features, layer.out_features = len(columns), len(rows)
        columns = rows
    if isinstance(small, MLP):
        small.widths = widths_of(chain)
    return small


def mask(module: M, kept: Sequence[torch.Tensor]) -> M:
    """Return a copy of full size in which the outgoing weights of removed neurons are 0."""
    masked = copy.deepcopy(module)
    chain = find_chain(masked)
    for (_, following), rows in zip(chain[1:], kept, strict=True):
        removed = torch.ones(following.in_features, dtype=torch.bool)
        removed[rows] = False
        with torch.no_grad():
            following.weight[:, removed] = 0
    return masked


def prove_exact(module: nn.Module, small: nn.Module, kept: Sequence[torch.Tensor]) -> float:
    """Run the shrunk network beside the masked one.

    This catches what a look at the layers cannot: a ``forward`` that does more than a chain.

    Returns:
        Largest absolute difference over the scale of the output, on 64 random samples.

    Raises:
        PruningError: they differ by more than ``EXACTNESS``, or one of them does not run.
    """
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(64, find_chain(module)[0][1].in_features, generator=generator).to(device)
    pair = mask(module, kept).eval(), copy.deepcopy(small).eval()
    try:
        expected, got = (_run_double(network, probe) for network in pair)
    except Exception as exc:  # the user's own forward may raise anything
        raise PruningError(f"the network is no plain chain of layers: {first_line(exc)}") from exc
    scale = expected.abs().max().clamp_min(torch.finfo(torch.float32).tiny)
    error = float((expected - got).abs().max() / scale)
    if not error <= EXACTNESS:
        raise PruningError(
            f"the smaller network differs from the masked one by {error:.2g} of its output's scale "
            f"(allowed {EXACTNESS:g}): its forward does more than a chain of layers, "
            "and only plain MLPs can be pruned so far"
        )
    return error


@torch.no_grad()
def _run_double(module: nn.Module, probe: torch.Tensor) -> torch.Tensor:
    try:
        return torch.as_tensor(module.double()(probe.double()))
    except RuntimeError:  # a forward that casts its input to float32
        return torch.as_tensor(module.float()(probe.float())).double()
