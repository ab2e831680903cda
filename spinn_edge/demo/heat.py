"""Spindle heat: two lumped bodies, shaft and housing, and what their warmth moves.

The shaft is heated by bearing friction and rotor losses and cooled by the fluid pumped through it
to the cutter; the housing takes the rest and gives it to the room. A thermometer sees the housing,
but the nose moves mostly with the shaft, whose warmth is heat over conductance: a quotient, not a
sum.

Assumptions:
    Two isothermal bodies, constant oil viscosity, no radiation: the balance is linear in the
    temperatures, which is what lets the tests check it against closed forms.
    ``SpindleConstants`` states the unit and origin of every constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.demo.ode import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SpindleConstants:
    """A small motor spindle; all values chosen by us to be plausible unless said otherwise."""

    shaft_j_per_k: float = 800.0  # about 1.7 kg of steel: a light, hollow shaft
    housing_j_per_k: float = 5000.0  # about 10 kg of steel
    bearing_w_per_k: float = 2.5  # shaft to housing, through balls and oil
    room_w_per_k: float = 15.0  # housing to the room
    coolant_w_per_k: float = 20.0  # shaft to the fluid inside it at the reference flow
    coolant_flow_l_per_min: float = 8.0  # reference flow
    coolant_exponent: float = 0.8  # Nu ~ Re^0.8, turbulent pipe flow: Incropera & DeWitt
    bearings: int = 4
    pitch_diameter_mm: float = 65.0
    viscosity_mm2_per_s: float = 22.0
    lubrication_factor: float = 2.0  # f0; tables give 1.7 to 2 for oil mist and angular contact
    load_factor: float = 1e-3  # f1; order of the tables
    rotor_ohm: float = 0.6  # effective, all losses that grow with the current squared
    stator_ohm: float = 1.2  # likewise
    expansion_per_k: float = 11.5e-6  # steel; literature
    shaft_length_m: float = 0.13  # from the locating bearing to the nose
    housing_length_m: float = 0.02  # from the flange to the locating bearing
    reference_c: float = 20.0  # ISO 1: reference temperature for dimensions


SPINDLE = SpindleConstants()


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatLoad:
    """What heats and cools the spindle; every array has the same shape."""

    shaft_w: FloatArray
    housing_w: FloatArray
    coolant_w_per_k: FloatArray
    coolant_c: FloatArray
    room_c: FloatArray


def bearing_friction_w(
    speed_rpm: FloatArray, load_n: FloatArray, constants: SpindleConstants = SPINDLE
) -> FloatArray:
    """Return the friction power of all bearings, W.

    Source:
        M0 = 1e-7 f0 (nu n)^(2/3) dm^3 and M1 = f1 F dm, N mm: Palmgren, as given in Harris,
        "Rolling Bearing Analysis", chapter on friction torque.
    """
    viscous_nmm = (
        1e-7
        * constants.lubrication_factor
        * (constants.viscosity_mm2_per_s * speed_rpm) ** (2.0 / 3.0)
        * constants.pitch_diameter_mm**3
    )
    # The load is shared by the bearings, so its torque is counted once.
    load_nmm = constants.load_factor * load_n * constants.pitch_diameter_mm
    torque_nm = 1e-3 * (constants.bearings * viscous_nmm + load_nmm)
    return torque_nm * speed_rpm * (2.0 * np.pi / 60.0)


def heat_load(
    *,
    speed_rpm: FloatArray,
    load_n: FloatArray,
    current_a: FloatArray,
    coolant_flow_l_per_min: FloatArray,
    coolant_c: FloatArray,
    room_c: FloatArray,
    constants: SpindleConstants = SPINDLE,
) -> HeatLoad:
    """Return the heat load; friction heat is shared equally by inner and outer rings."""
    friction_w = bearing_friction_w(speed_rpm, load_n, constants)
    flow = coolant_flow_l_per_min / constants.coolant_flow_l_per_min
    return HeatLoad(
        shaft_w=0.5 * friction_w + constants.rotor_ohm * current_a**2,
        housing_w=0.5 * friction_w + constants.stator_ohm * current_a**2,
        coolant_w_per_k=constants.coolant_w_per_k * flow**constants.coolant_exponent,
        coolant_c=coolant_c,
        room_c=room_c,
    )


def temperature_rates_k_per_s(
    shaft_c: FloatArray,
    housing_c: FloatArray,
    load: HeatLoad,
    constants: SpindleConstants = SPINDLE,
) -> tuple[FloatArray, FloatArray]:
    """Return the warming of shaft and housing, K/s.

    Source:
        Lumped capacitance, C dT/dt = Q - sum of h A (T - T_neighbour): Incropera & DeWitt,
        "Fundamentals of Heat and Mass Transfer", chapter on transient conduction.
    """
    across_w = constants.bearing_w_per_k * (shaft_c - housing_c)
    coolant_w = load.coolant_w_per_k * (shaft_c - load.coolant_c)
    room_w = constants.room_w_per_k * (housing_c - load.room_c)
    return (
        (load.shaft_w - across_w - coolant_w) / constants.shaft_j_per_k,
        (load.housing_w + across_w - room_w) / constants.housing_j_per_k,
    )


def nose_displacement_um(
    shaft_c: FloatArray, housing_c: FloatArray, constants: SpindleConstants = SPINDLE
) -> FloatArray:
    """Return the axial displacement of the spindle nose, micrometres from its place at 20 C.

    Source:
        Linear expansion, delta = alpha L dT, of two lengths in series: housing from the flange to
        the locating bearing, shaft from there to the nose.
    """
    shaft_k_m = constants.shaft_length_m * (shaft_c - constants.reference_c)
    housing_k_m = constants.housing_length_m * (housing_c - constants.reference_c)
    return 1e6 * constants.expansion_per_k * (shaft_k_m + housing_k_m)
