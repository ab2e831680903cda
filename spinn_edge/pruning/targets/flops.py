"""FLOPs of a network by the widths of its groups, tied to the weights that cause them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from spinn_edge.core.errors import PruningError, SpinnEdgeError, first_line
from spinn_edge.core.pruning_record import GroupPlan
from spinn_edge.models.counting import flop_counter, flops_of
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.pruning.targets.amounts import Amount, Count, Term, amount_of

Example = tuple[torch.Tensor, ...]


class _Origin(NamedTuple):
    """A weight that an operation was given; the one that is cut in most dimensions counts."""

    cuts: int
    elements: int
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """FLOPs of one sample.

    Attributes:
        weights: of products with a weight, by its name.
        free: of products of two activations.
    """

    weights: Mapping[str, int]
    free: int


def count_flops(module: nn.Module, example: Example) -> int:
    """Count the FLOPs of the first sample, as a manifest does.

    Raises:
        PruningError: the network does not run.
    """
    with _running(module, example) as sample:
        return flops_of(module, sample)


def measure_flops(module: nn.Module, graph: ChannelGraph, example: Example) -> Amount:
    """Return the FLOPs of one sample by widths; arguments as for ``measure_amount``.

    Every element of a weight takes part in as many multiply-adds at any width, so its FLOPs go
    with the number of its elements. What a product of two activations costs is probed: the
    network is cut in one group after the other, and counted.
    """
    work = trace(module, graph, example)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    terms = [
        Term(tensor=name, shape=tuple(tensors[name].shape), scale=flops / tensors[name].numel())
        for name, flops in work.weights.items()
    ]

    explained = amount_of("flops", terms, graph)

    @cache
    def counted(widths: tuple[int, ...]) -> float:
        return float(count_flops(cut(module, even_plans(graph.groups, widths)), example))

    def true(widths: Sequence[int]) -> float:
        return counted(tuple(map(int, widths)))

    def rest(widths: Sequence[int]) -> float:
        return true(widths) - explained(widths)

    def near(widths: Sequence[int]) -> Amount:
        slopes = np.array(_falls(rest, graph.groups, widths))
        removed = np.subtract(explained.original, widths)
        return replace(
            explained,
            total=float(sum(work.weights.values()) + work.free),
            free=rest(widths) + float(removed @ slopes),
            free_slopes=slopes,
            true=true,
            near=near,
        )

    if work.free:
        return near(explained.original)
    return replace(explained, true=true, near=near)


def even_plans(groups: Sequence[Group], widths: Sequence[int]) -> tuple[GroupPlan, ...]:
    """Return plans that keep the first channels of every block: any choice counts the same."""
    plans = []
    for group, width in zip(groups, widths, strict=True):
        block, kept = group.channels // group.blocks, width // group.blocks
        first = range(0, group.channels, block)
        plans.append(group.plan([start + i for start in first for i in range(kept)]))
    return tuple(plans)


def trace(module: nn.Module, graph: ChannelGraph, example: Example) -> Work:
    """Run one sample and note which weight every product goes with.

    Raises:
        PruningError: the network does not run.
    """
    with (
        _running(module, example) as sample,
        flop_counter() as counter,
        torch.no_grad(),
        _Attribution(module, graph, counter) as found,
    ):
        module(*sample)
    return Work(weights=found.weights, free=found.free)


def _falls(rest: Count, groups: Sequence[Group], widths: Sequence[int]) -> list[float]:
    """Return by how much a count falls with one channel less of each group."""
    here, falls = rest(widths), []
    for index, group in enumerate(groups):
        step = group.blocks if widths[index] > group.blocks else -group.blocks
        aside = [*widths[:index], widths[index] - step, *widths[index + 1 :]]
        possible = aside[index] <= group.channels  # one channel a block: neither less nor more
        falls.append((here - rest(aside)) / step if possible else 0.0)
    return falls


class _Attribution(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Adds what an operation counts to the weight that it was given."""

    def __init__(self, module: nn.Module, graph: ChannelGraph, counter: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.weights: dict[str, int] = {}
        self.free = 0
        self._counter = counter
        cut_dims = {(part.tensor, part.dim) for group in graph.groups for part in group.cuts}
        self._origins: dict[int, set[_Origin]] = {}
        self._alive: list[torch.Tensor] = []
        for kind in (module.named_parameters, module.named_buffers):
            for name, tensor in kind():
                cuts = sum((name, dim) in cut_dims for dim in range(tensor.ndim))
                self._note(tensor, _Origin(cuts=cuts, elements=tensor.numel(), name=name))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        before = self._counter.get_total_flops()
        result = func(*args, **(kwargs or {}))
        flops = self._counter.get_total_flops() - before
        given = [
            self._origins.get(argument.untyped_storage().data_ptr())
            for argument in (*tree_leaves(args), *tree_leaves(kwargs or {}))
            if isinstance(argument, torch.Tensor)
        ]
        origin = max((one for origins in given for one in origins or ()), default=None)
        if flops and origin is None:
            self.free += flops
        elif flops and origin is not None:
            self.weights[origin.name] = self.weights.get(origin.name, 0) + flops
        if all(origins is not None for origins in given):
            for made in tree_leaves(result):
                self._note(made, origin)
        return result

    def _note(self, made: Any, origin: _Origin | None) -> None:
        """Remember what comes of weights alone: under a mask or a norm it is still that weight."""
        if isinstance(made, torch.Tensor):
            self._alive.append(made)  # or its address would be that of another
            origins = self._origins.setdefault(made.untyped_storage().data_ptr(), set())
            if origin is not None and made.numel() == origin.elements:
                origins.add(origin)


@contextmanager
def _running(module: nn.Module, example: Example) -> Iterator[list[torch.Tensor]]:
    """Put a network into evaluation mode for one sample, and back."""
    modes = {layer: layer.training for layer in module.modules()}
    parameter = next(module.parameters(), None)
    sample = [value[:1] if value.ndim else value for value in example]
    if parameter is not None:
        sample = [value.to(parameter.device) for value in sample]
    module.eval()
    try:
        yield sample
    except SpinnEdgeError:
        raise
    except Exception as exc:  # the user's own forward may raise anything
        raise PruningError(
            f"the network does not run on one sample ({first_line(exc)}), so its FLOPs cannot be "
            "counted; give an example of one sample, or --by parameters"
        ) from exc
    finally:
        for layer, training in modes.items():
            layer.training = training
