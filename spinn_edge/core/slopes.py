"""Slopes that must have a sign: how they are asked for. A request is ``OUTPUT:INPUT:SIGN``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from spinn_edge.core.derivatives import ChannelNames, Derivative, parse_derivatives
from spinn_edge.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Monotone:
    """A slope that must not have the other sign.

    Attributes:
        request: as it was typed.
        derivative: the slope.
        sign: 1 or -1.
    """

    request: str
    derivative: Derivative
    sign: int


def parse_monotone(texts: Sequence[str], names: ChannelNames) -> tuple[Monotone, ...]:
    """Read ``tool_wear:time:+`` and ``tool_wear:speed:-``.

    Raises:
        UsageError: it has another form, or names an unknown column.
    """
    found = []
    for text in dict.fromkeys(texts):
        request, _, sign = text.rpartition(":")
        if sign not in ("+", "-") or request.count(":") != 1:
            raise UsageError(
                f"'{text}' is no slope with a sign; expected OUTPUT:INPUT:+ or OUTPUT:INPUT:-, "
                "such as tool_wear:time:+"
            )
        (derivative,) = parse_derivatives([request], names)
        found.append(Monotone(request=text, derivative=derivative, sign=1 if sign == "+" else -1))
    return tuple(found)
