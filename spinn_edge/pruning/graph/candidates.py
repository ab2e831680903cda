"""What a coupling may be as a group; torch-pruning's graph says it only in part."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence

from torch import nn

from spinn_edge.core.pruning_record import Cut
from spinn_edge.models.cutting import NORMALIZED_SHAPE
from spinn_edge.pruning.graph.coupling import OUTPUT, Coupling, Place
from spinn_edge.pruning.graph.groups import Group
from spinn_edge.pruning.graph.layer_cuts import Run, blocks_of, cuts_of

MOST = 60
"""Candidates that are tried of one coupling; each is a run of two small networks."""


def candidates(
    module: nn.Module,
    coupling: Coupling,
    name: str,
    unseen: Mapping[str, Sequence[int]],
) -> Iterator[Group]:
    """Return groups that a coupling may stand for, the likeliest first; a proof has to decide.

    Args:
        module: the network.
        coupling: where torch-pruning says the channels are.
        name: of the group.
        unseen: shapes of the parameters and buffers that no known layer owns; those that carry no
            gradient are in no graph.

    Yields:
        First what the graph says. Then other numbers of blocks (heads that a ``reshape`` makes),
        other dimensions of a parameter, other orders of what was flattened, and tensors of the
        same length that the graph has not seen. Last, each layer that makes the channels alone with
        those that take them: in attention the values can go where queries and keys cannot.
    """
    yield from itertools.islice(_candidates(module, coupling, name, unseen), MOST)


def _candidates(
    module: nn.Module, coupling: Coupling, name: str, unseen: Mapping[str, Sequence[int]]
) -> Iterator[Group]:
    layers = dict(module.named_modules())
    blocks = _blocks(coupling, layers)
    said = _said(coupling.places, layers, unseen)
    yield Group(name=name, channels=coupling.channels, cuts=said, blocks=blocks)
    if Place(OUTPUT, "out") in coupling.places:
        return
    ways = list(itertools.islice(_ways(coupling, layers, unseen), MOST))
    finer = [
        n
        for n in range(2, coupling.channels)
        if coupling.channels % n == 0 and n % blocks == 0 and n != blocks
    ]
    for cuts in ways[1:]:
        yield Group(name=name, channels=coupling.channels, cuts=cuts, blocks=blocks)
    for cuts, n in itertools.product(ways[:4], finer):
        yield Group(name=name, channels=coupling.channels, cuts=cuts, blocks=n)
    for maker, cuts in _alone(coupling, layers):
        for n in [blocks, *finer]:
            yield Group(name=maker, channels=coupling.channels, cuts=cuts, blocks=n)


def _blocks(coupling: Coupling, layers: Mapping[str, nn.Module]) -> int:
    found = 1
    for place in coupling.places:
        if place.name in layers and place.side == "out":
            n = blocks_of(layers[place.name])
            found = max(found, n) if max(found, n) % min(found, n) == 0 else found * n
    return found


def _said(
    places: Mapping[Place, Sequence[Run]],
    layers: Mapping[str, nn.Module],
    unseen: Mapping[str, Sequence[int]],
) -> tuple[Cut, ...]:
    cuts: list[Cut] = []
    for place, runs in places.items():
        if place.name in unseen:
            cuts += _parameter_cuts(place.name, last_dimension(unseen[place.name]), runs)
        elif place.name != OUTPUT:
            cuts += cuts_of(place.name, layers[place.name], place.side, runs) or ()
    return tuple(cuts)


def _ways(
    coupling: Coupling, layers: Mapping[str, nn.Module], unseen: Mapping[str, Sequence[int]]
) -> Iterator[tuple[Cut, ...]]:
    """Return cuts with every doubtful place in every way that fits its sizes."""
    choices: list[list[tuple[Cut, ...]]] = []
    for place, runs in coupling.places.items():
        one = _said({place: runs}, layers, unseen)
        layer = layers.get(place.name)
        choice = [one]
        if place.name in unseen:
            shape = unseen[place.name]
            size = shape[last_dimension(shape)]
            choice = [
                _parameter_cuts(place.name, dim, runs)
                for dim in sorted(range(len(shape)), key=lambda d: d != last_dimension(shape))
                if shape[dim] in (size, coupling.channels)
            ]
        elif isinstance(layer, nn.Linear) and place.side == "in" and len(runs) == 1:
            choice += _flattened(place.name, layer, coupling.channels, runs[0])
        choices.append(choice)
    found = {place.name for place in coupling.places}
    extra = [
        _parameter_cuts(tensor, dim, (Run(0, 1),))
        for tensor, shape in unseen.items()
        for dim in range(len(shape))
        if tensor not in found and shape[dim] == coupling.channels > 1
    ]
    extra += [
        (Cut(tensor=f"{path}.{NORMALIZED_SHAPE}", dim=0, role="channel"),)
        for path, layer in layers.items()
        if isinstance(layer, nn.RMSNorm)
        and layer.weight is None
        and layer.normalized_shape[-1] == coupling.channels
    ]
    for more in [(), *extra, *([_joined(extra)] if len(extra) > 1 else [])]:
        for picked in itertools.product(*choices):
            yield (*_joined(picked), *more)


def _flattened(name: str, layer: nn.Linear, channels: int, run: Run) -> list[tuple[Cut, ...]]:
    """Return the two orders of a Linear layer's inputs behind a flatten: channels last or first."""
    times, rest = divmod(layer.in_features, channels)
    if run != Run(0, 1) or rest or times < 2:
        return []
    tiles = tuple(Run(tile * channels, 1) for tile in range(times))
    return [cuts_of(name, layer, "in", runs) or () for runs in (tiles, (Run(0, times),))]


def _alone(
    coupling: Coupling, layers: Mapping[str, nn.Module]
) -> Iterator[tuple[str, tuple[Cut, ...]]]:
    """Return each layer, or tile of one, that makes the channels, with all that take them."""
    taking = {place: runs for place, runs in coupling.places.items() if place.side == "in"}
    makers = [
        (place, run)
        for place, runs in coupling.places.items()
        if place.side == "out" and isinstance(layers.get(place.name), nn.Linear)
        for run in runs
    ]
    if not taking or len(makers) < 2:
        return
    for place, run in makers:
        made = cuts_of(place.name, layers[place.name], "out", (run,)) or ()
        tile = f"[{run.offset}:{run.offset + coupling.channels * run.length}]"
        whole = len(coupling.places[place]) == 1
        yield place.name + ("" if whole else tile), (*made, *_said(taking, layers, {}))


def last_dimension(shape: Sequence[int]) -> int:
    """Return the last dimension of more than one number, as torch-pruning takes it."""
    return max((dim for dim, size in enumerate(shape) if size > 1), default=0)


def _parameter_cuts(name: str, dim: int, runs: Sequence[Run]) -> tuple[Cut, ...]:
    return tuple(
        Cut(tensor=name, dim=dim, role="channel", offset=run.offset, repeat=run.length)
        for run in runs
    )


def _joined(parts: Sequence[tuple[Cut, ...]]) -> tuple[Cut, ...]:
    return tuple(itertools.chain.from_iterable(parts))
