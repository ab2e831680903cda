"""How far values lie from a reference, one number a channel.

Every function takes a reference and values of one shape (batch,) or (batch, channels, ...), of any
real dtype, computes in float64, and returns float64 of shape (channels,). ``pooled`` makes one
channel of all, which is what "overall" means here. NaN, Inf or another shape raise
:class:`ParityError`, which names the first sample; they never become a number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from spinn_edge.accuracy.metrics import regression as metrics
from spinn_edge.accuracy.metrics.faults import refuse_faults
from spinn_edge.accuracy.parity import channel_scale as channel_scale
from spinn_edge.core.errors import UsageError
from spinn_edge.core.tensors import Array

RELATIVE_FLOOR = 1e-3
"""Share of a channel's scale below which a reference value no longer divides: near zero a relative
error says nothing, and 0 / 0 is NaN."""


def pooled(values: Array) -> Array:
    """Return all elements as one channel, shape (elements, 1)."""
    return values.reshape(-1, 1)


def channel_columns(values: Array) -> npt.NDArray[np.float64]:
    """Return one float64 column a channel, shape (elements of a channel, channels)."""
    values = np.asarray(values, np.float64)
    return (
        values[:, None]
        if values.ndim == 1
        else np.moveaxis(values, 1, -1).reshape(-1, values.shape[1])
    )


def mean_absolute_error(reference: Array, values: Array) -> Array:
    """Return the mean of the absolute differences, reference units."""
    return np.asarray(np.abs(_difference(reference, values)).mean(axis=0))


def mean_squared_error(reference: Array, values: Array) -> Array:
    """Return the mean of the squared differences, reference units squared."""
    return np.asarray((_difference(reference, values) ** 2).mean(axis=0))


def root_mean_squared_error(reference: Array, values: Array) -> Array:
    """Return the root of the mean squared difference, reference units."""
    return np.asarray(np.sqrt(mean_squared_error(reference, values)))


def max_abs_error(reference: Array, values: Array) -> Array:
    """Return the largest absolute difference, reference units."""
    return np.asarray(np.abs(_difference(reference, values)).max(axis=0))


def r2(reference: Array, values: Array) -> Array:
    """Return the coefficient of determination; NaN for a constant reference, which defines none.

    Source: :func:`spinn_edge.accuracy.metrics.regression.r2_score`.
    """
    refuse_faults(reference, values)
    columns = channel_columns(reference)
    score = metrics.r2_score(columns, channel_columns(values))
    return np.where(constant_channels(reference), np.nan, score)


def constant_channels(values: Array) -> Array:
    """Tell which channels hold one number in every element; bool, shape (channels,)."""
    columns = channel_columns(values)
    return np.asarray((columns == columns[:1]).all(axis=0))


def data_range(reference: Array) -> Array:
    """Return largest less smallest value, reference units."""
    return np.asarray(np.ptp(channel_columns(reference), axis=0))


def psnr(reference: Array, values: Array, span: float | None = None) -> Array:
    """Return the peak signal-to-noise ratio, decibel.

    Args:
        reference: the signal.
        values: the signal with its noise.
        span: data range; None for that of the reference in each channel (largest less smallest
            value).

    Returns:
        Infinity where both are equal; NaN where the range is 0 and they are not, which defines
        none.

    Raises:
        UsageError: a range that is no positive number.

    Source: 10 log10(range^2 / MSE), as in scikit-image's ``peak_signal_noise_ratio``.
    """
    error = mean_squared_error(reference, values)
    peak = data_range(reference) if span is None else np.full(error.shape, _positive(span, "span"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 20 * np.log10(peak) - 10 * np.log10(error)
    return np.where(error == 0, np.inf, np.where(peak == 0, np.nan, ratio))


def cosine_similarity(reference: Array, values: Array) -> Array:
    """Return the cosine of the angle between the two, in [-1, 1].

    Two vectors of zeros are alike (1); a vector of zeros and any other have nothing in common (0).
    """
    refuse_faults(reference, values)
    first, first_zero = _unit(channel_columns(reference))
    second, second_zero = _unit(channel_columns(values))
    cosine = np.clip((first * second).sum(axis=0), -1.0, 1.0)
    return np.where(first_zero | second_zero, (first_zero & second_zero).astype(float), cosine)


def error_over_scale(reference: Array, values: Array) -> Array:
    """Return the largest absolute difference over the channel's scale."""
    return np.asarray(max_abs_error(reference, values) / channel_scale(reference))


def relative_floor(reference: Array, floor: float | None = None) -> Array:
    """Return what a reference value is at least taken for when it divides, reference units.

    Args:
        reference: values that divide.
        floor: for every channel; None for ``RELATIVE_FLOOR`` of each channel's scale.

    Raises:
        UsageError: a floor that is no positive number.
    """
    scale = channel_scale(reference)
    return (
        RELATIVE_FLOOR * scale if floor is None else np.full(scale.shape, _positive(floor, "floor"))
    )


def relative_errors(reference: Array, values: Array, floor: float | None = None) -> Array:
    """Return each element's absolute difference over its reference's magnitude, floored.

    Args:
        reference: values that divide.
        values: what is held against them.
        floor: see :func:`relative_floor`.

    Returns:
        float64, shape (elements of a channel, channels).
    """
    difference = np.abs(_difference(reference, values))
    least = relative_floor(reference, floor)
    return np.asarray(difference / np.maximum(np.abs(channel_columns(reference)), least))


def max_relative_error(reference: Array, values: Array, floor: float | None = None) -> Array:
    """Return the largest of :func:`relative_errors`."""
    return np.asarray(relative_errors(reference, values, floor).max(axis=0))


def mean_relative_error(reference: Array, values: Array, floor: float | None = None) -> Array:
    """Return the mean of :func:`relative_errors`.

    Source: with a floor of 2.2e-16 it is scikit-learn's ``mean_absolute_percentage_error``.
    """
    return np.asarray(relative_errors(reference, values, floor).mean(axis=0))


def worst_samples(reference: Array, values: Array) -> Array:
    """Return the sample, counted from 0, with each channel's largest difference; int."""
    refuse_faults(reference, values)
    count = len(reference)
    difference = np.abs(_difference(reference, values))
    return np.asarray(np.argmax(difference, axis=0) // (len(difference) // count))


def _difference(reference: Array, values: Array) -> npt.NDArray[np.float64]:
    refuse_faults(reference, values)
    return channel_columns(values) - channel_columns(reference)


def _unit(columns: npt.NDArray[np.float64]) -> tuple[Array, Array]:
    """Return columns of length 1, and which of them are zeros; no square over- or underflows."""
    largest = np.abs(columns).max(axis=0)
    zero = largest == 0
    scaled = columns / np.where(zero, 1.0, largest)
    length = np.sqrt((scaled**2).sum(axis=0))
    return scaled / np.where(zero, 1.0, length), zero


def _positive(value: float, name: str) -> float:
    if not (np.isfinite(value) and value > 0):
        raise UsageError(f"{name}={value}: expected a number above 0")
    return float(value)
