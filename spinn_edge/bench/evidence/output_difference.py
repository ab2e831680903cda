"""How far the outputs of two models lie apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.accuracy.parity import channel_max, channel_scale
from spinn_edge.core.golden import Golden


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputDifference:
    """Two models on the same inputs, in float64.

    Attributes:
        max_abs: largest absolute difference in the channel where it weighs most, output units;
            None where they could not be compared.
        of_scale: the same over the baseline's largest magnitude in that channel.
        reason: why they could not be compared; None where they were.
    """

    max_abs: float | None = None
    of_scale: float | None = None
    reason: str | None = None


def output_difference(before: Golden, after: Golden) -> OutputDifference:
    """Compare what two bundles say of themselves.

    Args:
        before: golden vectors of the baseline.
        after: of the other.
    """
    if list(before.inputs) != list(after.inputs) or any(
        not np.array_equal(before.inputs[name], after.inputs[name]) for name in before.inputs
    ):
        return OutputDifference(reason="they were given other inputs")
    old, new = list(before.outputs.values()), list(after.outputs.values())
    if [a.shape for a in old] != [a.shape for a in new]:
        return OutputDifference(reason="their outputs have other shapes")
    max_abs, of_scale = 0.0, 0.0
    for exact, other in zip(old, new, strict=True):
        scale = channel_scale(exact)
        apart = channel_max(other - exact)
        worst = int(np.argmax(apart / scale))
        if apart[worst] / scale[worst] >= of_scale:
            max_abs, of_scale = float(apart[worst]), float(apart[worst] / scale[worst])
    return OutputDifference(max_abs=max_abs, of_scale=of_scale)
