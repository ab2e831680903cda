"""Outputs against reference outputs, channel by channel."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spinn_edge.core.manifest import OutputTolerance, ProofPoint
from spinn_edge.core.tensors import Array

LIMITS = {"fp32": 1e-5, "fp16": 5e-3, "int8": 5e-2}
"""Share of a channel's scale that a form of each precision may differ from eager float32 by. Where
each comes from: docs/precision.md."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """Verdict of one comparison.

    Attributes:
        passed: every channel of every output is within its tolerance.
        output: name of the output with the least margin, or of the broken one.
        max_abs: largest absolute difference in the channel with the least margin, output units;
            None where the outputs could not be compared.
        tolerance: what was allowed in that channel, output units.
        reason: why it failed; None when it passed.
        channel: number of the channel with the least margin; None where the outputs could not be
            compared.
        share_by_hand: share of the scale behind ``tolerance`` where somebody chose it by hand; see
            :func:`spinn_edge.accuracy.hand_limits.marked`.
    """

    passed: bool
    output: str
    max_abs: float | None
    tolerance: float | None
    reason: str | None = None
    channel: int | None = None
    share_by_hand: float | None = None

    @property
    def used_share(self) -> float:
        """How much of the tolerance was used: 1 is its limit."""
        if not self.max_abs or self.tolerance is None:
            return 0.0
        return self.max_abs / self.tolerance if self.tolerance else math.inf

    def as_proof(self, batch: int) -> ProofPoint:
        """Return the manifest form of a comparison that passed."""
        assert self.max_abs is not None
        assert self.tolerance is not None
        return ProofPoint(
            batch=batch, output=self.output, max_abs=self.max_abs, tolerance=self.tolerance
        )


def channel_max(values: Array) -> Array:
    """Return the largest magnitude in each channel.

    Args:
        values: shape (batch,) or (batch, channels, ...).

    Returns:
        float64, shape (channels,); one channel for a one-dimensional array.
    """
    magnitude = np.abs(np.asarray(values, np.float64))
    if magnitude.ndim == 1:
        return np.asarray(magnitude.max(keepdims=True))
    return np.asarray(magnitude.max(axis=(0, *range(2, magnitude.ndim))))


def channel_scale(exact: Array) -> Array:
    """Return what a channel's tolerance is a share of: its largest magnitude.

    A channel that is 0 everywhere takes that of the whole output, or 1 if all of that is 0.

    Args:
        exact: shape (batch,) or (batch, channels, ...).
    """
    scale = channel_max(exact)
    return np.where(scale > 0, scale, scale.max() or 1.0)


def derive_tolerance(
    reference: Mapping[str, Array],
    eager: Mapping[str, Array],
    shares: Mapping[str, float] | None = None,
) -> dict[str, OutputTolerance]:
    """Derive each channel's limit against the float64 reference.

    A float32 form may differ from eager float32 by its share of the channel's scale; eager
    itself differs from the reference by an error that is measured here. By the triangle inequality
    the form may then differ from the reference by the sum.

    Args:
        reference: float64 outputs by name, shape (rows, channels, ...).
        eager: float32 outputs of the eager module on the same inputs.
        shares: by name of output, where it is not that of float32 in ``LIMITS``.
    """
    tolerances = {}
    for name, exact in reference.items():
        share = (shares or {}).get(name, LIMITS["fp32"])
        scale = channel_scale(exact)
        error = channel_max(np.asarray(eager[name], np.float64) - exact)
        tolerances[name] = OutputTolerance(
            scale=tuple(scale.tolist()),
            eager_error=tuple(error.tolist()),
            tolerance=tuple((share * scale + error).tolist()),
            share=share,
        )
    return tolerances


def channel_shares(
    tolerances: Mapping[str, OutputTolerance],
    precision: str = "fp32",
    by_hand: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return the share of its scale that each channel may differ from eager by.

    Args:
        tolerances: of the manifest.
        precision: whose default holds.
        by_hand: shares that take the default's place, shape (channels,), NaN where none does.
    """
    shares = {}
    for name, limit in tolerances.items():
        # a derivative's own share, where it is wider than that of the precision
        default = np.full(len(limit.scale), max(LIMITS[precision], limit.share))
        hand = np.asarray((by_hand or {}).get(name, np.nan))
        shares[name] = np.where(np.isnan(hand), default, hand)
    return shares


def against_eager(
    tolerances: Mapping[str, OutputTolerance],
    precision: str = "fp32",
    by_hand: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return each channel's limit where the reference is eager itself.

    Args:
        tolerances: of the manifest.
        precision: see :func:`channel_shares`.
        by_hand: likewise.
    """
    shares = channel_shares(tolerances, precision, by_hand)
    return {name: shares[name] * np.asarray(limit.scale) for name, limit in tolerances.items()}


def against_reference(
    tolerances: Mapping[str, OutputTolerance],
    precision: str = "fp32",
    by_hand: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return each channel's limit where the reference is the float64 golden output.

    The manifest's limit is float32's. Another share of the scale, of another precision or chosen by
    hand, takes the place of float32's share in it.

    Args:
        tolerances: of the manifest.
        precision: see :func:`channel_shares`.
        by_hand: likewise.
    """
    shares = channel_shares(tolerances, precision, by_hand)
    return {
        name: np.asarray(limit.tolerance) + (shares[name] - limit.share) * np.asarray(limit.scale)
        for name, limit in tolerances.items()
    }


def compare(
    outputs: Mapping[str, Array],
    reference: Mapping[str, Array],
    limits: Mapping[str, Array],
    samples: Sequence[int] | None = None,
) -> Parity:
    """Compare outputs with a reference.

    NaN, Inf, a missing output or limit, or another shape always fail.

    Args:
        outputs: by name, shape (batch, channels, ...).
        reference: by name, same shapes.
        limits: by name, largest allowed absolute difference a channel, shape (channels,).
        samples: numbers of the samples, for messages; None counts from 0.

    Returns:
        The verdict, about the output and channel with the least margin.
    """
    worst: Parity | None = None
    most_used = -1.0
    for name, expected in reference.items():
        limit = np.asarray(limits.get(name, ()))
        if (fault := _fault(name, outputs, expected, limit, samples)) is not None:
            return Parity(passed=False, output=name, max_abs=None, tolerance=None, reason=fault)
        difference = channel_max(np.asarray(outputs[name], np.float64) - expected)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            used = np.where(difference > 0, difference / limit, 0.0)  # 0 of a limit of 0 is 0
        channel = int(np.argmax(used))
        if used[channel] > most_used:
            most_used = float(used[channel])
            worst = _verdict(name, channel, float(difference[channel]), float(limit[channel]))
    if worst is None:
        return Parity(
            passed=False,
            output="",
            max_abs=None,
            tolerance=None,
            reason="there is no reference output to compare with",
        )
    return worst


def _verdict(name: str, channel: int, max_abs: float, limit: float) -> Parity:
    passed = max_abs <= limit
    reason = (
        None
        if passed
        else (f"output '{name}' channel {channel} differs by {max_abs:.3g}, allowed {limit:.3g}")
    )
    return Parity(
        passed=passed,
        output=name,
        max_abs=max_abs,
        tolerance=limit,
        reason=reason,
        channel=channel,
    )


def _fault(
    name: str,
    outputs: Mapping[str, Array],
    expected: Array,
    limit: Array,
    samples: Sequence[int] | None,
) -> str | None:
    if name not in outputs:
        return f"output '{name}' is missing; got {sorted(outputs)}"
    got = outputs[name]
    if got.shape != expected.shape:
        return f"output '{name}' has shape {list(got.shape)}, expected {list(expected.shape)}"
    bad = ~np.isfinite(got.reshape(len(got), -1)).all(axis=1)
    if bad.any():
        first = int(np.argmax(bad))
        number = first if samples is None else samples[first]
        return f"output '{name}' holds NaN or Inf, first in sample {number}"
    if not np.isfinite(expected).all():
        return f"the reference of output '{name}' holds NaN or Inf; export the model again"
    if limit.shape != channel_max(expected).shape or np.isnan(limit).any():
        return f"output '{name}' has no tolerance for each channel; export the model again"
    return None
