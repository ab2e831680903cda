"""Groups of channels through torch-pruning's dependency graph, each proven by taking some away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.graph.candidates import candidates
from spinn_edge.pruning.graph.chain import MAKES_THE_OUTPUT
from spinn_edge.pruning.graph.coupling import OUTPUT, Coupling, Place, couplings
from spinn_edge.pruning.graph.exactness import OTHER_SHAPES
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.pruning.graph.layer_cuts import cuts_of, makes_channels, why_not
from spinn_edge.pruning.graph.proving import prove_groups
from spinn_edge.pruning.graph.remains import left_alone, outside_layers
from spinn_edge.pruning.graph.tracing import trace


def dependency_groups(
    module: nn.Module, example: tuple[Tensor, ...], calls: Mapping[str, int]
) -> ChannelGraph:
    """Trace a network, and keep what of its couplings can be proven.

    Args:
        module: not changed; its weights should be nothing special (:func:`.proving.shaken`).
        example: inputs that it takes, batch first.
        calls: how often each module runs, by name, in order (:func:`.calls.count_calls`).

    Raises:
        PruningError: it cannot be traced.
        MissingDependencyError: torch-pruning is not installed.
    """
    traced = trace(module, example)
    unseen = outside_layers(module)
    groups: list[Group] = []
    reasons: dict[str, str] = {}
    for coupling in couplings(traced, calls):
        makers = _makers(coupling, module, calls)
        found, reason = _prove(module, coupling, "+".join(makers), unseen, example)
        reasons |= {place.name: reason for place in coupling.places if place.side == "out"}
        if found is not None:
            groups.append(_renamed(found, groups))
    together = _together(module, groups, example, reasons)
    return ChannelGraph(
        groups=tuple(together),
        left_alone=tuple(left_alone(module, calls, together, reasons)),
    )


def _together(
    module: nn.Module, groups: list[Group], example: tuple[Tensor, ...], reasons: dict[str, str]
) -> list[Group]:
    """Return the groups that can be cut all at once; say of the others why not."""
    try:
        prove_groups(module, groups, example)
        return groups
    except PruningError:
        kept: list[Group] = []
    for group in groups:
        try:
            prove_groups(module, [*kept, group], example)
        except PruningError as exc:
            layers = {cut.tensor.rpartition(".")[0] for cut in group.cuts if cut.role != "input"}
            reasons |= dict.fromkeys(layers, f"it cannot be cut along with the others: {exc}")
        else:
            kept.append(group)
    return kept


def _prove(
    module: nn.Module,
    coupling: Coupling,
    name: str,
    unseen: dict[str, tuple[int, ...]],
    example: tuple[Tensor, ...],
) -> tuple[Group | None, str]:
    """Return the first candidate that can be proven, and why the likeliest one cannot."""
    at_output = Place(OUTPUT, "out") in coupling.places
    reason = _obstacle(module, coupling, unseen)
    if reason or (at_output and coupling.channels == 1):
        return None, reason or MAKES_THE_OUTPUT
    for group in candidates(module, coupling, name, unseen):
        try:
            prove_groups(module, [group], example)
        except PruningError as exc:
            reason = reason or str(exc)
        else:
            return group, reason
    taken = any(place.side == "in" for place in coupling.places)
    if at_output and (not taken or reason.startswith(OTHER_SHAPES)):
        reason = MAKES_THE_OUTPUT
    return None, reason


def _obstacle(module: nn.Module, coupling: Coupling, unseen: dict[str, tuple[int, ...]]) -> str:
    """Say which place forbids to cut these channels; nothing where none does."""
    layers = dict(module.named_modules())
    for place, runs in coupling.places.items():
        if place.name == OUTPUT:
            continue
        if not runs:
            return f"its channels come to '{place.name}' in an order that a plan cannot say"
        if place.name in unseen:
            continue
        owner = place.name if place.name in layers else place.name.rpartition(".")[0]
        if owner != place.name or cuts_of(owner, layers[owner], place.side, runs) is None:
            return why_not(owner, layers[owner])
    return ""


def _makers(coupling: Coupling, module: nn.Module, calls: Mapping[str, int]) -> list[str]:
    """Return the layers that make the channels, in the order in which they run."""
    layers = dict(module.named_modules())
    outs = {place.name for place in coupling.places if place.side == "out"}
    return [name for name in calls if name in outs and makes_channels(layers[name])]


def _renamed(group: Group, others: Sequence[Group]) -> Group:
    """Return the group under a name of its own, where parts of one layer are several groups."""
    taken = {other.name for other in others}
    if group.name not in taken:
        return group
    number = next(n for n in range(2, len(taken) + 2) if f"{group.name}#{n}" not in taken)
    return replace(group, name=f"{group.name}#{number}")
