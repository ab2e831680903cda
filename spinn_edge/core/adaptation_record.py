"""What a bundle that was adapted to a stream of rows says about that, and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Ancestor:
    """A bundle that another one was adapted from.

    Attributes:
        name: its folder's name then.
        manifest_sha256: hex digest of its ``manifest.json``, which holds the digests of its files.
        created_utc: when it was written.
    """

    name: str
    manifest_sha256: str
    created_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationSettings:
    """How weights may move, and what must hold while they do.

    Attributes:
        layers: how many Linear layers move, counted from the last one used.
        batch: rows that are tested, then learnt together.
        drift_limit: how far outputs on the golden inputs may move, a share of each channel's scale.
        replay: share of the weight that the old outputs on the golden inputs have beside a full
            memory of new rows, in [0, 1).
        memory: rows back over which a new row's weight falls to 1/e.
        learning_rate: of gradient steps; the exact solution for one layer has none.
        range_factor: a value further from the middle of its training range than this many half
            widths is absurd.
        surprise: a batch whose error is this many times the usual one must agree with itself.
        seed: of the draws of gradient steps.
    """

    layers: int = 1
    batch: int = 32
    drift_limit: float = 0.05
    replay: float = 0.2
    memory: int = 1024
    learning_rate: float = 3e-4
    range_factor: float = 3.0
    surprise: float = 3.0
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedBatch:
    """A batch that was not learnt.

    Attributes:
        first_row: of the stream, counted from 1.
        last_row: likewise.
        guard: ``values``, ``consistency``, ``drift`` or ``harm``.
        reason: in words.
    """

    first_row: int
    last_row: int
    guard: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetError:
    """Errors of one target on the same rows.

    Attributes:
        target: its name.
        before: root mean squared error of the parent's weights, target units.
        after: that of the adapting weights, or of the adapted ones.
    """

    target: str
    before: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamGain:
    """By what share the squared error fell, all targets together, each in units of its spread.

    Attributes:
        share: 0.3 is 30 % less; below 0 is worse.
        low: lower end of the 95 % interval over batches; None with too few batches.
        high: upper end.
        batches: that were predicted by weights which had learnt something.
        rows: in them.
    """

    share: float
    low: float | None
    high: float | None
    batches: int
    rows: int

    @property
    def is_better(self) -> bool:
        """Whether the whole interval lies above 0."""
        return self.low is not None and self.low > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationRecord:
    """How the weights of a bundle came from those of its parent.

    Attributes:
        parents: oldest first; the last one is what this bundle was adapted from.
        method: ``least squares`` (exact, the last layer alone) or ``gradient steps``.
        layers: names of the Linear layers that moved, in order of use.
        settings: what was asked for.
        source: where the rows came from, in words.
        rows_seen: rows of whole batches; ``rows_learnt + rows_rejected + rows_taken_back``.
        rows_learnt: rows that the weights hold.
        rows_rejected: rows of batches that a guard refused.
        rows_taken_back: rows that were learnt and given up when weights went back to the parent's.
        rows_left_out: rows with missing values that were not looked at.
        rejected: the first batches that were refused; ``batches_rejected`` counts all.
        batches_rejected: how many there were.
        drift: by channel, how far golden outputs moved, a share of the scale.
        drift_from_first: by channel, at most how far from the oldest ancestor: the sum over all
            versions.
        errors: over the stream, every row predicted before it was learnt.
        gain: the verdict over the stream.
        interrupted: the user ended it.
        tested_on: rows that were used for nothing else, in words; empty for none.
        test: errors on those.
    """

    parents: tuple[Ancestor, ...]
    method: str
    layers: tuple[str, ...]
    settings: AdaptationSettings
    source: str
    rows_seen: int
    rows_learnt: int
    rows_rejected: int
    rows_taken_back: int
    rows_left_out: int
    rejected: tuple[RejectedBatch, ...]
    batches_rejected: int
    drift: Mapping[str, float]
    drift_from_first: Mapping[str, float]
    errors: tuple[TargetError, ...]
    gain: StreamGain
    interrupted: bool
    tested_on: str = ""
    test: tuple[TargetError, ...] = ()

    @property
    def version(self) -> int:
        """1 is the oldest ancestor."""
        return len(self.parents) + 1
