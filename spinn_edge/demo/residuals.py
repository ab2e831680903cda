"""What the demo's physics says about a network on the demo's columns: reference residuals.

A network reads sensors; the laws speak of the tool's state and of its change in time. They meet in
the total derivative along a tool's life within one job, where the commanded conditions stand still
and the sensors drift only because the tool wears and the housing warms:

    dy/dt = dy/d(cutting time) + sum over sensors s of dy/ds * ds/dt

Each ds/dt follows from the columns and from the network's own outputs by the laws that the
simulator integrates. So ``wear_law`` and ``heat_balance`` are equations in first derivatives.

Each function takes ``(x, y, derivatives)`` as NumPy arrays or as PyTorch tensors, with the columns
of ``FEATURES`` and ``TARGETS`` in their order, and names the derivatives that it needs in its
attribute ``derivatives``.

Assumptions:
    What no column tells is left out, and is the reason why the truth satisfies these equations not
    to the last digit: the tool's own factor on Usui's law (a standard deviation of 8 %), the drift
    of the room over a life, and the noise of every sensor. The demo's targets are noise-free and
    its features are not: a network that predicts best from noisy sensors trusts each of them less
    than the laws do, so these residuals need not vanish at the best network.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from spinn_edge.demo.cut import CUT
from spinn_edge.demo.heat import SPINDLE
from spinn_edge.demo.schedule import RANGES
from spinn_edge.demo.sensors import SENSOR
from spinn_edge.demo.table import FEATURES, TARGETS
from spinn_edge.demo.wear import LIFE_WEAR_MM, WEAR

WEAR_SENSORS = (
    "force_x_n",
    "force_y_n",
    "force_z_n",
    "spindle_power_w",
    "spindle_current_a",
    "vibration_spindle_m_per_s2",
    "vibration_table_m_per_s2",
    "acoustic_emission_v",
)
"""Sensors that move because the tool wears."""

HOUSING = "spindle_housing_temperature_c"

DRIFTING = ("cutting_time_min", *WEAR_SENSORS, HOUSING)
"""Columns that change within a job."""

MONOTONE = ("tool_wear:force_y_n:-", "tool_wear:cutting_time_min:+")
"""Signs of slopes that hold in the demo.

The first is a law: see :func:`force_balance`. The second is what is left of "wear never decreases"
once sensors are given: at equal readings the state is the same, so the slope by time alone is 0
in truth, and for noisy readings more cutting time never speaks for less wear.
"""

Values = Any
"""A NumPy array or a PyTorch tensor; the result is of the same kind."""

_WEAR, _DISPLACEMENT = TARGETS
_LEAST_WEAR_MM = 1e-3  # below it an untrained network would ask for the root of a negative number


class ReferenceResidual(Protocol):
    """A residual function that names the derivatives it needs."""

    derivatives: tuple[str, ...]

    def __call__(self, x: Values, y: Values, derivatives: Mapping[str, Values]) -> Values:
        """Return what is left over at each row, shape (rows,)."""


def _needs(*requests: str) -> Callable[[Callable[..., Values]], ReferenceResidual]:
    def name_them(function: Callable[..., Values]) -> ReferenceResidual:
        named: Any = function
        named.derivatives = requests
        residual: ReferenceResidual = named
        return residual

    return name_them


@_needs()
def force_balance(x: Values, y: Values, derivatives: Mapping[str, Values]) -> Values:
    """Return wear less what the forces say it is, in units of the wear that ends a life.

    The land adds a normal force to a sharp cutter's, of which the radial part is in proportion to
    the tangential one, whatever the work's hardness. An equation in values, without derivatives.

    Source: see :func:`spinn_edge.demo.cut.cutting_forces`, of which this is the inverse.
    """
    state = _State(x, y)
    sharp_share = 1.0 - CUT.radial_ratio * CUT.land_friction
    land_n = (state.radial_n - CUT.radial_ratio * state.tangential_n) / sharp_share
    pressed_mm2 = state.teeth_in_cut * state.columns["axial_depth_mm"]
    return (y[:, 0] - land_n / (CUT.land_stress_mpa * pressed_mm2)) / LIFE_WEAR_MM


@_needs(*(f"{_WEAR}:{name}" for name in DRIFTING))
def wear_law(x: Values, y: Values, derivatives: Mapping[str, Values]) -> Values:
    """Return how far wear along a tool's life departs from Usui's law, a share of the law's rate.

    The network's own wear is the state in the law; the tool's own factor counts as 1.

    Source: see :func:`spinn_edge.demo.wear.wear_rate_mm_per_s`.
    """
    state = _State(x, y)
    grown = _along_life(derivatives, _WEAR, state.drifts_per_min())
    return grown / state.wear_rate_mm_per_min - 1.0


@_needs(*(f"{_DISPLACEMENT}:{name}" for name in DRIFTING))
def heat_balance(x: Values, y: Values, derivatives: Mapping[str, Values]) -> Values:
    """Return the heat that the shaft is missing, a share of what flows into it.

    The nose's displacement and the housing's temperature tell the shaft's temperature; the law says
    how fast it changes, the network's derivatives how fast it does. Idling during a cycle, which
    clock time contains and cutting time does not, is read from the motor's current.

    Source: see :func:`spinn_edge.demo.heat.temperature_rates_k_per_s` and
        :func:`spinn_edge.demo.heat.nose_displacement_um`.
    """
    state = _State(x, y)
    moved_um_per_min = _along_life(derivatives, _DISPLACEMENT, state.drifts_per_min())
    clock_s_per_min = 60.0 / state.duty
    moved_um_per_s = moved_um_per_min / clock_s_per_min
    shaft_k_per_s, housing_k_per_s = state.warming_k_per_s()
    expected_um_per_s = _nose_um(shaft_k_per_s, housing_k_per_s)
    shaft_um_per_k = _nose_um(1.0, 0.0)
    missing_w = SPINDLE.shaft_j_per_k * (moved_um_per_s - expected_um_per_s) / shaft_um_per_k
    return missing_w / state.shaft_w


def _along_life(
    derivatives: Mapping[str, Values], target: str, drifts_per_min: Mapping[str, Values]
) -> Values:
    """Return the total derivative of a target, per minute of cutting."""
    slopes = [derivatives[f"{target}:{name}"] * rate for name, rate in drifts_per_min.items()]
    return sum(slopes[1:], slopes[0])


def _nose_um(shaft_k: Values, housing_k: Values) -> Values:
    lengths = SPINDLE.shaft_length_m * shaft_k + SPINDLE.housing_length_m * housing_k
    return 1e6 * SPINDLE.expansion_per_k * lengths


class _State:
    """The tool and the spindle, as the columns and the network's outputs tell them."""

    def __init__(self, x: Values, y: Values) -> None:
        self._math = xp = _functions_of(x)
        self.columns = c = {name: x[:, place] for place, name in enumerate(FEATURES)}
        self.wear_mm = xp.clip(y[:, 0], _LEAST_WEAR_MM, None)
        self.displacement_um = y[:, 1]
        self.speed_m_per_s = c["cutting_speed_m_per_min"] / 60.0
        self.turns_per_s = c["spindle_speed_rpm"] / 60.0
        diameter_mm = 1e3 * self.speed_m_per_s / (math.pi * self.turns_per_s)
        # sampled points may hold a depth and a diameter that no cutter has
        share = xp.clip(c["radial_depth_mm"] / diameter_mm, 0.01, 0.99)
        self.engagement_rad = xp.arccos(1.0 - 2.0 * share)
        self.teeth_in_cut = CUT.teeth * self.engagement_rad / (2.0 * math.pi)
        sine, cosine = xp.sin(0.5 * self.engagement_rad), xp.cos(0.5 * self.engagement_rad)
        self.tangential_n = c["force_x_n"] * cosine + c["force_y_n"] * sine
        self.radial_n = c["force_x_n"] * sine - c["force_y_n"] * cosine
        self._sine, self._cosine = sine, cosine

    @property
    def wear_rate_mm_per_min(self) -> Values:
        """Usui's law for a tool whose own factor is 1, per minute of cutting."""
        xp, c = self._math, self.columns
        speed = self.speed_m_per_s / WEAR.reference_speed_m_per_s
        angle = self.engagement_rad
        chip_mm = c["feed_per_tooth_mm"] * (1.0 - xp.cos(angle)) / angle
        chip = chip_mm / WEAR.reference_chip_mm
        flank_k = (
            WEAR.ambient_k
            + WEAR.chip_rise_k * xp.sqrt(speed) * chip ** (0.5 - CUT.chip_exponent)
            + WEAR.land_rise_k * xp.sqrt(speed * self.wear_mm / LIFE_WEAR_MM)
        )
        edge = WEAR.edge_stress_factor * xp.exp(-self.wear_mm / WEAR.edge_wear_mm)
        depth_mm_per_s = (
            WEAR.usui_a_per_mpa
            * CUT.land_stress_mpa
            * (1.0 + edge)
            * (1e3 * self.speed_m_per_s)
            * xp.exp(-WEAR.usui_b_k / flank_k)
        )
        engaged = self.engagement_rad / (2.0 * math.pi)
        return 60.0 * engaged * depth_mm_per_s / math.tan(WEAR.clearance_rad)

    def drifts_per_min(self) -> dict[str, Values]:
        """Return how fast every column of ``DRIFTING`` changes, per minute of cutting."""
        c, rate = self.columns, self.wear_rate_mm_per_min
        pressed_n_per_mm = self.teeth_in_cut * CUT.land_stress_mpa * c["axial_depth_mm"]
        tangential = CUT.land_friction * pressed_n_per_mm * rate
        radial = pressed_n_per_mm * rate
        power_w = tangential * self.speed_m_per_s / SENSOR.motor_efficiency
        working_a2 = c["spindle_current_a"] ** 2 - SENSOR.magnetising_current_a**2
        current = working_a2 / c["spindle_current_a"] * power_w / c["spindle_power_w"]
        in_plane_n2 = self.tangential_n**2 + self.radial_n**2
        relative = (self.tangential_n * tangential + self.radial_n * radial) / in_plane_n2
        _, housing_k_per_s = self.warming_k_per_s()
        return {
            "cutting_time_min": 1.0 + 0.0 * rate,
            "force_x_n": tangential * self._cosine + radial * self._sine,
            "force_y_n": tangential * self._sine - radial * self._cosine,
            "force_z_n": CUT.helix_ratio * tangential
            - CUT.corner_mm / c["axial_depth_mm"] * radial,
            "spindle_power_w": power_w,
            "spindle_current_a": current,
            "vibration_spindle_m_per_s2": c["vibration_spindle_m_per_s2"] * relative,
            "vibration_table_m_per_s2": c["vibration_table_m_per_s2"] * relative,
            "acoustic_emission_v": 0.5 * c["acoustic_emission_v"] * tangential / self.tangential_n,
            HOUSING: housing_k_per_s * 60.0 / self.duty,
        }

    @property
    def duty(self) -> Values:
        """Cutting time over clock time: what of the current's square goes into the work."""
        c = self.columns
        torque_nm = c["spindle_power_w"] / (2.0 * math.pi * self.turns_per_s)
        working_a2 = c["spindle_current_a"] ** 2 - SENSOR.magnetising_current_a**2
        duty = working_a2 / (SENSOR.current_a_per_nm * torque_nm) ** 2
        return self._math.clip(duty, *RANGES.duty)

    @property
    def shaft_w(self) -> Values:
        """Heat that flows into the shaft."""
        return 0.5 * self._friction_w + SPINDLE.rotor_ohm * self.columns["spindle_current_a"] ** 2

    @property
    def _friction_w(self) -> Values:
        rpm = self.columns["spindle_speed_rpm"]
        viscous_nmm = (
            1e-7
            * SPINDLE.lubrication_factor
            * (SPINDLE.viscosity_mm2_per_s * rpm) ** (2.0 / 3.0)
            * SPINDLE.pitch_diameter_mm**3
        )
        load_n = self.duty * self.radial_n
        load_nmm = SPINDLE.load_factor * load_n * SPINDLE.pitch_diameter_mm
        torque_nm = 1e-3 * (SPINDLE.bearings * viscous_nmm + load_nmm)
        return torque_nm * 2.0 * math.pi * self.turns_per_s

    def warming_k_per_s(self) -> tuple[Values, Values]:
        """Return how fast shaft and housing warm by the law, per second of the clock."""
        c = self.columns
        housing_c = c[HOUSING]
        away_um = self.displacement_um - _nose_um(0.0, housing_c - SPINDLE.reference_c)
        shaft_c = SPINDLE.reference_c + away_um / _nose_um(1.0, 0.0)
        flow = self._math.clip(c["coolant_flow_l_per_min"], 1e-3, None)
        coolant_w_per_k = (
            SPINDLE.coolant_w_per_k
            * (flow / SPINDLE.coolant_flow_l_per_min) ** SPINDLE.coolant_exponent
        )
        housing_w = 0.5 * self._friction_w + SPINDLE.stator_ohm * c["spindle_current_a"] ** 2
        across_w = SPINDLE.bearing_w_per_k * (shaft_c - housing_c)
        coolant_w = coolant_w_per_k * (shaft_c - c["coolant_temperature_c"])
        room_w = SPINDLE.room_w_per_k * (housing_c - c["ambient_temperature_c"])
        return (
            (self.shaft_w - across_w - coolant_w) / SPINDLE.shaft_j_per_k,
            (housing_w + across_w - room_w) / SPINDLE.housing_j_per_k,
        )


def _functions_of(values: Values) -> Any:
    """Return the package whose functions take these values."""
    if isinstance(values, np.ndarray):
        return np
    import torch

    return torch
