"""A deployed network that follows a stream of labelled rows, under guard."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from spinn_edge.core.adaptation_record import (
    AdaptationRecord,
    AdaptationSettings,
    Ancestor,
    RejectedBatch,
)
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.tensors import Array
from spinn_edge.training.adaptation.consistency import (
    EXPLAINED,
    FEWEST_ROWS,
    explained_share,
)
from spinn_edge.training.adaptation.gradient import ReplaySteps
from spinn_edge.training.adaptation.layers import find_moving_layers
from spinn_edge.training.adaptation.least_squares import AnchoredLeastSquares
from spinn_edge.training.adaptation.limits import ValueLimits
from spinn_edge.training.adaptation.prequential import PrequentialErrors
from spinn_edge.training.adaptation.subject import Subject, check_settings, subject_of
from spinn_edge.training.dataset import Floats

NAMED = 100
"""Refused batches that are kept with their reason; more are counted."""
LEVEL_KEPT = 0.95
"""What a batch leaves of the usual error's older square."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What became of a batch.

    Attributes:
        first_row: of the stream, counted from 1.
        last_row: likewise.
        rejected: which guard refused it and why; None where it was learnt.
    """

    first_row: int
    last_row: int
    rejected: RejectedBatch | None


class OnlineAdapter:
    """Tests every batch, then learns it unless a guard refuses.

    ``module`` is the adapting network, a copy of the one that was given, in evaluation mode; it
    holds the last good weights whenever :meth:`update` is not running.
    """

    def __init__(self, subject: Subject, settings: AdaptationSettings | None = None) -> None:
        """Choose the layers and the way they learn.

        Args:
            subject: the network and what is known about it.
            settings: how far it may go.

        Raises:
            UsageError: a setting makes no sense, or the network has no such layers.
        """
        self.settings = check_settings(settings or AdaptationSettings())
        self.subject = subject
        self.module: nn.Module = copy.deepcopy(subject.module).eval().requires_grad_(False)
        self._parent = subject.module.eval()
        self._golden = torch.from_numpy(np.array(subject.golden))
        moving = find_moving_layers(self.module, self._golden, self.settings.layers)
        self.layers = tuple(layer.name for layer in moving.layers)
        self._learner: AnchoredLeastSquares | ReplaySteps
        if moving.reads_out and len(moving.layers) == 1:
            self._learner = AnchoredLeastSquares(
                self.module, moving.layers[0], unit=subject.unit, settings=self.settings
            )
        else:
            self._learner = ReplaySteps(
                self.module,
                moving.layers,
                self._golden,
                unit=subject.unit,
                settings=self.settings,
            )
        self._begin = self._learner.snapshot()
        self._golden_before = self._outputs(self._parent, self._golden)
        self._limits: ValueLimits = subject.limits(self.settings.range_factor)
        self._errors = PrequentialErrors(subject.targets, subject.unit)
        self._usual = subject.usual_error
        self._rows = self._learnt = self._rejected = self._taken_back = 0
        self._refusals: list[RejectedBatch] = []
        self._refused = 0

    @classmethod
    def of_bundle(
        cls,
        bundle: Bundle | str | Path,
        settings: AdaptationSettings | None = None,
        *,
        features: Sequence[str] = (),
        targets: Sequence[str] = (),
        trust_factory: bool = False,
    ) -> OnlineAdapter:
        """Start from a bundle, which is not changed.

        Args:
            bundle: or its folder.
            settings: how far the network may go.
            features: names of the input columns; none for a bundle that knows its own.
            targets: names of the output columns, likewise.
            trust_factory: call the factory that the manifest names.

        Raises:
            UsageError: the bundle has no weights, more than one input or output, or does not know
                its columns.
            BundleError: it is damaged.
        """
        loaded = bundle if isinstance(bundle, Bundle) else Bundle.load(Path(bundle))
        subject = subject_of(
            loaded, features=features, targets=targets, trust_factory=trust_factory
        )
        return cls(subject, settings)

    def update(
        self,
        features: Array,
        targets: Array,
        *,
        numbers: Sequence[int] | None = None,
        fault: str | None = None,
    ) -> Step:
        """Predict a batch, then learn it unless a guard refuses.

        Args:
            features: shape (rows, features), raw units.
            targets: shape (rows, targets), target units.
            numbers: of the rows in their stream; None counts on.
            fault: why the batch cannot be read, where its source knows.

        Returns:
            What became of it. Whatever is raised in here leaves the last good weights.
        """
        x, y = np.asarray(features, np.float64), np.asarray(targets, np.float64)
        rows = len(x) if x.ndim else 0
        numbers = numbers or range(self._rows + 1, self._rows + rows + 1)
        good = self._learner.snapshot()
        try:
            guard, reason = self._take(x, y, numbers, fault)
        except BaseException:  # Ctrl-C too
            self._learner.restore(good)
            raise
        self._rows += rows
        first, last = (numbers[0], numbers[-1]) if len(numbers) else (self._rows, self._rows)
        if not guard:
            self._learnt += rows
            return Step(first_row=first, last_row=last, rejected=None)
        if guard == "harm":
            self._taken_back += self._learnt
            self._learnt = 0
        self._rejected += rows
        self._refused += 1
        refusal = RejectedBatch(first_row=first, last_row=last, guard=guard, reason=reason)
        if self._refused <= NAMED:
            self._refusals.append(refusal)
        return Step(first_row=first, last_row=last, rejected=refusal)

    @property
    def rows_learnt(self) -> int:
        """Rows that the weights hold; 0 means that they are the parent's, bit for bit."""
        return self._learnt

    def drift(self) -> dict[str, float]:
        """Return how far each channel's golden outputs moved, a share of its scale."""
        moved = np.abs(self._outputs(self.module, self._golden) - self._golden_before).max(axis=0)
        return dict(zip(self.subject.targets, (moved / self.subject.scale).tolist(), strict=True))

    def record(
        self,
        *,
        parents: Sequence[Ancestor] = (),
        drift_of_parents: Mapping[str, float] | None = None,
        source: str = "",
        rows_left_out: int = 0,
        interrupted: bool = False,
    ) -> AdaptationRecord:
        """Return what was done so far.

        Args:
            parents: bundles that this one comes from, oldest first.
            drift_of_parents: ``drift_from_first`` of the last of them.
            source: where the rows came from, in words.
            rows_left_out: rows that were not looked at.
            interrupted: the user ended the stream.
        """
        drift, before = self.drift(), drift_of_parents or {}
        return AdaptationRecord(
            parents=tuple(parents),
            method=self._learner.method,
            layers=self.layers,
            settings=self.settings,
            source=source,
            rows_seen=self._rows,
            rows_learnt=self._learnt,
            rows_rejected=self._rejected,
            rows_taken_back=self._taken_back,
            rows_left_out=rows_left_out,
            rejected=tuple(self._refusals),
            batches_rejected=self._refused,
            drift=drift,
            drift_from_first={name: moved + before.get(name, 0.0) for name, moved in drift.items()},
            errors=self._errors.errors(),
            gain=self._errors.gain(),
            interrupted=interrupted,
        )

    def _take(
        self, x: Floats, y: Floats, numbers: Sequence[int], fault: str | None
    ) -> tuple[str, str]:
        """Return the guard that refused and its reason; two empty texts where it was learnt."""
        fault = fault or self._misfit(x, y) or self._limits.fault(np.hstack([x, y]), numbers)
        if fault:
            return "values", fault
        inputs = torch.from_numpy(x).to(self._golden.dtype)
        before = self._outputs(self._parent, inputs) - y
        after = self._outputs(self.module, inputs) - y
        self._errors.add(before, after, adapted=self._learnt > 0)
        if (harm := self._errors.recent_harm()) is not None:
            self._learner.restore(self._begin)
            self._errors.forget_recent()
            return "harm", (
                f"over the last batches the adapted weights were worse than the parent's by "
                f"{harm:.0%} of its squared error, so they went back to the parent's"
            )
        error = float(np.sqrt(self._errors.row_errors(after).mean()))
        if reason := self._contradicts(inputs, y, error):
            return "consistency", reason
        good = self._learner.snapshot()
        self._learner.learn(inputs, y)
        if reason := self._drifts():
            self._learner.restore(good)
            return "drift", reason
        self._usual = error if self._usual is None else self._level(error)
        return "", ""

    def _misfit(self, x: Floats, y: Floats) -> str | None:
        wanted = len(self.subject.features), len(self.subject.targets)
        if x.ndim == y.ndim == 2 and (x.shape[1], y.shape[1]) == wanted and len(x) == len(y) > 0:
            return None
        return (
            f"features of shape {list(x.shape)} and targets of shape {list(y.shape)}; expected "
            f"[rows, {wanted[0]}] and [rows, {wanted[1]}]"
        )

    def _contradicts(self, inputs: torch.Tensor, y: Floats, error: float) -> str | None:
        """Refuse a surprising batch of which one half does not teach the other."""
        if self._usual is None or not error > self.settings.surprise * self._usual:
            return None
        words = f"its error is {error / self._usual:.3g} times the usual one"
        if len(y) < FEWEST_ROWS:
            return f"{words}, and {len(y)} rows are too few to tell a shift from rubbish"
        share = self._explained_share(inputs, y)
        if share >= EXPLAINED:
            return None
        return f"{words}, and what one half of its rows teaches explains {share:.0%} of the other's"

    def _explained_share(self, inputs: torch.Tensor, y: Floats) -> float:
        """Learn every other row, look at the ones between, and forget it again."""
        between = inputs[1::2]
        old = self._outputs(self.module, between)
        good = self._learner.snapshot()
        self._learner.learn(inputs[::2], y[::2])
        new = self._outputs(self.module, between)
        self._learner.restore(good)
        return explained_share((new - old) / self.subject.unit, (y[1::2] - old) / self.subject.unit)

    def _drifts(self) -> str | None:
        limit = self.settings.drift_limit
        drift = self.drift()
        name = max(drift, key=lambda target: np.nan_to_num(drift[target], nan=np.inf))
        if drift[name] <= limit:
            return None
        return (
            f"'{name}' would move by {drift[name]:.2%} of its scale on the golden inputs, allowed "
            f"{limit:.2%}"
        )

    def _level(self, error: float) -> float:
        assert self._usual is not None
        error = min(error, self.settings.surprise * self._usual)  # one batch cannot lift it far
        return float(np.sqrt(LEVEL_KEPT * self._usual**2 + (1 - LEVEL_KEPT) * error**2))

    @staticmethod
    def _outputs(network: Any, inputs: torch.Tensor) -> Floats:
        with torch.no_grad():
            return np.asarray(network(inputs).double().numpy())
