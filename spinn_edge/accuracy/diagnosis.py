"""What kind of fault makes outputs differ from their reference, where the outputs tell."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from spinn_edge.accuracy.parity import channel_max
from spinn_edge.core.tensors import Array

LEAST_SAMPLES = 4
"""Of fewer, nearly everything would be a multiple of nearly everything."""

MOST_CHANNELS = 64
"""Every pair of channels is looked at; of more that would take long."""


def explain_difference(
    outputs: Mapping[str, Array], reference: Mapping[str, Array], limits: Mapping[str, Array]
) -> str:
    """Name the first kind of fault that explains the difference of a whole output or channel.

    Args:
        outputs: by name, shape (batch, channels, ...), finite, shapes as in ``reference``.
        reference: by name.
        limits: by name, largest allowed absolute difference a channel.

    Returns:
        A clause such as ``outputs 'a' and 'b' are swapped``; empty where none of the known kinds
        explains it.
    """
    comparable = [
        name
        for name, expected in reference.items()
        if name in outputs
        and outputs[name].shape == expected.shape
        and len(expected) >= LEAST_SAMPLES
        and np.isfinite(outputs[name]).all()
    ]
    wrong = [name for name in comparable if not _fits(outputs[name], reference[name], limits[name])]
    for one, other in combinations(wrong, 2):
        if (
            outputs[one].shape == outputs[other].shape
            and _fits(outputs[one], reference[other], limits[other])
            and _fits(outputs[other], reference[one], limits[one])
        ):
            return f"outputs '{one}' and '{other}' are swapped"
    for name in wrong:
        got = _by_channel(outputs[name])
        if words := _explain_channels(name, got, _by_channel(reference[name]), limits[name]):
            return words
    return ""


def _explain_channels(name: str, got: Array, expected: Array, limit: Array) -> str:
    """Explain one output, arrays of shape (samples, channels)."""
    off = np.abs(got - expected).max(axis=0) > limit
    wrong = np.flatnonzero(off)[:MOST_CHANNELS].tolist()
    for i, j in combinations(wrong, 2):
        crossed = got[:, [j, i]] - expected[:, [i, j]]
        if (np.abs(crossed).max(axis=0) <= limit[[i, j]]).all():
            return f"channels {i} and {j} of output '{name}' are swapped"
    for channel in wrong:
        values, exact, allowed = got[:, channel], expected[:, channel], limit[channel]
        where = f"channel {channel} of output '{name}'"
        if np.ptp(exact) <= 4 * allowed:
            continue  # it hardly varies, so everything would explain it
        if np.ptp(values) == 0:
            return f"{where} is {values[0] + 0.0:g} in every sample"
        if np.abs(values + exact).max() <= allowed:
            return f"{where} has its sign flipped in every sample"
        factor = float(values @ exact / (exact @ exact))
        if np.abs(values - factor * exact).max() <= allowed:
            return f"{where} is {factor:.6g} times the reference in every sample"
        (factor, shift), *_ = np.linalg.lstsq(
            np.stack([exact, np.ones_like(exact)], axis=1), values, rcond=None
        )
        if np.abs(values - factor * exact - shift).max() <= allowed:
            return f"{where} is {factor:.6g} times the reference, plus {shift:.3g}"
    return ""


def _fits(got: Array, expected: Array, limit: Array) -> bool:
    if limit.shape != channel_max(expected).shape:
        return False
    return bool((channel_max(np.asarray(got, np.float64) - expected) <= limit).all())


def _by_channel(values: Array) -> Array:
    """Return shape (samples, channels); what lies behind the second axis counts as samples."""
    values = np.asarray(values, np.float64)
    if values.ndim == 1:
        return values[:, None]
    return np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
