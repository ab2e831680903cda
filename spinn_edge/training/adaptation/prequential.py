"""Test, then train: errors on rows that were predicted before they were learnt."""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Sequence

import numpy as np

from spinn_edge.core.adaptation_record import StreamGain, TargetError
from spinn_edge.training.dataset import Floats

CONFIDENCE = 0.95
FEWEST_BATCHES = 5
"""Batches below which nothing is said about how sure a gain is."""
WINDOW = 8
"""Batches back over which weights must not be worse than the parent's."""


class PrequentialErrors:
    """Errors of the parent and of the adapting weights on the same rows, batch by batch.

    Source: A. Dawid (1984), "Present position and potential developments: some personal views:
    statistical theory: the prequential approach"; J. Gama, R. Sebastião and P. Rodrigues (2013),
    "On evaluating stream learning algorithms".
    """

    def __init__(self, targets: Sequence[str], unit: Floats) -> None:
        """Start with nothing.

        Args:
            targets: their names.
            unit: standard deviation or scale of each, by which errors are made comparable.
        """
        self._targets, self._unit = tuple(targets), unit
        self._before, self._after = np.zeros(len(unit)), np.zeros(len(unit))
        self._rows = 0
        self._batches: list[tuple[float, float, int]] = []  # gain, error before, rows
        self._recent: deque[tuple[float, float]] = deque(maxlen=WINDOW)

    def add(self, before: Floats, after: Floats, *, adapted: bool) -> None:
        """Take in a batch that has not been learnt.

        Args:
            before: errors of the parent, float64, shape (rows, targets), target units.
            after: errors of the adapting weights.
            adapted: those are not the parent's; only such batches can show a gain.
        """
        self._before += (before**2).sum(axis=0)
        self._after += (after**2).sum(axis=0)
        self._rows += len(before)
        if adapted:
            was, now = (float(self.row_errors(errors).sum()) for errors in (before, after))
            self._batches.append((was - now, was, len(before)))
            self._recent.append((was - now, was))

    def row_errors(self, errors: Floats) -> Floats:
        """Return each row's mean squared error over targets, each in its unit."""
        return np.asarray(((errors / self._unit) ** 2).mean(axis=1))

    def recent_harm(self) -> float | None:
        """Return how much worse than the parent the last batches were; None where not surely so."""
        share, _, high = _gain(list(self._recent))
        return -share if high is not None and high < 0 else None

    def forget_recent(self) -> None:
        """Begin a new window: the weights are the parent's again."""
        self._recent.clear()

    def errors(self) -> tuple[TargetError, ...]:
        """Return the errors over all rows so far."""
        parts = zip(self._targets, self._before, self._after, strict=True)
        count = max(self._rows, 1)
        return tuple(
            TargetError(target=name, before=math.sqrt(was / count), after=math.sqrt(now / count))
            for name, was, now in parts
        )

    def gain(self) -> StreamGain:
        """Return the verdict over the batches that changed weights predicted."""
        share, low, high = _gain([(gained, was) for gained, was, _ in self._batches])
        rows = sum(count for *_, count in self._batches)
        return StreamGain(share=share, low=low, high=high, batches=len(self._batches), rows=rows)


def _gain(batches: Sequence[tuple[float, float]]) -> tuple[float, float | None, float | None]:
    """Return by what share errors fell, and its interval: batches are the independent units.

    Rows of a batch are neighbours in time and share their fate, so rows are not counted as so many
    witnesses. The share is a ratio of sums; its standard error is that of its linearisation.

    Source: W. Cochran, "Sampling Techniques", 3rd edition, 1977, section 6.3.
    """
    if not batches:
        return 0.0, None, None
    gained, was = np.array(batches).T
    if was.sum() == 0:  # the parent was right to the last bit
        return 0.0, None, None
    share = float(gained.sum() / was.sum())
    count = len(batches)
    if count < FEWEST_BATCHES:
        return share, None, None
    residual = gained - share * was
    error = math.sqrt(count / (count - 1) * float((residual**2).sum())) / float(was.sum())
    reach = _student(count - 1) * error
    return share, share - reach, share + reach


def _student(freedom: int) -> float:
    """Return the two-sided quantile of Student's t at ``CONFIDENCE``, within 0.01 from 4 on.

    Source: M. Abramowitz and I. Stegun, "Handbook of Mathematical Functions", 26.7.5.
    """
    z = statistics.NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return z + math.fsum(term / freedom**power for power, term in enumerate(terms, start=1))
