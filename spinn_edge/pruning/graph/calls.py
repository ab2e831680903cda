"""Which layers a network calls, and whether they are always the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.models.cutting import clone
from spinn_edge.pruning.graph.exactness import device_of, own_random_numbers, probes, run

SCALES = (1, -1, 10, -10, 0)
"""Random inputs are multiplied by these in the search for a forward that branches on them."""


def count_calls(module: nn.Module, example: tuple[Tensor, ...]) -> dict[str, int]:
    """Run a copy of the network in evaluation mode, and count the calls of each module.

    Args:
        module: not changed.
        example: inputs that it takes.

    Returns:
        Calls by name, in order of the first one; the whole network has the name of nothing.

    Raises:
        PruningError: the network does not run, or calls other layers for other inputs: one run then
            says nothing of the next.
    """
    copy = clone(module).eval()
    calls: dict[str, int] = {}
    for name, layer in copy.named_modules():
        layer.register_forward_pre_hook(_counting(calls, name))
    device = device_of(copy)
    with own_random_numbers(device):
        try:
            run(copy, tuple(t.detach() for t in example))
        except Exception as exc:  # the user's own forward may raise anything
            raise PruningError(
                f"the network does not run on the example inputs ({type(exc).__name__}: "
                f"{first_line(exc)}); inputs are of shapes {[list(t.shape) for t in example]}"
            ) from exc
        first = dict(calls)
        drawn = probes(example, device, torch.get_default_dtype(), None)
        for scale in SCALES:
            calls.clear()
            try:
                run(copy, tuple(t * scale if t.is_floating_point() else t for t in drawn))
            except Exception:  # inputs that it was not made for
                continue
            if other := sorted(calls.keys() ^ first.keys()):
                raise PruningError(
                    f"the network calls '{other[0]}' for some inputs and not for others: which "
                    "layers belong together cannot be told from a run"
                )
    return first


def _counting(calls: dict[str, int], name: str) -> Callable[[nn.Module, Any], None]:
    def count(layer: nn.Module, inputs: Any) -> None:
        calls[name] = calls.get(name, 0) + 1

    return count
