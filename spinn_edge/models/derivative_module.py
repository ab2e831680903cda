"""A network that also gives derivatives of its outputs, computed on the way forward.

What is exported is plain arithmetic: Linear layers, activations and their slopes. No format needs
automatic differentiation, and every sample is computed on its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from spinn_edge.core.derivatives import Derivative
from spinn_edge.core.errors import BundleError, ExportError, first_line
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.tensors import named_results
from spinn_edge.models import tangents
from spinn_edge.models.tangent_graph import Ref, Step, step_graph
from spinn_edge.models.tangents import ACTIVATIONS, Jet

MOST_INPUTS = 4
"""Exporters read the names of inputs from a signature, so their number is bounded."""


class DerivativeModule(nn.Module):
    """Returns what ``network`` returns, then each derivative as a tensor of shape (batch, 1).

    Attributes:
        network: the original; its weights are the only ones.
        derivatives: what is given beside its outputs.
        input_names: of ``network``, in order.
        output_names: of everything that a call returns, in order.
    """

    def __init__(
        self,
        network: nn.Module,
        derivatives: Sequence[Derivative],
        *,
        inputs: Mapping[str, int],
        outputs: Sequence[str],
    ) -> None:
        """Take the network apart.

        Args:
            network: in evaluation mode.
            derivatives: at least one.
            inputs: columns of each input, by name, in order.
            outputs: names of its outputs, as :func:`named_results` gives them.

        Raises:
            ExportError: the network holds something that derivatives cannot be carried through.
        """
        super().__init__()
        self.network = network
        self.derivatives = tuple(derivatives)
        self.input_names = tuple(inputs)
        self.output_names = (*outputs, *(derivative.name for derivative in derivatives))
        self._graph = step_graph(network, order=max(d.order for d in derivatives))
        if len(self._graph.inputs) != len(inputs) or len(inputs) > MOST_INPUTS:
            raise ExportError(
                f"the network's forward takes {len(self._graph.inputs)} arguments, its inputs are "
                f"{', '.join(inputs)}; derivatives need the same number, {MOST_INPUTS} at most"
            )
        # What forward reads are plain tuples: torch.compile refuses a search among dataclasses.
        directions = tuple(dict.fromkeys(c for d in derivatives for c in d.inputs))
        results = named_results(self._graph.result)
        self._picks = tuple(
            (
                results[derivative.output.tensor].name,
                derivative.output.index,
                tuple(sorted(directions.index(channel) for channel in derivative.inputs)),
            )
            for derivative in derivatives
        )
        self._pairs = tuple(
            dict.fromkeys((found[0], found[1]) for *_, found in self._picks if len(found) == 2)
        )
        self._seeds = {
            tensor: tuple(n for n, channel in enumerate(directions) if channel.tensor == tensor)
            for tensor in inputs
        }
        for number, channel in enumerate(directions):
            row = torch.zeros(1, inputs[channel.tensor])
            row[0, channel.index] = 1.0
            self.register_buffer(f"direction_{number}", row, persistent=False)
        self.eval()

    def forward(
        self,
        first: torch.Tensor,
        second: torch.Tensor | None = None,
        third: torch.Tensor | None = None,
        fourth: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        given = [tensor for tensor in (first, second, third, fourth) if tensor is not None]
        jets: dict[str, Jet] = {}
        waiting = iter(zip(self.input_names, given, strict=True))
        for step in self._graph.steps:
            if step.kind == "input":
                name, tensor = next(waiting)
                seeds = {n: getattr(self, f"direction_{n}") for n in self._seeds[name]}
                jets[step.name] = Jet(value=tensor, first=seeds)
            else:
                jets[step.name] = self._evaluate(step, jets)
        results = named_results(self._graph.result)
        outputs = [jets[ref.name].value for ref in results.values()]
        asked = [_pick(jets[name], column, found) for name, column, found in self._picks]
        return (*outputs, *asked)

    def _evaluate(self, step: Step, jets: Mapping[str, Jet]) -> Jet:
        if step.kind == "constant":
            return Jet(value=_attribute(self.network, step.target))
        args = [
            jets[a.name] if isinstance(a, Ref) else Jet(value=a)  # a number, None, or a slice
            for a in step.args
        ]
        match step.kind:
            case "layer":
                layer: Any = self.network.get_submodule(step.target)
                return tangents.apply_linear(args[0], layer.weight, layer.bias)
            case "linear":
                bias = args[2].value if len(args) > 2 else None
                return tangents.apply_linear(args[0], args[1].value, bias)
            case "activation":
                rule = ACTIVATIONS[step.target]
                order = 2 if self._pairs else 1
                slopes = rule.slopes(args[0].value, order, **step.options)
                return tangents.compose(args[0], slopes, self._pairs)
            case "slice":
                return tangents.transform(args[0], lambda tensor: tensor[args[1].value])
            case "cat":
                return tangents.concatenate(args)
            case "negate":
                return tangents.transform(args[0], lambda tensor: -tensor)
            case "divide":
                return tangents.transform(args[0], lambda tensor: tensor / args[1].value)
            case "multiply":
                return tangents.multiply(args[0], args[1], self._pairs)
            case "add":
                return tangents.add(args[0], args[1])
            case "subtract":
                return tangents.add(args[0], tangents.transform(args[1], lambda tensor: -tensor))
            case _:  # same
                return args[0]


def _pick(jet: Jet, column: int, directions: tuple[int, ...]) -> torch.Tensor:
    """Return one column of one derivative, shape (batch, 1)."""
    like = jet.value[:, column : column + 1]
    if len(directions) == 1:
        found = jet.first.get(directions[0])
    else:
        found = jet.second.get((directions[0], directions[1]))
    return (
        torch.zeros_like(like) if found is None else found[:, column : column + 1].expand_as(like)
    )


def with_derivatives(network: nn.Module, manifest: Manifest) -> DerivativeModule:
    """Return what a manifest describes: a network with derivatives beside its outputs.

    Raises:
        BundleError: manifest and network do not fit each other.
    """
    derivatives = manifest.architecture.derivatives
    count = len(manifest.outputs) - len(derivatives)
    try:
        return DerivativeModule(
            network,
            derivatives,
            inputs={spec.name: spec.shape[1] or 0 for spec in manifest.inputs},
            outputs=[spec.name for spec in manifest.outputs[:count]],
        )
    except (ExportError, LookupError) as exc:
        raise BundleError(
            f"the manifest's derivatives do not fit its network ({first_line(exc)}); "
            "export the model again"
        ) from exc


def _attribute(network: nn.Module, name: str) -> Any:
    """Return a parameter, buffer or other tensor of a network by its dotted name."""
    found: Any = network
    for part in name.split("."):
        found = getattr(found, part)
    return found
