"""Derivatives of a model's outputs by its inputs: how they are asked for, and what they are called.

A request is ``OUTPUT:INPUT`` or, for a second derivative, ``OUTPUT:INPUT:INPUT``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import TensorSpec

MOST_ORDER = 2
"""Highest order of a derivative that can be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """One column of a tensor of shape (batch, columns).

    Attributes:
        tensor: name of a model's input or output.
        index: which column of it.
    """

    tensor: str
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivative:
    """A first or second partial derivative.

    Attributes:
        request: as it was asked for, ``tool_wear:time``.
        name: of the output that gives it, ``d_tool_wear_d_time``, shape (batch, 1).
        output: what is differentiated.
        inputs: by what, one for each order.
    """

    request: str
    name: str
    output: Channel
    inputs: tuple[Channel, ...]

    @property
    def order(self) -> int:
        """1 or 2."""
        return len(self.inputs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNames:
    """What the columns of a model are called.

    Attributes:
        inputs: by name. Every column is ``input.3`` after its tensor and its place; where the model
            was trained here, it is also called after its feature.
        outputs: likewise, after the targets.
        shown: names to list in messages, inputs and outputs.
    """

    inputs: Mapping[str, Channel]
    outputs: Mapping[str, Channel]
    shown: tuple[tuple[str, ...], tuple[str, ...]]


def channel_names(
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    *,
    features: Sequence[str] = (),
    targets: Sequence[str] = (),
) -> ChannelNames:
    """Return the names of a model's columns.

    Args:
        inputs: of the model.
        outputs: of the model, those that are derivatives left out.
        features: names of the input's columns; empty where nothing says them.
        targets: names of the output's columns; likewise.

    Raises:
        UsageError: an input or output is no table of shape (batch, columns).
    """
    known_inputs, shown_inputs = _named(inputs, features, "input")
    known_outputs, shown_outputs = _named(outputs, targets, "output")
    return ChannelNames(
        inputs=known_inputs, outputs=known_outputs, shown=(shown_inputs, shown_outputs)
    )


def parse_derivatives(requests: Iterable[str], names: ChannelNames) -> tuple[Derivative, ...]:
    """Read ``tool_wear:time`` and ``tool_wear:time:speed``; a request that comes twice counts once.

    Raises:
        UsageError: it has another form, names an unknown column, or two requests would give
            outputs of one name.
    """
    found: dict[str, Derivative] = {}
    for request in dict.fromkeys(requests):
        derivative = _parse(request, names)
        other = found.get(derivative.name)
        if other is not None:
            raise UsageError(
                f"'{other.request}' and '{request}' would both be called {derivative.name}; "
                "leave one out"
            )
        taken = {channel.tensor for channel in names.outputs.values()}
        if derivative.name in taken:
            raise UsageError(f"the model has an output {derivative.name} already; rename that one")
        found[derivative.name] = derivative
    return tuple(found.values())


def carried_derivatives(function: object) -> tuple[str, ...]:
    """Return the requests that a residual function names itself, in its attribute ``derivatives``.

    Raises:
        UsageError: the attribute is no sequence of texts.
    """
    named = getattr(function, "derivatives", ())
    if isinstance(named, str) or not (
        isinstance(named, Sequence) and all(isinstance(one, str) for one in named)
    ):
        raise UsageError(
            f"the residual's attribute 'derivatives' is {named!r}; expected a tuple such as "
            "('tool_wear:time',)"
        )
    return tuple(named)


def _parse(request: str, names: ChannelNames) -> Derivative:
    output, *inputs = (part.strip() for part in request.split(":"))
    if not output or not all(inputs) or not 1 <= len(inputs) <= MOST_ORDER:
        raise UsageError(
            f"'{request}' is no derivative of first or second order; expected OUTPUT:INPUT or "
            "OUTPUT:INPUT:INPUT, such as tool_wear:time or tool_wear:time:time"
        )
    shown_inputs, shown_outputs = names.shown
    if output not in names.outputs:
        raise UsageError(
            f"'{request}': no output is called '{output}'; known: {', '.join(shown_outputs)}"
        )
    for name in inputs:
        if name not in names.inputs:
            raise UsageError(
                f"'{request}': no input is called '{name}'; known: {', '.join(shown_inputs)}"
            )
    below = "".join(f"_d_{_plain(name)}" for name in inputs)
    order = "" if len(inputs) == 1 else str(len(inputs))
    return Derivative(
        request=":".join((output, *inputs)),
        name=f"d{order}_{_plain(output)}{below}",
        output=names.outputs[output],
        inputs=tuple(names.inputs[name] for name in inputs),
    )


def _plain(name: str) -> str:
    """Return a name that is an identifier in every exported format."""
    return re.sub(r"\W", "_", name, flags=re.ASCII)


def _named(
    specs: Sequence[TensorSpec], columns: Sequence[str], kind: str
) -> tuple[dict[str, Channel], tuple[str, ...]]:
    known = {}
    for spec in specs:
        width = spec.shape[1] if len(spec.shape) == 2 else None
        if width is None:
            raise UsageError(
                f"the {kind} '{spec.name}' has shape {list(spec.shape)}; derivatives are for "
                "tables of shape [batch, columns]"
            )
        for index in range(width):
            known[f"{spec.name}.{index}"] = Channel(tensor=spec.name, index=index)
    if len(specs) != 1 or len(columns) != len(known):
        return known, tuple(known)
    return known | dict(zip(columns, known.values(), strict=True)), tuple(columns)
