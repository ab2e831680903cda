"""Which layers may move: the last Linear layers of a network, by order of use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from spinn_edge.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingLayer:
    """A Linear layer that adapts.

    Attributes:
        name: its path in the network.
        module: the layer itself.
        inputs: what went into it on the golden inputs, shape (samples, ..., fan-in).
        outputs: what came out, shape (samples, ..., fan-out).
    """

    name: str
    module: nn.Linear
    inputs: torch.Tensor
    outputs: torch.Tensor

    @property
    def parameters(self) -> dict[str, torch.Tensor]:
        """Its weight and, where it has one, its bias, by their names in the network."""
        own = {"weight": self.module.weight, "bias": self.module.bias}
        return {f"{self.name}.{key}": value for key, value in own.items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class MovingLayers:
    """The layers that adapt.

    Attributes:
        layers: in order of use.
        reads_out: the last one's output is the network's output, so the network is linear in it.
    """

    layers: tuple[MovingLayer, ...]
    reads_out: bool


@dataclass(slots=True)
class _Calls:
    """What one Linear layer was given and gave."""

    given: list[torch.Tensor] = field(default_factory=list)
    gave: list[torch.Tensor] = field(default_factory=list)
    last: int = -1


def find_moving_layers(network: nn.Module, sample: torch.Tensor, count: int) -> MovingLayers:
    """Run a network once and find its last Linear layers.

    Args:
        network: in evaluation mode.
        sample: golden inputs, shape (samples, features).
        count: how many layers shall move.

    Raises:
        UsageError: it has fewer of them, or one shares its weights with another or computes them.
    """
    linear = {n: m for n, m in network.named_modules() if isinstance(m, nn.Linear)}
    calls: dict[str, _Calls] = {name: _Calls() for name in linear}
    clock = iter(range(2**62))

    def watch(name: str) -> Any:
        def note(module: nn.Module, given: tuple[torch.Tensor, ...], gave: torch.Tensor) -> None:
            calls[name].given.append(given[0].detach())
            calls[name].gave.append(gave.detach())
            calls[name].last = next(clock)

        return note

    handles = [layer.register_forward_hook(watch(name)) for name, layer in linear.items()]
    try:
        with torch.no_grad():
            result = network(sample)
    finally:
        for handle in handles:
            handle.remove()
    used = sorted((name for name in linear if calls[name].last >= 0), key=lambda n: calls[n].last)
    if count < 1 or len(used) < count:
        raise UsageError(
            f"--layers {count}: the network uses {len(used)} Linear layers"
            + (f" ({', '.join(used)})" if used else ", and other layers are not adapted")
            + f"; choose 1 to {len(used)}" * bool(used)
        )
    chosen = used[-count:]
    for name in chosen:
        _refuse_shared(network, name, linear[name])
    last = calls[chosen[-1]]
    return MovingLayers(
        layers=tuple(
            MovingLayer(
                name=name,
                module=linear[name],
                inputs=torch.cat(calls[name].given),
                outputs=torch.cat(calls[name].gave),
            )
            for name in chosen
        ),
        # one call, and nothing behind it: only then are outputs linear in the layer's weights
        reads_out=len(last.gave) == 1
        and isinstance(result, torch.Tensor)
        and result.shape == last.gave[0].shape
        and torch.equal(result, last.gave[0]),
    )


@contextmanager
def inputs_of(layer: nn.Linear) -> Iterator[list[torch.Tensor]]:
    """Collect what goes into a layer while the block runs."""
    seen: list[torch.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda module, given: seen.append(given[0].detach()))
    try:
        yield seen
    finally:
        handle.remove()


def _refuse_shared(network: nn.Module, name: str, layer: nn.Linear) -> None:
    own = {key: value for key, value in layer._parameters.items() if value is not None}
    if "weight" not in own:
        raise UsageError(
            f"layer '{name}' computes its weight from others (a parametrisation), so it cannot be "
            "moved alone; remove the parametrisation and export the network again"
        )
    for other, parameter in network.named_parameters(remove_duplicate=False):
        if other.rpartition(".")[0] != name and any(parameter is mine for mine in own.values()):
            raise UsageError(
                f"layer '{name}' shares its weights with '{other}', which shall stay as it is; "
                "such a network cannot be adapted"
            )
