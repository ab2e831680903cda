"""Proof of one group of channels: take some away and compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import GroupPlan
from spinn_edge.models.cutting import clone, cut
from spinn_edge.pruning.graph.exactness import device_of, own_random_numbers, prove_exact, run
from spinn_edge.pruning.graph.groups import Group

M = TypeVar("M", bound=nn.Module)

SHARES = (0.5, 0.25)
"""Shares of the channels that stay in the proofs: two, so that no split is right by accident."""


def random_plan(group: Group, *, share: float = 0.5, seed: int = 0) -> GroupPlan:
    """Return a plan that keeps a random share of a group's channels, as many of every block."""
    generator = torch.Generator().manual_seed(seed)
    size = group.channels // group.blocks
    count = max(1, int(size * share + 0.5))
    kept: list[int] = []
    for block in range(group.blocks):
        order = torch.randperm(size, generator=generator)[:count]
        kept += (order + block * size).sort().values.tolist()
    return group.plan(kept)


def shaken(module: M, example: tuple[Tensor, ...]) -> M:
    """Return a copy with weights that are nothing special, in evaluation mode.

    What goes together lies in the structure, whatever the weights. A layer that begins with zeros
    or a norm whose weights are all 1 would let a wrong group pass. Signs stay as they are.

    Args:
        module: not changed.
        example: inputs on which the module runs; where the copy gives no finite numbers on them,
            its weights stay as well.
    """
    copy = clone(module).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for tensor in [*copy.parameters(), *copy.buffers()]:
            if tensor.is_floating_point():
                draw = torch.rand(tensor.shape, generator=generator).to(tensor)
                tensor.data = torch.where(tensor == 0, 0.2 * draw, tensor * (1 + draw / 4))
    with own_random_numbers(device_of(copy)):
        outputs = run(copy, tuple(t.detach() for t in example))
    return copy if all(bool(t.isfinite().all()) for t in outputs) else clone(module).eval()


def prove_groups(module: nn.Module, groups: Sequence[Group], example: tuple[Tensor, ...]) -> None:
    """Take channels of all these groups away at once and compare with silent channels.

    Raises:
        PruningError: the smaller network does not run, or computes something else.
    """
    for group in groups:
        if group.channels % group.blocks or group.channels == group.blocks > 1:
            raise PruningError(
                f"its {group.channels} channels stand in {group.blocks} blocks: none can go"
            )
    for seed, share in enumerate(SHARES):
        # other channels of each, or two groups that are truly one would pass as two
        plans = [
            random_plan(group, share=share, seed=seed + len(SHARES) * place)
            for place, group in enumerate(groups)
        ]
        try:
            small = cut(module, plans)
        except PruningError as exc:
            raise PruningError(
                "its channels come to another layer in an order that cannot be followed"
            ) from exc
        prove_exact(module, small, plans, example)
