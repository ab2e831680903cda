"""Groups of channels that can only go together, and what was kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
