"""Networks like a given one, every group of neurons scaled by a common ratio."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from spinn_edge.pruning.targets.latency_goal import Widths


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Widths at a common ratio.

    Attributes:
        ratio: of the dense widths; 0 is every group at its floor, 1 the dense network.
        multiple: what the widths were rounded to.
        widths: one for each group.
        parameters: of the whole network.
    """

    ratio: float
    multiple: int
    widths: Widths
    parameters: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateSpace:
    """The networks that may be chosen.

    Attributes:
        dense: widths of the network that is given.
        floors: smallest width of each group.
        protected: places of the groups that stay as they are.
        multiples: what widths are rounded to.
        count: parameters of the whole network with these widths.
    """

    dense: Widths
    floors: tuple[int, ...]
    protected: frozenset[int]
    multiples: tuple[int, ...]
    count: Callable[[Widths], int]

    def candidate(self, ratio: float, multiple: int) -> Candidate:
        """Return the network at one ratio and rounding."""
        widths = widths_at(
            self.dense, ratio, multiple=multiple, floors=self.floors, protected=self.protected
        )
        return Candidate(
            ratio=ratio, multiple=multiple, widths=widths, parameters=self.count(widths)
        )

    def candidates(self, ratios: Sequence[float]) -> list[Candidate]:
        """Return the smaller networks at these ratios, equal ones once, fewest parameters first."""
        found: dict[Widths, Candidate] = {}
        for ratio in ratios:
            for multiple in self.multiples:
                candidate = self.candidate(ratio, multiple)
                if candidate.widths != self.dense:
                    found.setdefault(candidate.widths, candidate)
        return sorted(found.values(), key=lambda candidate: candidate.parameters)


def widths_at(
    dense: Widths, ratio: float, *, multiple: int, floors: Sequence[int], protected: Collection[int]
) -> Widths:
    """Return every width times a ratio, rounded; no width falls when the ratio rises.

    Args:
        dense: widths at ratio 1.
        ratio: in [0, 1].
        multiple: of it, up or down to the nearest, never above the dense width.
        floors: smallest width of each group.
        protected: places of the groups that stay as they are.
    """
    found: list[int] = []
    for place, (width, floor) in enumerate(zip(dense, floors, strict=True)):
        lowest = -(-max(floor, 1) // multiple) * multiple
        highest = width - width % multiple
        if place in protected or lowest > highest:
            found.append(width)
        else:
            found.append(min(max(multiple * round(width * ratio / multiple), lowest), highest))
    return tuple(found)
