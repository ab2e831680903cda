"""The embedded demo data: a seeded simulator of milling.

Tools are worn by Usui's law while the spindle warms and cools; both are integrated over the same
clock, and wear feeds the heat through the forces. Noisy sensors watch. The targets are the true
state, so a model is judged against physics and not against a second sensor.

Why a network is needed: wear is a quotient (the force a sharp tool would not need, over the
land's width), and so is the spindle's warmth (heat over a conductance that follows the flow).
A linear regression sees sums only.

Assumptions:
    Steel, four-tooth end mills, a light motor spindle cooled through its shaft, one tool per
    machine start: the spindle begins at room temperature. Every constant is a field with its unit
    and origin, in ``CutConstants``, ``WearConstants``, ``TaylorConstants``, ``SpindleConstants``,
    ``SensorConstants`` and ``Ranges``. The laws are from the literature, cited where they are
    computed; the values are ours, chosen to be plausible. This is no calibrated machine.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from spinn_edge.core.errors import UsageError
from spinn_edge.demo.cut import cutting_forces
from spinn_edge.demo.heat import heat_load, nose_displacement_um, temperature_rates_k_per_s
from spinn_edge.demo.ode import FloatArray, rk4_step
from spinn_edge.demo.schedule import Schedule, draw_schedule
from spinn_edge.demo.sensors import motor_current_a, read_cut, read_surroundings
from spinn_edge.demo.table import (
    FEATURES,
    GROUP,
    TARGETS,
    MillingTable,
    split_by_tool,
    write_csv,
)
from spinn_edge.demo.wear import wear_rate_mm_per_s

__all__ = [
    "FEATURES",
    "GROUP",
    "TARGETS",
    "MillingTable",
    "simulate",
    "split_by_tool",
    "write_csv",
]

MAX_STEP_S = 40.0
"""RK4 is stable to 2.78 time constants; the shaft's shortest, at full flow, is about 21 s."""


def simulate(*, tools: int = 60, rows_per_tool: int = 140, seed: int = 0) -> MillingTable:
    """Simulate the lives of some tools.

    Args:
        tools: Number of tools, at least 1.
        rows_per_tool: Readings over each tool's life, at least 2.
        seed: Seed of every draw, at least 0; the same seed gives the same bits.

    Returns:
        A table of ``tools * rows_per_tool`` rows, tool by tool, in order of time.

    Raises:
        UsageError: An argument is below its least value.
    """
    for name, given, least in (
        ("tools", tools, 1),
        ("rows_per_tool", rows_per_tool, 2),
        ("seed", seed, 0),
    ):
        if given < least:
            raise UsageError(f"{name} is {given}; give a whole number of at least {least}")
    rng = np.random.default_rng(seed)
    schedule = draw_schedule(rng, tools=tools, rows=rows_per_tool)
    wear_mm, shaft_c, housing_c = _integrate(schedule)

    cut = schedule.cut
    forces = cutting_forces(cut, wear_mm, schedule.hardness)
    columns = {
        GROUP: np.repeat(np.arange(tools, dtype=np.float64), rows_per_tool),
        "cutting_time_min": np.cumsum(schedule.cutting_s, axis=1) / 60.0,
        "cutting_speed_m_per_min": 60.0 * cut.cutting_speed_m_per_s,
        "feed_per_tooth_mm": cut.feed_per_tooth_mm,
        "axial_depth_mm": cut.axial_depth_mm,
        "radial_depth_mm": cut.radial_depth_mm,
        **read_cut(cut, forces, schedule.duty, rng),
        **read_surroundings(schedule, housing_c, rng),
        "tool_wear": wear_mm,
        "thermal_displacement": nose_displacement_um(shaft_c, housing_c),
    }
    return MillingTable(
        columns={name: columns[name].reshape(-1) for name in (GROUP, *FEATURES, *TARGETS)}
    )


def _integrate(schedule: Schedule) -> FloatArray:
    """Return wear (mm), shaft and housing temperature (C) after each interval, (3, tools, rows)."""
    tools, rows = schedule.clock_s.shape
    room_c = schedule.room_c[:, 0]
    state = np.stack([np.zeros(tools), room_c, room_c])
    states = np.empty((3, tools, rows))
    for row in range(rows):
        interval = schedule.at(row)
        steps = int(np.ceil(interval.clock_s.max() / MAX_STEP_S))
        for _ in range(steps):
            state = rk4_step(partial(_rates, interval), state, interval.clock_s / steps)
        states[:, :, row] = state
    return states


def _rates(interval: Schedule, state: FloatArray) -> FloatArray:
    """Return the state's time derivative per second of the clock, (3, tools)."""
    wear_mm, shaft_c, housing_c = state
    cut, duty = interval.cut, interval.duty
    forces = cutting_forces(cut, wear_mm, interval.hardness)
    load = heat_load(
        speed_rpm=cut.spindle_speed_rpm,
        load_n=duty * forces.radial_n,
        current_a=motor_current_a(cut, forces, duty),
        coolant_flow_l_per_min=interval.coolant_flow_l_per_min,
        coolant_c=interval.coolant_c,
        room_c=interval.room_c,
    )
    wear_mm_per_s = duty * wear_rate_mm_per_s(cut, wear_mm, interval.wear_factor)
    return np.stack([wear_mm_per_s, *temperature_rates_k_per_s(shaft_c, housing_c, load)])
