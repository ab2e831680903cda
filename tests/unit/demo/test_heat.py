import numpy as np
import pytest

from spinn_edge.demo.heat import (
    SPINDLE,
    HeatLoad,
    bearing_friction_w,
    heat_load,
    nose_displacement_um,
    temperature_rates_k_per_s,
)
from spinn_edge.demo.milling import MAX_STEP_S
from spinn_edge.demo.ode import rk4_step
from spinn_edge.demo.schedule import RANGES


def load_at(flow_l_per_min: float = 8.0, speed_rpm: float = 4000.0) -> HeatLoad:
    return heat_load(
        speed_rpm=np.array([speed_rpm]),
        load_n=np.array([300.0]),
        current_a=np.array([8.0]),
        coolant_flow_l_per_min=np.array([flow_l_per_min]),
        coolant_c=np.array([22.0]),
        room_c=np.array([25.0]),
    )


def steady_temperatures_c(
    load: HeatLoad,
) -> tuple[np.ndarray, np.ndarray]:
    """Return shaft and housing temperatures after a long time under a constant load, Celsius."""
    # Two linear balances, solved by Cramer's rule.
    across, room, coolant = SPINDLE.bearing_w_per_k, SPINDLE.room_w_per_k, load.coolant_w_per_k
    shaft_w = load.shaft_w + coolant * load.coolant_c
    housing_w = load.housing_w + room * load.room_c
    determinant = across * coolant + across * room + coolant * room
    return (
        ((across + room) * shaft_w + across * housing_w) / determinant,
        ((across + coolant) * housing_w + across * shaft_w) / determinant,
    )


def warm_up(load: HeatLoad, *, start_c: float, step_s: float, steps: int) -> np.ndarray:
    state = np.full((2, 1), start_c)
    for _ in range(steps):
        state = rk4_step(
            lambda s: np.stack(temperature_rates_k_per_s(s[0], s[1], load)),
            state,
            np.array([step_s]),
        )
    return state


def test_constant_load_follows_the_closed_form() -> None:
    load, start_c, time_s = load_at(), 20.0, 300.0
    across, coolant = SPINDLE.bearing_w_per_k, load.coolant_w_per_k[0]
    matrix = np.array(
        [
            [-(across + coolant) / SPINDLE.shaft_j_per_k, across / SPINDLE.shaft_j_per_k],
            [
                across / SPINDLE.housing_j_per_k,
                -(across + SPINDLE.room_w_per_k) / SPINDLE.housing_j_per_k,
            ],
        ]
    )
    # T(t) = T_inf + V exp(L t) V^-1 (T_0 - T_inf), the solution of a linear ODE.
    values, vectors = np.linalg.eig(matrix)
    steady_c = np.stack(steady_temperatures_c(load))
    modes = np.linalg.solve(vectors, start_c - steady_c)
    exact_c = steady_c + vectors @ (np.exp(values * time_s)[:, None] * modes)

    np.testing.assert_allclose(
        warm_up(load, start_c=start_c, step_s=3.0, steps=100), exact_c, rtol=1e-6
    )


@pytest.mark.parametrize("flow_l_per_min", RANGES.coolant_flow_l_per_min)
def test_longest_step_reaches_the_steady_state(flow_l_per_min) -> None:
    load = load_at(flow_l_per_min)
    state = warm_up(load, start_c=20.0, step_s=MAX_STEP_S, steps=400)
    np.testing.assert_allclose(state, np.stack(steady_temperatures_c(load)), rtol=1e-9)


def test_steady_state_balances_heat_in_and_out() -> None:
    load = load_at()
    shaft_c, housing_c = steady_temperatures_c(load)
    out_w = load.coolant_w_per_k * (shaft_c - load.coolant_c) + SPINDLE.room_w_per_k * (
        housing_c - load.room_c
    )
    np.testing.assert_allclose(out_w, load.shaft_w + load.housing_w)


def test_integrator_error_falls_with_the_fourth_power_of_the_step() -> None:
    def error(steps: int) -> float:
        state = np.ones(1)
        for _ in range(steps):
            state = rk4_step(lambda s: -s, state, np.array([1.0 / steps]))
        return abs(float(state[0]) - np.exp(-1.0))

    assert error(10) / error(20) == pytest.approx(16.0, rel=0.1)


def test_friction_without_load_follows_palmgren() -> None:
    # f0 = 2, nu = 22 mm2/s, n = 4000 rpm, dm = 65 mm, four bearings, worked by hand.
    torque_nm = 4 * 1e-7 * 2.0 * (22.0 * 4000.0) ** (2 / 3) * 65.0**3 * 1e-3
    watts = bearing_friction_w(np.array([4000.0]), np.zeros(1))
    np.testing.assert_allclose(watts, torque_nm * 4000.0 * 2.0 * np.pi / 60.0)


def test_friction_grows_with_speed_to_the_five_thirds() -> None:
    slow, fast = bearing_friction_w(np.array([2000.0, 4000.0]), np.zeros(2))
    assert fast / slow == pytest.approx(2.0 ** (5 / 3))


def test_faster_spindle_is_warmer_and_more_coolant_is_cooler() -> None:
    base, fast, flooded = (
        nose_displacement_um(*steady_temperatures_c(load))
        for load in (load_at(), load_at(speed_rpm=6000.0), load_at(flow_l_per_min=16.0))
    )
    assert flooded < base < fast


def test_no_displacement_at_the_reference_temperature() -> None:
    assert nose_displacement_um(np.array([20.0]), np.array([20.0])) == 0.0
