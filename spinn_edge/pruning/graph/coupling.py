"""Channels that torch-pruning's graph ties together, place by place."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import nn

from spinn_edge.pruning.graph.layer_cuts import Run, makes_channels
from spinn_edge.pruning.graph.tracing import Trace

OUTPUT = "output of the network"
"""Name of the place that is an output of the network."""


class Place(NamedTuple):
    """One side of a layer, by name; a parameter outside any known layer is a place as well."""

    name: str
    side: str  # "out" or "in"; layers that work on each channel alone have "out" only


@dataclass(frozen=True, slots=True, kw_only=True)
class Coupling:
    """Channels that can only go together, if at all.

    Attributes:
        channels: how many.
        places: where they are; a place without runs has them in an order that a plan cannot say.
    """

    channels: int
    places: Mapping[Place, tuple[Run, ...]]


class _Index(NamedTuple):
    """What torch-pruning's mappings take and give."""

    idx: int
    root_idx: int


def couplings(traced: Trace, calls: Iterable[str]) -> list[Coupling]:
    """Return every coupling that begins in a layer with weights, in order of data flow.

    Args:
        traced: the network.
        calls: names of its modules in the order in which they run.
    """
    found: list[Coupling] = []
    done: set[tuple[Place, int]] = set()
    layers = dict(traced.module.named_modules())
    for name in calls:
        layer = layers[name]
        if not makes_channels(layer) or layer not in traced.graph.module2node:
            continue
        size = traced.graph.get_pruner_of_module(layer).get_out_channels(layer)
        root = Place(name, "out")
        left = [i for i in range(size) if (root, i) not in done]
        if left:
            units = _units(_walk(traced, layer, left))
            done |= {(place, i) for unit in units for place, at in unit.items() for i in at}
            found += _alike(units)
    return found


def _walk(
    traced: Trace, layer: nn.Module, channels: Sequence[int]
) -> dict[Place, set[tuple[int, int]]]:
    """Follow channels of a layer through the graph: (position, channel of the root) by place.

    torch-pruning's own walk forgets which of two channels of the root came first to a position,
    and with it that the two are tied, as the halves of a gated linear unit are.
    """
    graph = traced.graph
    root = graph.module2node[layer]
    start = graph.get_pruner_of_module(layer).prune_out_channels
    seen: dict[tuple[int, str], set[_Index]] = defaultdict(set)
    places: dict[Place, set[tuple[int, int]]] = defaultdict(set)
    stack: list[tuple[Any, Any, list[_Index]]] = [(root, start, [_Index(c, c) for c in channels])]
    while stack:
        node, function, indices = stack.pop()
        known = seen[id(node), function.__name__]
        new = [index for index in dict.fromkeys(indices) if index not in known]
        if not new:
            continue
        known.update(new)
        for place in _places(traced, node, function):
            places[place].update((i.idx, i.root_idx) for i in new)
        for step in node.dependencies:
            if step.is_triggered_by(function):
                moved: list[Any] = new
                for mapping in step.index_mapping:
                    moved = mapping(moved) if mapping is not None else moved
                stack.append((step.target, step.handler, [_Index(*i) for i in moved]))
    return places


def _places(traced: Trace, node: Any, function: Any) -> Iterator[Place]:
    if type(node.module).__name__ == "_OutputOp":
        yield Place(OUTPUT, "out")
    elif (name := traced.names.get(id(node.module))) is not None:
        yield Place(name, "in" if function.__name__ == "prune_in_channels" else "out")


def _units(places: Mapping[Place, set[tuple[int, int]]]) -> list[dict[Place, list[int]]]:
    """Return positions by place for each set of channels that are tied, in order of the root's."""
    parent: dict[int, int] = {}

    def find(root: int) -> int:
        while parent.setdefault(root, root) != root:
            root = parent[root]
        return root

    for at in places.values():
        first: dict[int, int] = {}
        for position, root in sorted(at):
            one, other = find(first.setdefault(position, root)), find(root)
            parent[max(one, other)] = min(one, other)
    units: dict[int, dict[Place, set[int]]] = defaultdict(lambda: defaultdict(set))
    for place, at in places.items():
        for position, root in at:
            units[find(root)][place].add(position)
    return [{place: sorted(at) for place, at in units[root].items()} for root in sorted(units)]


def _alike(units: Sequence[Mapping[Place, list[int]]]) -> Iterator[Coupling]:
    """Put units together that go through the same places."""
    kinds: dict[frozenset[tuple[Place, int]], list[Mapping[Place, list[int]]]] = defaultdict(list)
    for unit in units:
        kinds[frozenset((place, len(at)) for place, at in unit.items())].append(unit)
    for some in kinds.values():
        yield Coupling(
            channels=len(some),
            places={place: _runs([unit[place] for unit in some]) for place in some[0]},
        )


def _runs(positions: Sequence[Sequence[int]]) -> tuple[Run, ...]:
    """Say positions of each channel as runs; nothing where they are in no such order."""
    count = len(positions[0])
    for length in (n for n in range(count, 0, -1) if count % n == 0):
        runs = tuple(Run(positions[0][k], length) for k in range(0, count, length))
        if all(
            list(at) == [run.offset + c * length + step for run in runs for step in range(length)]
            for c, at in enumerate(positions)
        ):
            return runs
    return ()
