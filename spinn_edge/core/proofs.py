"""What was proved beyond the golden samples: at every batch size, and in the range of the data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchProof:
    """Whether the batch is really dynamic, and each sample is computed on its own.

    Attributes:
        batches: sizes at which rows were compared with the same rows alone.
        beyond: one sample more than the largest size.
        beyond_refused: ``beyond`` lies outside what the form takes, and it was refused; where the
            form takes any size, it was computed and compared.
        output: name of the output with the least margin between a row alone and in a batch; empty
            where they were not compared.
        channel: its channel.
        max_abs: largest absolute difference there, output units; None where they were not compared.
        tolerance: what was allowed in that channel, output units.
        reason: why it failed; None when it passed.
    """

    batches: tuple[int, ...]
    beyond: int
    beyond_refused: bool
    output: str
    channel: int | None
    max_abs: float | None
    tolerance: float | None
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """True when nothing stands against it."""
        return self.reason is None


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProof:
    """The worst input that was found in the range of the data.

    Attributes:
        random: uniform samples of the range.
        corners: corners of the range.
        steps: samples that the search for the worst one added.
        left_out: samples for which the model itself gives NaN or Inf; they were not compared.
        seed: of all draws; equal seeds give equal samples.
        output: name of the output with the least margin.
        channel: its channel.
        max_abs: absolute difference there, output units; None where the outputs could not be
            compared.
        tolerance: what was allowed for that input in that channel, output units.
        found_by: ``random``, ``corner`` or ``search``: which kind of sample the worst one is.
        sample: the worst input by name, nested lists; empty where it is too long to be kept.
        reason: why it failed; None when it passed.
    """

    random: int
    corners: int
    steps: int
    left_out: int
    seed: int
    output: str
    channel: int
    max_abs: float | None
    tolerance: float | None
    found_by: str
    sample: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None

    @property
    def passed(self) -> bool:
        """True when nothing stands against it."""
        return self.reason is None

    @property
    def evaluations(self) -> int:
        """Samples in all."""
        return self.random + self.corners + self.steps
