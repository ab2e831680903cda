"""How much rounding noise a computed function carries, found from its own values."""

from __future__ import annotations

import numpy as np

from spinn_edge.core.tensors import Array

POINTS = 9
"""Values that one estimate is made from; the paper finds 7 to 9 enough."""

_AGREEMENT = 4.0


def noise_level(values: Array) -> float:
    """Return the standard deviation of the noise in values at equally spaced points.

    Differences of rising order remove what is smooth and leave noise, which they amplify by a known
    factor. The first order whose estimate agrees with the next two, within a factor of 4, and whose
    differences change sign, is taken; where none does, the median of the estimates from the third
    order on.

    Args:
        values: float64, shape (points,), at least 5.

    Source: Moré and Wild (2011), "Estimating computational noise", SIAM J. Sci. Comput. 33(3):
    algorithm ECnoise.
    """
    differences = np.asarray(values, np.float64)
    levels, changes_sign = [], []
    gamma = 1.0  # (k!)^2 / (2k)!
    for order in range(1, len(differences)):
        differences = np.diff(differences)
        gamma *= 0.5 * order / (2 * order - 1)
        levels.append(float(np.sqrt(gamma * np.mean(differences**2))))
        changes_sign.append(bool(differences.min() * differences.max() < 0))
    for first in range(len(levels) - 2):
        three = levels[first : first + 3]
        if max(three) <= _AGREEMENT * min(three) and changes_sign[first]:
            return levels[first]
    return float(np.median(levels[2:]))


def mostly_equal(values: Array) -> bool:
    """Tell whether half of the neighbours or more are equal: the points lie too close together.

    Source: as :func:`noise_level`, section 5.
    """
    return 2 * int((np.diff(values) == 0).sum()) >= len(values)
