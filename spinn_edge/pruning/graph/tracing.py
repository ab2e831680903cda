"""One run of a copy of the network under torch-pruning's eyes."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.core.optional import require
from spinn_edge.models.cutting import clone
from spinn_edge.pruning.graph.exactness import device_of, own_random_numbers, tensors_of
from spinn_edge.pruning.graph.mappings import map_more, say_sizes


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What torch-pruning saw.

    Attributes:
        module: the copy that ran; its weights are never looked at.
        graph: ``torch_pruning.DependencyGraph``.
        names: of each module and parameter of the copy, by identity; none of a single number.
        remarks: what torch-pruning warned of.
    """

    module: nn.Module
    graph: Any
    names: Mapping[int, str]
    remarks: tuple[str, ...]


def trace(module: nn.Module, example: tuple[Tensor, ...]) -> Trace:
    """Run a copy of the network once, in evaluation mode, and let torch-pruning see its graph.

    Args:
        module: not changed, nor its mode, gradients, hooks or the caller's random numbers.
        example: inputs that it takes.

    Raises:
        PruningError: it does not run, or its outputs do not come from its parameters.
        MissingDependencyError: torch-pruning is not installed.
    """
    tp = require("torch_pruning", extra="export")
    copy = clone(module).eval()
    for parameter in copy.parameters():
        # the graph is the one that gradients take
        if parameter.is_floating_point() or parameter.is_complex():
            parameter.requires_grad_(True)
    names: dict[int, str] = {id(layer): name for name, layer in copy.named_modules()}
    names |= {id(p): name for name, p in copy.named_parameters() if p.numel() > 1}
    # torch-pruning does not know this layer and shows its weight
    names |= {id(n.weight): path for path, n in copy.named_modules() if isinstance(n, nn.RMSNorm)}
    seen: list[Tensor] = []

    def mark_outputs(output: Any) -> list[Tensor]:
        # an operation after the last layer, so that every output has a node of its own
        seen.extend(t * 1 for t in tensors_of(output) if t.requires_grad)
        return seen

    graph = _sized_graph(tp)
    with (
        own_random_numbers(device_of(copy)),
        torch.enable_grad(),
        warnings.catch_warnings(record=True) as heard,
    ):
        warnings.simplefilter("always")
        try:
            graph.build_dependency(
                copy,
                tuple(t.detach().clone() for t in example),
                forward_fn=lambda network, given: network(*given),
                output_transform=mark_outputs,
                ignored_params=[p for p in copy.parameters() if p.numel() == 1],
                verbose=False,
            )
            map_more(graph, tp)
        except Exception as exc:  # torch-pruning meets what it does not know
            raise PruningError(
                f"torch-pruning cannot trace the network ({type(exc).__name__}: {first_line(exc)})"
            ) from exc
    if not seen:
        raise PruningError(
            "the network cannot be traced: no output comes from its parameters by way of "
            "operations with gradients; a forward under torch.no_grad() hides them"
        )
    remarks = tuple(dict.fromkeys(str(w.message) for w in heard))
    return Trace(module=copy, graph=graph, names=names, remarks=remarks)


def _sized_graph(tp: Any) -> Any:
    """Return an empty graph that is told sizes before torch-pruning infers them."""

    class SizedGraph(tp.DependencyGraph):  # type: ignore[misc]
        def _build_dependency(self, module2node: Any) -> None:
            super()._build_dependency(module2node)
            say_sizes(self, tp)

    return SizedGraph()
