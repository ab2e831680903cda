"""Every metric of one output, channel by channel and overall."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spinn_edge.accuracy.metrics import similarity as s
from spinn_edge.accuracy.metrics.faults import refuse_faults
from spinn_edge.accuracy.metrics.ssim import has_windows, structural_similarity
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import MissingDependencyError
from spinn_edge.core.tensors import Array

OVERALL = "overall"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelMetrics:
    """How far one channel lies from its reference; units are those of the output.

    Attributes:
        channel: its name, or its index on axis 1 as text; ``overall`` for all of them.
        mean_abs: mean absolute error.
        mean_squared: mean squared error, output units squared.
        rms: root mean squared error.
        max_abs: largest absolute error.
        worst_sample: where that is, counted from 0.
        scale: largest magnitude of the reference.
        over_scale: ``max_abs`` over ``scale``.
        max_relative: largest absolute error over the reference's magnitude, floored.
        mean_relative: mean of the same.
        relative_floor: what a reference value is at least taken for.
        r2: coefficient of determination; None where the reference is constant.
        psnr_db: None where the range of the reference is 0; infinite for equal outputs.
        data_range: what PSNR and SSIM took for it.
        cosine: of the angle between the two.
        ssim: mean over samples; None for outputs that are no images, and without scikit-image.
    """

    channel: str
    mean_abs: float
    mean_squared: float
    rms: float
    max_abs: float
    worst_sample: int
    scale: float
    over_scale: float
    max_relative: float
    mean_relative: float
    relative_floor: float
    r2: float | None
    psnr_db: float | None
    data_range: float
    cosine: float
    ssim: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputMetrics:
    """Every metric of one output.

    Attributes:
        channels: one for each index of axis 1.
        overall: all elements taken as one channel, but ``r2`` and ``ssim`` the unweighted mean of
            the channels (None if one is), and ``scale``, ``over_scale``, ``max_relative`` and their
            companions those of the channel that is worst by ``over_scale``.
    """

    channels: tuple[ChannelMetrics, ...]
    overall: ChannelMetrics

    @property
    def worst(self) -> ChannelMetrics:
        """The channel with the largest error over its scale."""
        return max(self.channels, key=lambda channel: channel.over_scale)


def measure_output(
    reference: Array,
    values: Array,
    names: Sequence[str] = (),
    *,
    span: float | None = None,
    floor: float | None = None,
) -> OutputMetrics:
    """Compute every metric.

    Args:
        reference: shape (batch,) or (batch, channels, ...), any real dtype.
        values: same shape.
        names: of the channels; empty for their numbers.
        span: data range of PSNR and SSIM; None for that of the reference in each channel.
        floor: of the relative error; None for ``RELATIVE_FLOOR`` of each channel's scale.

    Raises:
        ParityError: NaN, Inf or another shape; names the first sample.
        UsageError: a range or floor that is no positive number.
    """
    refuse_faults(reference, values)
    with np.errstate(over="ignore", invalid="ignore"):  # squares beyond 1e308 become infinite
        return _measured(reference, values, names, span, floor)


def _measured(
    reference: Array,
    values: Array,
    names: Sequence[str],
    span: float | None,
    floor: float | None,
) -> OutputMetrics:
    labels = channel_names(reference, names)
    columns = len(labels)
    images = _similarity_of_images(reference, values, span)
    facts: dict[str, Sequence[Any]] = {
        **_errors(reference, values, span),
        "worst_sample": s.worst_samples(reference, values).tolist(),
        "scale": s.channel_scale(reference).tolist(),
        "over_scale": s.error_over_scale(reference, values).tolist(),
        "max_relative": s.max_relative_error(reference, values, floor).tolist(),
        "mean_relative": s.mean_relative_error(reference, values, floor).tolist(),
        "relative_floor": s.relative_floor(reference, floor).tolist(),
        "r2": [_known(value) for value in s.r2(reference, values).tolist()],
        "ssim": [None] * columns if images is None else images,
    }
    channels = tuple(
        ChannelMetrics(channel=label, **{key: column[i] for key, column in facts.items()})
        for i, label in enumerate(labels)
    )
    return OutputMetrics(channels=channels, overall=_overall(reference, values, channels, span))


def channel_names(values: Array, names: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the names of an output's channels: those given, where they are as many, else numbers.

    Args:
        values: shape (batch,) or (batch, channels, ...).
        names: of channels.
    """
    count = values.shape[1] if values.ndim > 1 else 1
    return tuple(names) if len(names) == count else tuple(map(str, range(count)))


def _errors(reference: Array, values: Array, span: float | None) -> dict[str, Sequence[Any]]:
    """Return the metrics that mean the same for one channel and for all pooled into one."""
    ranges = s.data_range(reference)
    return {
        "mean_abs": s.mean_absolute_error(reference, values).tolist(),
        "mean_squared": s.mean_squared_error(reference, values).tolist(),
        "rms": s.root_mean_squared_error(reference, values).tolist(),
        "max_abs": s.max_abs_error(reference, values).tolist(),
        "psnr_db": [_known(value) for value in s.psnr(reference, values, span).tolist()],
        "data_range": (ranges if span is None else np.full(ranges.shape, float(span))).tolist(),
        "cosine": s.cosine_similarity(reference, values).tolist(),
    }


def _overall(
    reference: Array, values: Array, channels: tuple[ChannelMetrics, ...], span: float | None
) -> ChannelMetrics:
    pooled = {
        key: column[0]
        for key, column in _errors(s.pooled(reference), s.pooled(values), span).items()
    }
    worst = max(channels, key=lambda channel: channel.over_scale)
    largest = max(channels, key=lambda channel: channel.max_abs)
    return ChannelMetrics(
        channel=OVERALL,
        **pooled,
        worst_sample=largest.worst_sample,
        scale=worst.scale,
        over_scale=worst.over_scale,
        max_relative=max(channel.max_relative for channel in channels),
        mean_relative=_mean([channel.mean_relative for channel in channels]) or 0.0,
        relative_floor=worst.relative_floor,
        r2=_mean([channel.r2 for channel in channels]),
        ssim=_mean([channel.ssim for channel in channels]),
    )


def finite_json(value: Any) -> Any:
    """Return ``value`` as JSON types with null for NaN and Inf, which JSON has not."""
    return _without_inf(encode(value))


def _without_inf(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_inf(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_inf(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _similarity_of_images(
    reference: Array, values: Array, span: float | None
) -> list[float | None] | None:
    if not has_windows(reference):
        return None
    try:
        images = structural_similarity(reference, values, span)
    except MissingDependencyError:
        return None
    return [_known(value) for value in images.mean(axis=0).tolist()]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
