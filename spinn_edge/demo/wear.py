"""Flank wear: Usui's law for the physics, Taylor's equation for the plan.

Wear runs through its three stages by two feedbacks and no switch: a fresh edge carries its load on
almost no land, so the stress is high and wear breaks in fast; a wide land rubs and heats the flank,
so wear accelerates at the end.

Assumptions:
    Uniform flank wear, no chipping, no notch; a tooth wears only while engaged.
    ``WearConstants`` and ``TaylorConstants`` state the unit and origin of every constant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.demo.cut import CUT, Cut
from spinn_edge.demo.ode import FloatArray

LIFE_WEAR_MM = 0.3
"""Uniform flank wear that ends a tool's life. Source: ISO 8688-2:1989, end milling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WearConstants:
    """Constants of Usui's law and of the flank temperature; all chosen by us to be plausible.

    Together they give a Taylor exponent near 0.23, in the region usual for carbide.
    """

    usui_a_per_mpa: float = 3.43e-7  # A
    usui_b_k: float = 10_000.0  # B
    clearance_rad: float = 0.1745  # gamma, 10 degrees
    edge_stress_factor: float = 3.0  # extra stress on a fresh edge, in land stresses
    edge_wear_mm: float = 0.04  # land at which break-in is over
    ambient_k: float = 295.0  # what the two rises below start from
    chip_rise_k: float = 700.0  # at the reference cut
    land_rise_k: float = 100.0  # at the reference speed and VB = 0.3 mm
    reference_speed_m_per_s: float = 2.5
    reference_chip_mm: float = 0.05


WEAR = WearConstants()


def flank_temperature_k(
    cut: Cut, wear_mm: FloatArray, constants: WearConstants = WEAR
) -> FloatArray:
    """Return the flank's temperature in kelvin.

    Source:
        Chip: u sqrt(v h), dimensional analysis in Shaw, "Metal Cutting Principles", with Kienzle's
        u ~ h^(-m_c). Land: mu sigma sqrt(v l), a sliding heat source: Jaeger (1942), "Moving
        sources of heat and the temperature at sliding contacts", Proc. Roy. Soc. NSW 76.
    """
    speed = cut.cutting_speed_m_per_s / constants.reference_speed_m_per_s
    chip = cut.mean_chip_mm / constants.reference_chip_mm
    return (
        constants.ambient_k
        + constants.chip_rise_k * np.sqrt(speed) * chip ** (0.5 - CUT.chip_exponent)
        + constants.land_rise_k * np.sqrt(speed * wear_mm / LIFE_WEAR_MM)
    )


def wear_rate_mm_per_s(
    cut: Cut, wear_mm: FloatArray, wear_factor: FloatArray, constants: WearConstants = WEAR
) -> FloatArray:
    """Return the growth of flank wear VB while cutting, mm/s.

    Args:
        cut: Conditions.
        wear_mm: Flank wear VB, mm, shape of the conditions.
        wear_factor: The tool's own factor on Usui's A, 1 (grade, coating, regrind).
        constants: Wear law.

    Source:
        dW/dt = A sigma_n v_s exp(-B / theta): Usui, Shirakashi, Kitagawa (1984), "Analytical
        prediction of cutting tool wear", Wear 100, 129-151. W is a depth; a depth W on a flank of
        clearance gamma is a land of W / tan(gamma). A tooth wears only while engaged.
    """
    stress_mpa = CUT.land_stress_mpa * (
        1.0 + constants.edge_stress_factor * np.exp(-wear_mm / constants.edge_wear_mm)
    )
    depth_mm_per_s = (
        wear_factor
        * constants.usui_a_per_mpa
        * stress_mpa
        * (1e3 * cut.cutting_speed_m_per_s)
        * np.exp(-constants.usui_b_k / flank_temperature_k(cut, wear_mm, constants))
    )
    land_mm_per_s: FloatArray = depth_mm_per_s / np.tan(constants.clearance_rad)
    return cut.engaged_share * land_mm_per_s


@dataclass(frozen=True, slots=True, kw_only=True)
class TaylorConstants:
    """Extended Taylor equation fitted by us to the wear law above (so chosen, not measured)."""

    speed_exponent: float = 0.23  # n
    feed_exponent: float = 0.35  # a, of the mean chip thickness
    engagement_exponent: float = 0.23  # b, of the share of a turn in cut
    reference_life_s: float = 7000.0  # at the reference cut, a quarter turn in the work


TAYLOR = TaylorConstants()


def planned_life_s(cut: Cut, constants: TaylorConstants = TAYLOR) -> FloatArray:
    """Return the cutting time to ``LIFE_WEAR_MM`` that a planner reads from Taylor's equation, s.

    Source:
        V T^n f^a d^b = C, the extended form of Taylor, F. W. (1907), "On the art of cutting
        metals", Trans. ASME 28; in milling the mean chip stands for f, the engagement for d.
    """
    speed = cut.cutting_speed_m_per_s / WEAR.reference_speed_m_per_s
    chip = cut.mean_chip_mm / WEAR.reference_chip_mm
    share = cut.engaged_share / 0.25
    load = speed * chip**constants.feed_exponent * share**constants.engagement_exponent
    life_s: FloatArray = constants.reference_life_s * load ** (-1.0 / constants.speed_exponent)
    return life_s
