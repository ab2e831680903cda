"""Mean absolute activation of channels, heard by hooks while data runs through a network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut
from spinn_edge.pruning.criteria.channel_values import channel_values
from spinn_edge.pruning.graph.groups import Group

_ATTENTION: dict[str, int | None] = {
    "in_proj_weight": None,
    "q_proj_weight": 0,
    "k_proj_weight": 1,
    "v_proj_weight": 2,
}
"""Weights of attention that no module applies, and the input they are for; None: by position."""

_PASSED = (
    nn.Identity,
    nn.modules.dropout._DropoutNd,
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.RMSNorm,
    nn.GroupNorm,
)
"""Layers that may stand between a layer and its nonlinearity."""


@dataclass(slots=True)
class _Point:
    """One layer's channels, from its output to the nonlinearity behind it.

    Attributes:
        group: whose channels they are.
        part: where they lie in the layer's weight.
        size: of the dimension that they lie in.
        dim: of the output.
        tensor: the output that a nonlinearity may take next; None where none may.
        latest: sums of the call that is being heard; None between calls.
        total: sums of absolute values, shape (channels,), float64, host.
        count: values of each channel that were summed.
    """

    group: Group
    part: Cut
    size: int
    dim: int
    tensor: Tensor | None = None
    latest: tuple[Tensor, int] | None = None
    total: Tensor | float = 0.0
    count: int = 0

    def hear(self, output: Tensor) -> bool:
        """Take the channels of an output; False if it does not have them."""
        if not -output.ndim <= self.dim < output.ndim or output.shape[self.dim] != self.size:
            return False
        place = replace(self.part, dim=self.dim % output.ndim)
        values = channel_values(output.detach(), place, self.group)
        # summed at once: the next layer may write into this very tensor
        self.latest = values.abs().sum(dim=1, dtype=torch.float64).cpu(), values.shape[1]
        return True

    def end_call(self) -> None:
        """Add what the last call gave; a layer that is used twice is heard twice."""
        if self.latest is not None:
            self.total, self.count = self.total + self.latest[0], self.count + self.latest[1]
        self.tensor = self.latest = None


class ActivationMeter:
    """Hooks on a network for as long as the ``with`` block lasts."""

    def __init__(self, module: nn.Module, groups: Sequence[Group]) -> None:
        """Touch nothing yet.

        Args:
            module: gets hooks in the ``with`` block.
            groups: whose channels are measured.
        """
        self._module, self._groups = module, tuple(groups)
        self._points: dict[nn.Module, list[_Point]] = {}
        self._handles: list[RemovableHandle] = []
        for group in groups:
            for part in group.cuts:
                if part.role == "output" and not part.tensor.endswith("bias"):
                    self._place(group, part)

    def __enter__(self) -> ActivationMeter:
        for layer in self._module.modules():
            if layer in self._points or not any(layer.children()):
                self._handles.append(layer.register_forward_hook(self._heard, with_kwargs=True))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for handle in self._handles:
            handle.remove()

    def end_batch(self) -> None:
        """Say that a run of the network is over; must be called after each."""
        for point in self._all():
            point.end_call()

    def means(self) -> dict[Group, Tensor]:
        """Return mean absolute activations, summed over the layers that make the same channels.

        Returns:
            For each group shape (channels,), float64, host.

        Raises:
            PruningError: no module gave the channels of a group.
        """
        found: dict[Group, Tensor] = {}
        for point in self._all():
            if point.count:
                mean = torch.as_tensor(point.total) / point.count
                found[point.group] = found.get(point.group, 0) + mean
        for group in self._groups:
            if group not in found:
                raise PruningError(
                    f"no module of the network gives the channels of '{group.name}', so their "
                    "activation cannot be measured; name another --importance, such as taylor, or "
                    "protect the layer"
                )
        return found

    def _all(self) -> list[_Point]:
        return [point for points in self._points.values() for point in points]

    def _place(self, group: Group, part: Cut) -> None:
        path, _, attribute = part.tensor.rpartition(".")
        layer = self._module.get_submodule(path)
        size = getattr(layer, attribute).shape[part.dim]
        above = self._module.get_submodule(path.rpartition(".")[0])
        if isinstance(above, nn.MultiheadAttention):  # it never calls its last layer
            layer = above
        dim = 1 if isinstance(layer, nn.modules.conv._ConvNd) else -1
        point = _Point(group=group, part=part, size=size, dim=dim)
        self._points.setdefault(layer, []).append(point)

    def _heard(
        self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        for point in self._points.get(layer, ()):
            point.end_call()
            found = _output_of(layer, point.part, args, kwargs, output)
            if found is not None and point.hear(found) and found is output:
                point.tensor = found
        if layer not in self._points and args and isinstance(output, Tensor):
            self._follow(layer, args[0], output)

    def _follow(self, layer: nn.Module, given: object, output: Tensor) -> None:
        step = _kind(layer)
        for point in self._all() if step else ():
            taken = point.tensor
            if taken is None or taken is not given or output.shape != taken.shape:
                continue
            if step == "nonlinearity":
                point.hear(output)
            point.tensor = output if step == "passed" else None


def _kind(layer: nn.Module) -> str:
    """Return ``nonlinearity``, ``passed``, or nothing for a layer that ends the search."""
    if isinstance(layer, _PASSED):
        return "passed"
    if any(layer.children()):
        return ""
    if type(layer).__module__.startswith("torch.nn"):
        own = type(layer).__module__ == "torch.nn.modules.activation"
        return "nonlinearity" if own and not isinstance(layer, nn.MultiheadAttention) else ""
    # the user's own: a function of each value, at most with a slope or a frequency to learn
    return "nonlinearity" if all(p.ndim <= 1 for p in layer.parameters()) else ""


def _output_of(
    layer: nn.Module, part: Cut, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
) -> Tensor | None:
    """Return the output whose channels lie as those of ``part`` do, on dimension ``_Point.dim``."""
    if isinstance(layer, nn.MultiheadAttention):
        attribute = part.tensor.rpartition(".")[2]
        if attribute in _ATTENTION:
            return _projected(layer, attribute, part, {**dict(enumerate(args)), **kwargs})
        output = output[0]
    return output if isinstance(output, Tensor) else None


def _projected(
    layer: nn.MultiheadAttention, attribute: str, part: Cut, inputs: dict[Any, Any]
) -> Tensor:
    """Return queries, keys or values, which attention keeps to itself."""
    weight: Tensor = getattr(layer, attribute)
    number = _ATTENTION[attribute]
    whole = number is None
    if number is None:  # all three stand in one weight
        number = part.offset // (len(weight) // 3)
    name = ("query", "key", "value")[number]
    given: Tensor = inputs[number] if number in inputs else inputs[name]
    bias: Tensor | None = layer.in_proj_bias
    if bias is not None and not whole:
        bias = bias.chunk(3)[number]
    return nn.functional.linear(given, weight, bias)
