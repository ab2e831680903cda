"""The cut: geometry of engagement and the forces on the cutter.

Assumptions:
    Steady side milling of a medium-alloy steel with a four-tooth end mill; forces are averaged over
    a turn. ``CutConstants`` states the unit and origin of every constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spinn_edge.demo.ode import FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class CutConstants:
    """Workpiece and cutter constants."""

    specific_force_mpa: float = 1700.0  # k_c1.1; chosen, of the order of tabulated steels
    chip_exponent: float = 0.25  # m_c, 1; chosen, tables for steel give 0.2 to 0.3
    land_stress_mpa: float = 350.0  # mean normal stress on the wear land; chosen
    land_friction: float = 0.3  # 1; chosen
    radial_ratio: float = 0.35  # sharp radial over tangential force, 1; chosen
    helix_ratio: float = 0.35  # axial over tangential force, pulls the tool out, 1; chosen
    corner_mm: float = 0.3  # edge length of the corner, pushes the tool in; chosen
    teeth: int = 4  # chosen


CUT = CutConstants()


# Without slots: the integrator asks for the geometry thousands of times, so it is cached.
@dataclass(frozen=True, kw_only=True)
class Cut:
    """Cutting conditions; every array has the same shape."""

    diameter_mm: FloatArray
    cutting_speed_m_per_s: FloatArray
    feed_per_tooth_mm: FloatArray
    axial_depth_mm: FloatArray
    radial_depth_mm: FloatArray

    def at(self, row: int) -> Cut:
        """Return one column of arrays of shape (tools, rows); its arrays have shape (tools,)."""
        return Cut(
            diameter_mm=self.diameter_mm[:, row],
            cutting_speed_m_per_s=self.cutting_speed_m_per_s[:, row],
            feed_per_tooth_mm=self.feed_per_tooth_mm[:, row],
            axial_depth_mm=self.axial_depth_mm[:, row],
            radial_depth_mm=self.radial_depth_mm[:, row],
        )

    @cached_property
    def spindle_speed_rpm(self) -> FloatArray:
        """Speed that gives the cutting speed at the cutter's diameter."""
        return self.cutting_speed_m_per_s * 60_000.0 / (np.pi * self.diameter_mm)

    @cached_property
    def engagement_rad(self) -> FloatArray:
        """Angle over which a tooth is in the work.

        Source:
            Altintas, "Manufacturing Automation", chapter 2.
        """
        return np.arccos(1.0 - 2.0 * self.radial_depth_mm / self.diameter_mm)

    @cached_property
    def engaged_share(self) -> FloatArray:
        """Share of a turn that a tooth spends in the work, from 0 to 1/2."""
        return self.engagement_rad / (2.0 * np.pi)

    @cached_property
    def mean_chip_mm(self) -> FloatArray:
        """Chip thickness ``feed * sin(angle)`` averaged over the engagement.

        Source:
            Altintas, "Manufacturing Automation", chapter 2.
        """
        angle = self.engagement_rad
        return self.feed_per_tooth_mm * (1.0 - np.cos(angle)) / angle


@dataclass(frozen=True, slots=True, kw_only=True)
class Forces:
    """Forces of the engaged teeth averaged over a turn, N, in the directions of one tooth."""

    tangential_n: FloatArray
    radial_n: FloatArray
    axial_n: FloatArray


def cutting_forces(
    cut: Cut, wear_mm: FloatArray, hardness: FloatArray, constants: CutConstants = CUT
) -> Forces:
    """Return the mean forces of a worn cutter.

    A sharp tooth obeys Kienzle; the wear land adds a normal force (stress times area) and its
    friction, so wear shows most in the radial direction. Along the axis the helix pulls the tool
    out of its holder and the corner pushes it back.

    Args:
        cut: Conditions.
        wear_mm: Flank wear VB, mm, shape of the conditions.
        hardness: Factor on the specific cutting force, 1, broadcastable to the conditions.
        constants: Workpiece and cutter.

    Source:
        F_t = k_c1.1 b h^(1 - m_c): Kienzle (1952), "Die Bestimmung von Kraeften und Leistungen an
        spanenden Werkzeugen und Werkzeugmaschinen", VDI-Zeitschrift 94. The land term is the edge
        force of Altintas, "Manufacturing Automation", chapter 2, made proportional to VB by us, as
        is the axial balance.
    """
    teeth_in_cut = constants.teeth * cut.engaged_share
    sharp_n = (
        constants.specific_force_mpa
        * hardness
        * cut.axial_depth_mm
        * cut.mean_chip_mm ** (1.0 - constants.chip_exponent)
    )
    land_n = constants.land_stress_mpa * cut.axial_depth_mm * wear_mm
    tangential_n = teeth_in_cut * (sharp_n + constants.land_friction * land_n)
    radial_n = teeth_in_cut * (constants.radial_ratio * sharp_n + land_n)
    return Forces(
        tangential_n=tangential_n,
        radial_n=radial_n,
        axial_n=constants.helix_ratio * tangential_n
        - constants.corner_mm / cut.axial_depth_mm * radial_n,
    )
