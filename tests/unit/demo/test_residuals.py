"""The reference residuals against the simulator that they describe, sensors without noise."""

from dataclasses import dataclass, fields

import numpy as np
import pytest
import torch

from spinn_edge.core.derivatives import parse_derivatives
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.slopes import parse_monotone
from spinn_edge.demo import milling
from spinn_edge.demo.cut import cutting_forces
from spinn_edge.demo.heat import nose_displacement_um
from spinn_edge.demo.residuals import (
    DRIFTING,
    MONOTONE,
    _State,
    force_balance,
    heat_balance,
    wear_law,
)
from spinn_edge.demo.schedule import draw_schedule
from spinn_edge.demo.sensors import SensorConstants, read_cut, read_surroundings
from spinn_edge.demo.table import FEATURES, TARGETS
from spinn_edge.demo.wear import LIFE_WEAR_MM
from spinn_edge.training.physics.collocation import Collocation
from spinn_edge.training.physics.lesson import recipe_names
from spinn_edge.training.physics.units import Units

TOOLS, ROWS = 3, 3000
SILENT = SensorConstants(**{f.name: 0.0 for f in fields(SensorConstants) if "noise" in f.name})


@dataclass(frozen=True)
class Life:
    """Noise-free lives in steps of some seconds; arrays (tools, rows) or (tools, rows, columns)."""

    x: np.ndarray
    y: np.ndarray
    within_job: np.ndarray
    wear_factor: np.ndarray

    def rate_per_min(self, values: np.ndarray) -> np.ndarray:
        """Central differences by cutting time, at the inner rows."""
        minutes = self.x[:, :, 0]
        return (values[:, 2:] - values[:, :-2]) / (minutes[:, 2:] - minutes[:, :-2])

    def inner(self) -> tuple[np.ndarray, np.ndarray]:
        """x and y at rows whose neighbours are of the same job, (rows, columns)."""
        return self.x[:, 1:-1][self.within_job], self.y[:, 1:-1][self.within_job]


@pytest.fixture(scope="module")
def life() -> Life:
    rng = np.random.default_rng(5)
    schedule = draw_schedule(rng, tools=TOOLS, rows=ROWS)
    wear_mm, shaft_c, housing_c = milling._integrate(schedule)
    cut = schedule.cut
    forces = cutting_forces(cut, wear_mm, schedule.hardness)
    columns = {
        "cutting_time_min": np.cumsum(schedule.cutting_s, axis=1) / 60.0,
        "cutting_speed_m_per_min": 60.0 * cut.cutting_speed_m_per_s,
        "feed_per_tooth_mm": cut.feed_per_tooth_mm,
        "axial_depth_mm": cut.axial_depth_mm,
        "radial_depth_mm": cut.radial_depth_mm,
        **read_cut(cut, forces, schedule.duty, rng, SILENT),
        **read_surroundings(schedule, housing_c, rng, SILENT),
    }
    feed = cut.feed_per_tooth_mm
    return Life(
        x=np.stack([columns[name] for name in FEATURES], axis=-1),
        y=np.stack([wear_mm, nose_displacement_um(shaft_c, housing_c)], axis=-1),
        # two rows on either side, so that a difference never spans a change of job
        within_job=(feed[:, 2:] == feed[:, 1:-1]) & (feed[:, 1:-1] == feed[:, :-2]),
        wear_factor=np.broadcast_to(schedule.wear_factor, feed.shape)[:, 1:-1],
    )


def along_life(life: Life, function, output: int) -> dict[str, np.ndarray]:
    """Derivatives of a function of time alone, which is what a life is."""
    slope = life.rate_per_min(life.y[:, :, output])[life.within_job]
    zero = np.zeros_like(slope)
    return {
        request: slope if request.endswith("cutting_time_min") else zero
        for request in function.derivatives
    }


def test_simulated_wear_obeys_the_wear_law_but_for_the_tools_own_factor(life):
    x, y = life.inner()
    left = wear_law(x, y, along_life(life, wear_law, 0))

    apart = np.abs(left + 1 - life.wear_factor[life.within_job])
    assert np.sqrt((apart**2).mean()) < 2e-3
    assert (
        apart.max() < 0.03
    )  # in the first steps of a fresh edge, where the differences are coarse
    assert np.abs(left).max() < 0.25  # three standard deviations of the factor


def test_simulated_displacement_obeys_the_heat_balance(life):
    x, y = life.inner()
    left = heat_balance(x, y, along_life(life, heat_balance, 1))

    assert np.sqrt((left**2).mean()) < 5e-3
    assert np.abs(left).max() < 0.1  # in the first seconds of a job, likewise


def test_simulated_wear_is_what_the_forces_say(life):
    x, y = life.inner()
    assert np.abs(force_balance(x, y, {})).max() < 1e-9


@pytest.mark.parametrize("name", DRIFTING)
def test_sensors_drift_as_the_laws_say(life, name):
    x, y = life.inner()
    found = life.rate_per_min(life.x[:, :, FEATURES.index(name)])[life.within_job]

    expected = _State(x, y).drifts_per_min()[name]
    if name not in ("cutting_time_min", "spindle_housing_temperature_c"):
        expected = expected * life.wear_factor[life.within_job]  # it drifts with the true wear

    np.testing.assert_allclose(found, expected, rtol=0, atol=0.01 * np.abs(found).max())


class Balanced(torch.nn.Module):
    """Wear as the forces tell it, and no displacement: a network that obeys Usui's law exactly."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        wear = -LIFE_WEAR_MM * force_balance(x, torch.zeros(len(x), 2).to(x), {})
        return torch.stack([wear, 0 * wear], dim=1)


def test_wear_read_off_the_forces_obeys_the_wear_law_by_its_partial_derivatives(life):
    x = torch.from_numpy(life.inner()[0][::500])
    names = recipe_names(DataRecipe(features=FEATURES, targets=TARGETS))
    wanted = parse_derivatives(wear_law.derivatives, names)

    y, derivatives = Units().evaluate(Balanced(), x, wanted)

    assert wear_law(x, y, derivatives).abs().max() < 1e-9
    assert derivatives["tool_wear:force_x_n"].abs().max() > 1e-6


def test_signs_that_are_promised_hold_for_wear_read_off_the_forces(life):
    x = torch.from_numpy(life.inner()[0][::50])
    names = recipe_names(DataRecipe(features=FEATURES, targets=TARGETS))
    slopes = parse_monotone(MONOTONE, names)

    _, found = Units().evaluate(Balanced(), x, tuple(one.derivative for one in slopes))

    assert (found["tool_wear:force_y_n"] < 0).all()
    assert (found["tool_wear:cutting_time_min"] == 0).all()


@pytest.mark.parametrize("function", [force_balance, wear_law, heat_balance])
def test_one_function_serves_arrays_and_tensors(life, function):
    x, y = (values[::100] for values in life.inner())
    rng = np.random.default_rng(0)
    derivatives = {request: rng.normal(size=len(x)) for request in function.derivatives}

    of_arrays = function(x, y, derivatives)
    of_tensors = function(
        torch.from_numpy(x),
        torch.from_numpy(y),
        {request: torch.from_numpy(values) for request, values in derivatives.items()},
    )

    assert isinstance(of_arrays, np.ndarray)
    np.testing.assert_allclose(of_tensors.numpy(), of_arrays, rtol=1e-10)


@pytest.mark.parametrize("function", [force_balance, wear_law, heat_balance])
def test_an_untrained_network_at_any_sampled_point_gives_finite_values_and_gradients(
    life, function
):
    rows = life.x[:, ::40].reshape(-1, len(FEATURES))
    x = Collocation(rows, count=256, sampling="uniform", seed=0).points.double()
    y = torch.randn(len(x), 2, dtype=torch.float64, requires_grad=True)
    derivatives = {request: torch.randn(len(x)) for request in function.derivatives}

    left = function(x, 10 * y, derivatives)
    left.square().mean().backward()

    assert torch.isfinite(left).all()
    assert y.grad is not None
    assert torch.isfinite(y.grad).all()
