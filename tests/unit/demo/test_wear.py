from functools import partial

import numpy as np
import pytest

from spinn_edge.demo.cut import Cut, cutting_forces
from spinn_edge.demo.ode import rk4_step
from spinn_edge.demo.wear import (
    LIFE_WEAR_MM,
    TAYLOR,
    flank_temperature_k,
    planned_life_s,
    wear_rate_mm_per_s,
)

ONE = np.ones(1)


def cut_at(speed_m_per_s, feed_mm=0.08, radial_mm=6.0) -> Cut:
    speed = np.atleast_1d(np.asarray(speed_m_per_s, dtype=np.float64))
    like = np.ones_like(speed)
    return Cut(
        diameter_mm=16.0 * like,
        cutting_speed_m_per_s=speed,
        feed_per_tooth_mm=feed_mm * like,
        axial_depth_mm=3.0 * like,
        radial_depth_mm=radial_mm * like,
    )


def life_s(cut: Cut, factor: float = 1.0) -> np.ndarray:
    """Cutting time to the life criterion: the integral of dVB over the rate, by midpoints."""
    edges_mm = np.linspace(0.0, LIFE_WEAR_MM, 2001)[:, None]
    middle_mm = 0.5 * (edges_mm[1:] + edges_mm[:-1])
    return (edges_mm[1] / wear_rate_mm_per_s(cut, middle_mm, np.full(1, factor))).sum(axis=0)


def test_taylor_exponent_is_recovered_within_5_percent() -> None:
    speed = np.geomspace(1.7, 3.5, 20)
    slope = np.polyfit(np.log(speed), np.log(life_s(cut_at(speed))), 1)[0]
    assert -1.0 / slope == pytest.approx(TAYLOR.speed_exponent, rel=0.05)


@pytest.mark.parametrize("feed_mm", [0.05, 0.12])
@pytest.mark.parametrize("radial_mm", [2.0, 9.6])
def test_plan_agrees_with_the_wear_law_within_25_percent(feed_mm, radial_mm) -> None:
    cut = cut_at(np.linspace(1.7, 3.5, 10), feed_mm, radial_mm)
    np.testing.assert_allclose(planned_life_s(cut), life_s(cut), rtol=0.25)


@pytest.mark.parametrize(
    ("gentle", "harsh"),
    [
        (cut_at(2.0), cut_at(3.0)),
        (cut_at(2.5, feed_mm=0.05), cut_at(2.5, feed_mm=0.1)),
        (cut_at(2.5, radial_mm=2.0), cut_at(2.5, radial_mm=8.0)),
    ],
    ids=["speed", "feed", "engagement"],
)
def test_harsher_cut_shortens_life(gentle, harsh) -> None:
    assert life_s(harsh) < life_s(gentle)
    assert planned_life_s(harsh) < planned_life_s(gentle)


def test_twice_the_wear_factor_halves_the_life() -> None:
    cut = cut_at(2.5)
    np.testing.assert_allclose(life_s(cut, 2.0), 0.5 * life_s(cut), rtol=1e-12)


def test_wear_breaks_in_settles_and_accelerates() -> None:
    fresh, steady, worn = (
        wear_rate_mm_per_s(cut_at(2.5), np.array([vb]), ONE) for vb in (0.0, 0.1, 0.4)
    )
    assert fresh > steady < worn


def test_worn_flank_is_hotter() -> None:
    cut = cut_at(2.5)
    assert flank_temperature_k(cut, 0.3 * ONE) > flank_temperature_k(cut, 0.0 * ONE)


def test_wear_shows_most_in_the_radial_force() -> None:
    sharp, worn = (cutting_forces(cut_at(2.5), vb * ONE, ONE) for vb in (0.0, 0.3))
    radial, tangential = worn.radial_n / sharp.radial_n, worn.tangential_n / sharp.tangential_n
    assert radial > tangential > 1.0


def test_wear_rate_integrated_in_time_reaches_the_criterion_at_the_life() -> None:
    cut, steps = cut_at(2.5), 200
    rate = partial(wear_rate_mm_per_s, cut, wear_factor=ONE)
    step_s = life_s(cut) / steps
    wear_mm = np.zeros(1)
    for _ in range(steps):
        wear_mm = rk4_step(rate, wear_mm, step_s)
    np.testing.assert_allclose(wear_mm, LIFE_WEAR_MM, rtol=2e-3)
