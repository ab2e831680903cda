"""A plain MLP inside any module: its groups of channels are the neurons of each hidden layer."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut, LeftAlone
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.graph.groups import ChannelGraph, Group

M = TypeVar("M", bound=nn.Module)

MAKES_THE_OUTPUT = "it makes the network's output"


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
            f"the network is no plain MLP: '{outside[0]}' belongs to no Linear layer of its own"
        )
    for (name, layer), (after, following) in itertools.pairwise(chain):
        if layer.out_features != following.in_features:
            raise PruningError(
                f"the network is no plain MLP: '{name}' gives {layer.out_features} values but "
                f"'{after}' takes {following.in_features}"
            )
    return chain


def widths_of(chain: Sequence[tuple[str, nn.Linear]]) -> tuple[int, ...]:
    """Return input width, hidden widths and output width."""
    return (chain[0][1].in_features, *(layer.out_features for _, layer in chain))


def chain_groups(module: nn.Module) -> ChannelGraph:
    """Return one group for each hidden layer of a plain MLP, in order of data flow.

    Raises:
        PruningError: as :func:`find_chain`. Whether the ``forward`` is a chain too is for
            :func:`spinn_edge.pruning.graph.exactness.prove_exact` to say.
    """
    chain = find_chain(module)
    groups = [
        Group(name=name, channels=layer.out_features, cuts=_cuts(name, layer, after))
        for (name, layer), (after, _) in itertools.pairwise(chain)
    ]
    return ChannelGraph(
        groups=tuple(groups),
        left_alone=(LeftAlone(name=chain[-1][0], reason=MAKES_THE_OUTPUT),),
    )


def shrink(module: M, kept: Sequence[torch.Tensor]) -> M:
    """Remove neurons of a plain MLP physically.

    Args:
        module: not changed.
        kept: for each hidden layer, the indices that stay, ascending, int64.

    Raises:
        PruningError: as :func:`find_chain` and :func:`spinn_edge.models.cutting.cut`.
    """
    groups = chain_groups(module).groups
    return cut(module, [g.plan(rows.tolist()) for g, rows in zip(groups, kept, strict=True)])


def _cuts(name: str, layer: nn.Linear, after: str) -> tuple[Cut, ...]:
    made = ["weight"] if layer.bias is None else ["weight", "bias"]
    return (
        *(Cut(tensor=f"{name}.{part}", dim=0, role="output") for part in made),
        Cut(tensor=f"{after}.weight", dim=1, role="input"),
    )
