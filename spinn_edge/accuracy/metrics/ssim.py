"""Structural similarity of images, through scikit-image."""

from __future__ import annotations

import numpy as np

from spinn_edge.accuracy.metrics.faults import refuse_faults
from spinn_edge.core.errors import UsageError
from spinn_edge.core.optional import require
from spinn_edge.core.tensors import Array

WINDOW = 11
"""Pixels along a side of the window: a Gaussian of ``SIGMA`` cut off at 3.5 of it."""

SIGMA = 1.5
EXTRA = "image"


def has_windows(values: Array) -> bool:
    """Tell whether an output has the shape of images that the window fits into."""
    return values.ndim == 4 and min(values.shape[2:]) >= WINDOW


def structural_similarity(reference: Array, values: Array, span: float | None = None) -> Array:
    """Return the mean SSIM of each image.

    Args:
        reference: shape (batch, channels, height, width), any real dtype.
        values: same shape.
        span: data range; None for that of the reference in each channel over all samples (largest
            less smallest value).

    Returns:
        float64, shape (batch, channels). A channel whose range is 0 gives 1 for images that are
        equal and NaN for others, since nothing says what is much.

    Raises:
        UsageError: no images, images smaller than the window, or a range that is not positive.
        ParityError: NaN, Inf or another shape.
        MissingDependencyError: scikit-image is not installed.

    Source: Wang, Bovik, Sheikh, Simoncelli (2004), "Image quality assessment: from error visibility
    to structural similarity": 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03,
    population covariance. These are scikit-image's settings ``gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False``, as its documentation says; means leave out a border of half a
    window.
    """
    refuse_faults(reference, values)
    if not has_windows(reference):
        raise UsageError(
            f"SSIM is for images, shape [batch, channels, height, width] with sides of at least "
            f"{WINDOW}; got {list(reference.shape)}"
        )
    if span is not None and not (np.isfinite(span) and span > 0):
        raise UsageError(f"span={span}: expected a number above 0")
    measure = require("skimage.metrics", extra=EXTRA).structural_similarity
    first, second = np.asarray(reference, np.float64), np.asarray(values, np.float64)
    similarity = np.empty(first.shape[:2])
    for channel in range(first.shape[1]):
        peak = np.ptp(first[:, channel]) if span is None else span
        for sample in range(len(first)):
            one, other = first[sample, channel], second[sample, channel]
            if peak == 0:
                similarity[sample, channel] = 1.0 if np.array_equal(one, other) else np.nan
                continue
            similarity[sample, channel] = measure(
                one,
                other,
                data_range=peak,
                gaussian_weights=True,
                sigma=SIGMA,
                use_sample_covariance=False,
            )
    return similarity
