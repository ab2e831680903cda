"""One integrator for wear and heat alike."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def rk4_step(
    rate_per_s: Callable[[FloatArray], FloatArray], state: FloatArray, step_s: FloatArray
) -> FloatArray:
    """Advance ``state`` by one classical Runge-Kutta step.

    Args:
        rate_per_s: Time derivative of the state; same shape as the state.
        state: Shape (variables, tools).
        step_s: Shape (tools,); tools may step at different paces.

    Returns:
        The state after ``step_s`` seconds, shape (variables, tools).

    Source:
        Hairer, Norsett, Wanner, "Solving Ordinary Differential Equations I", chapter II.1.
    """
    k1 = rate_per_s(state)
    k2 = rate_per_s(state + 0.5 * step_s * k1)
    k3 = rate_per_s(state + 0.5 * step_s * k2)
    k4 = rate_per_s(state + step_s * k3)
    return state + step_s / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
