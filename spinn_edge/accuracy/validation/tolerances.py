"""How much a model may drift and lose, one limit for all or one by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from spinn_edge.core.errors import UsageError

Limit = float | Mapping[str, float]

TOLERANCE = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationTolerance:
    """Limits by name of channel or output.

    Attributes:
        loss: how much of its score each channel may lose: one number, or some by name, where
            channels that are not named have ``TOLERANCE``.
        drift: how far each channel may drift: largest absolute difference of the two models over
            the channel's scale, which is the largest magnitude of the baseline's output. One
            number, or some by name. None, and channels that are not named, take the square root of
            ``loss``.

    The square root, since R² counts squares: a drift of the share d of a target's standard
    deviation, independent of the baseline's error, takes d² of R². So a tolerance of 0.01 allows a
    drift of 0.1 of the scale.
    """

    loss: Limit = TOLERANCE
    drift: Limit | None = None

    def __post_init__(self) -> None:
        """Refuse limits that allow nothing or anything.

        Raises:
            UsageError: a limit that is negative, NaN or infinite.
        """
        for name, limit in (("tolerance", self.loss), ("max_drift", self.drift)):
            for value in limit.values() if isinstance(limit, Mapping) else (limit,):
                if value is not None and not (math.isfinite(value) and value >= 0):
                    raise UsageError(f"{name}={value}: expected a finite number of at least 0")

    def loss_of(self, output: str, channel: str) -> float:
        """Return how much a channel's score may fall."""
        found = _find(self.loss, output, channel)
        return TOLERANCE if found is None else found

    def drift_of(self, output: str, channel: str) -> float:
        """Return how far a channel may drift, a share of its scale."""
        found = _find(self.drift, output, channel)
        return math.sqrt(self.loss_of(output, channel)) if found is None else found

    def check_names(self, known: Iterable[str]) -> None:
        """Refuse a limit for something that is not there.

        Raises:
            UsageError: names it, and what is there.
        """
        there = sorted(set(known))
        for limit in (self.loss, self.drift):
            for name in limit if isinstance(limit, Mapping) else ():
                if name not in there:
                    raise UsageError(
                        f"a tolerance is given for '{name}'; the outputs and channels are: "
                        f"{', '.join(there)}"
                    )


def _find(limit: Limit | None, output: str, channel: str) -> float | None:
    if isinstance(limit, Mapping):
        return limit.get(channel, limit.get(output))
    return limit
