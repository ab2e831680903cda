"""How many parameters, bytes or FLOPs a network has when its groups have certain widths."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from spinn_edge.core.errors import PruningError
from spinn_edge.core.optional import require
from spinn_edge.core.pruning_record import LeftAlone
from spinn_edge.pruning.graph.groups import ChannelGraph

if TYPE_CHECKING:
    import torch
    from torch import nn

Count = Callable[[Sequence[int]], float]
Candidates = Sequence[Sequence[int]] | Sequence[npt.NDArray[np.int64]] | npt.NDArray[np.int64]

COUNTABLE = ("parameters", "flops", "bytes")
"""The quantities that are counted; a latency is measured instead."""


NO_WEIGHT = "products of activations"
"""What holds the FLOPs that no weight explains, as those of attention."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """What one tensor adds to a quantity: ``scale`` for each of its elements.

    Attributes:
        tensor: name in the state dict.
        shape: at full width.
        scale: 1 for parameters, the element's size in bytes, or its FLOPs.
    """

    tensor: str
    shape: tuple[int, ...]
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Amount:
    """One quantity of the whole model as a function of the widths of its groups.

    A tensor has as many elements as the product of its dimensions, and a dimension is shorter by
    ``repeat`` for each removed channel of every group that goes through it.

    Attributes:
        name: ``parameters``, ``flops`` or ``bytes``.
        total: of the whole model at full width.
        original: channels of each group at full width.
        owners: name of the tensor of each term.
        scales: factor of each term, shape (terms,).
        sizes: of each dimension that counts at full width, shape (terms, dimensions), padded by 1.
        repeats: positions of each dimension that one channel of a group takes, shape
            (terms, dimensions, groups).
        free: what no tensor explains, at full width (products of two activations).
        free_slopes: by how much that falls with each removed channel, shape (groups,).
        true: counts a network that is truly cut; None where the terms are exact.
        near: returns the same quantity, exact at and around other widths; None likewise.
        left_alone: layers that cannot be pruned, for messages.
    """

    name: str
    total: float
    original: tuple[int, ...]
    owners: tuple[str, ...]
    scales: npt.NDArray[np.float64]
    sizes: npt.NDArray[np.float64]
    repeats: npt.NDArray[np.float64]
    free: float
    free_slopes: npt.NDArray[np.float64]
    true: Count | None = None
    near: Callable[[Sequence[int]], Amount] | None = None
    left_alone: tuple[LeftAlone, ...] = ()

    def __call__(self, widths: Sequence[int]) -> float:
        """Return the quantity of the whole model when the groups have these widths."""
        return float(self.each([widths])[0])

    def each(self, candidates: Candidates) -> npt.NDArray[np.float64]:
        """Return the quantity for each of several choices of widths.

        Args:
            candidates: shape (choices, groups).

        Returns:
            Shape (choices,).
        """
        removed = np.asarray(self.original, float) - np.asarray(candidates, float)
        removed = removed.reshape(len(candidates), len(self.original))
        free = self.free - removed @ self.free_slopes
        return np.asarray(self._terms(removed) @ self.scales + free)

    def count(self, widths: Sequence[int]) -> float:
        """Return the quantity as it is counted on the network that is truly cut to these widths."""
        return self(widths) if self.true is None else self.true(widths)

    def holdings(self, widths: Sequence[int]) -> dict[str, float]:
        """Return what the tensors of each layer hold at these widths, largest first."""
        removed = np.subtract(self.original, widths, dtype=float).reshape(1, -1)
        held: dict[str, float] = {}
        for owner, value in zip(self.owners, self._terms(removed)[0] * self.scales, strict=True):
            layer = owner.rpartition(".")[0] or owner
            held[layer] = held.get(layer, 0.0) + float(value)
        if self.near is not None and (rest := self(widths) - sum(held.values())) > 0:
            held[NO_WEIGHT] = rest
        return dict(sorted(held.items(), key=lambda item: -item[1]))

    def _terms(self, removed: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        gone = np.tensordot(removed, self.repeats, axes=(1, 2))
        return np.asarray(np.prod(self.sizes - gone, axis=2))


def amount_of(name: str, terms: Sequence[Term], graph: ChannelGraph) -> Amount:
    """Return a quantity as the sum of what tensors add to it.

    Args:
        name: of the quantity.
        terms: one for each tensor; a tensor that is known by several names under the name that
            the cuts use.
        graph: the groups that cut them.
    """
    cuts = _positions(graph)
    dims = [[dim for dim in range(len(term.shape)) if (term.tensor, dim) in cuts] for term in terms]
    most = max(map(len, dims), default=0)
    sizes = np.ones((len(terms), most))
    repeats = np.zeros((len(terms), most, len(graph.groups)))
    scales = np.array([term.scale for term in terms], dtype=float)
    for row, (term, through) in enumerate(zip(terms, dims, strict=True)):
        scales[row] *= math.prod(s for dim, s in enumerate(term.shape) if dim not in through)
        for column, dim in enumerate(through):
            sizes[row, column] = term.shape[dim]
            for group, positions in cuts[term.tensor, dim].items():
                repeats[row, column, group] = positions
    amount = Amount(
        name=name,
        original=tuple(group.channels for group in graph.groups),
        owners=tuple(term.tensor for term in terms),
        scales=scales,
        sizes=sizes,
        repeats=repeats,
        free=0.0,
        free_slopes=np.zeros(len(graph.groups)),
        left_alone=graph.left_alone,
        total=0.0,
    )
    return replace(amount, total=amount(amount.original))


def _positions(graph: ChannelGraph) -> dict[tuple[str, int], dict[int, int]]:
    """Return how many positions of a dimension one channel of each group takes."""
    found: dict[tuple[str, int], dict[int, int]] = {}
    for index, group in enumerate(graph.groups):
        for place in {(c.tensor, c.dim, c.offset, c.repeat) for c in group.cuts}:
            tensor, dim, _, repeat = place
            per_group = found.setdefault((tensor, dim), {})
            per_group[index] = per_group.get(index, 0) + repeat
    return found


def measure_amount(
    by: str, module: nn.Module, graph: ChannelGraph, example: tuple[torch.Tensor, ...]
) -> Amount:
    """Return how a quantity of a network depends on the widths of its groups.

    Parameters and bytes follow from the cuts exactly. FLOPs do for products with a weight; those
    of two activations (attention) are probed, and ``Amount.count`` cuts and counts.

    Args:
        by: ``parameters``, ``flops`` or ``bytes``.
        module: at full width; not changed.
        graph: its groups.
        example: arguments of ``forward``, of which the first sample is used.

    Raises:
        PruningError: ``by`` is no countable quantity, or the network does not run.
    """
    _check_countable(by)
    single = with_one_name(graph, module)
    if by == "flops":
        flops = require("spinn_edge.pruning.targets.flops", extra="export")
        return flops.measure_flops(module, single, example)  # type: ignore[no-any-return]
    terms = [
        Term(tensor=name, shape=tuple(tensor.shape), scale=_bytes(tensor) if by == "bytes" else 1)
        for name, tensor in _counted(by, module)
    ]
    return amount_of(by, terms, single)


def count_amount(by: str, module: nn.Module, example: tuple[torch.Tensor, ...]) -> float:
    """Count a quantity of a network as it is: what the audit shows.

    Args:
        by: ``parameters``, ``flops`` (of one sample, two for each multiply-add) or ``bytes``
            (parameters and buffers as a safetensors file of the state dict stores them: the sizes
            of their elements, without the file's header). Tied tensors count once.
        module: not changed.
        example: arguments of ``forward``, of which the first sample is used.

    Raises:
        PruningError: ``by`` is no countable quantity, or the network does not run.
    """
    _check_countable(by)
    if by == "flops":
        flops = require("spinn_edge.pruning.targets.flops", extra="export")
        return float(flops.count_flops(module, example))
    return float(
        sum(t.numel() * (_bytes(t) if by == "bytes" else 1) for _, t in _counted(by, module))
    )


def with_one_name(graph: ChannelGraph, module: nn.Module) -> ChannelGraph:
    """Return the graph with every tensor under its first name, tied weights too."""
    first: dict[int, str] = {}
    names = {
        name: first.setdefault(id(tensor), name)
        for kind in (module.named_parameters, module.named_buffers)
        for name, tensor in kind(remove_duplicate=False)
    }
    groups = (
        replace(
            group,
            cuts=tuple(replace(part, tensor=names.get(part.tensor, part.tensor)) for part in cuts),
        )
        for group in graph.groups
        for cuts in (group.cuts,)
    )
    return replace(graph, groups=tuple(groups))


def _counted(by: str, module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield what counts, each tensor once, under its first name."""
    if by == "parameters":
        yield from module.named_parameters()
        return
    kept = {id(tensor) for tensor in module.state_dict(keep_vars=True).values()}
    for kind in (module.named_parameters, module.named_buffers):
        yield from ((name, tensor) for name, tensor in kind() if id(tensor) in kept)


def _bytes(tensor: torch.Tensor) -> int:
    return tensor.element_size()


def _check_countable(by: str) -> None:
    if by not in COUNTABLE:
        raise PruningError(f"'{by}' cannot be counted; known: {', '.join(COUNTABLE)}")
