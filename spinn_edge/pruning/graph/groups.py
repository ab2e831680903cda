"""Groups of channels that can only go together, and what was kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from spinn_edge.core.pruning_record import Cut, GroupPlan, LeftAlone


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Channels that several layers share: neurons of a Linear layer, filters of a convolution.

    Attributes:
        name: of the layers that make the channels, joined by ``+``.
        channels: how many there are.
        cuts: every tensor that they go through.
        blocks: the channels stand in this many equal blocks, of which each must keep as many:
            heads of attention, groups of a GroupNorm.
    """

    name: str
    channels: int
    cuts: tuple[Cut, ...]
    blocks: int = 1

    def plan(self, kept: Sequence[int]) -> GroupPlan:
        """Return the record of which channels stay, in ascending order of index."""
        return GroupPlan(name=self.name, channels=self.channels, kept=tuple(kept), cuts=self.cuts)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelGraph:
    """What of a network can be pruned.

    Attributes:
        groups: in order of data flow; inputs and outputs of the network are in none.
        left_alone: layers that cannot be followed, and why.
    """

    groups: tuple[Group, ...]
    left_alone: tuple[LeftAlone, ...] = ()


def shrink_graph(graph: ChannelGraph, plans: Sequence[GroupPlan]) -> ChannelGraph:
    """Return the same groups in the network that :func:`spinn_edge.models.cutting.cut` leaves.

    Args:
        graph: of the network that the plans are for.
        plans: one for each group, in order.
    """
    gone: dict[tuple[str, int], set[int]] = {}
    for plan in plans:
        for part in plan.cuts:
            gone.setdefault((part.tensor, part.dim), set()).update(plan.removed_positions(part))
    groups = (
        replace(
            group,
            channels=len(plan.kept),
            cuts=tuple(
                replace(part, offset=part.offset - _before(part, gone)) for part in group.cuts
            ),
        )
        for group, plan in zip(graph.groups, plans, strict=True)
    )
    return replace(graph, groups=tuple(groups))


def compose(first: Sequence[GroupPlan], then: Sequence[GroupPlan]) -> tuple[GroupPlan, ...]:
    """Return one plan that does what two do one after the other."""
    return tuple(
        replace(old, kept=tuple(old.kept[index] for index in new.kept))
        for old, new in zip(first, then, strict=True)
    )


def _before(part: Cut, gone: dict[tuple[str, int], set[int]]) -> int:
    return sum(position < part.offset for position in gone[part.tensor, part.dim])
