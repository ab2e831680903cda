"""What the shop does with each tool: its jobs, their conditions, and how long it cuts.

Assumptions:
    Every range and spread in ``Ranges`` is chosen by us to be plausible for end milling steel; none
    is from the literature. A tool does many jobs, so that held-out tools bring new histories and
    not new physics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spinn_edge.demo.cut import Cut
from spinn_edge.demo.ode import FloatArray
from spinn_edge.demo.wear import planned_life_s

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranges:
    """Uniform ranges (low, high) and standard deviations that the schedule is drawn from."""

    jobs_per_tool: int = 20
    # Drawn once per tool.
    diameter_mm: tuple[float, ...] = (12.0, 16.0, 20.0)
    cutting_speed_m_per_s: Interval = (1.7, 3.5)  # programmed
    room_c: Interval = (20.0, 27.0)  # at either end of the tool's life; drifts between
    life_share: Interval = (0.7, 1.3)  # cutting time over Taylor's life, 1
    longest_life_s: float = 36_000.0  # of cutting, however gentle the job
    wear_factor_log_std: float = 0.08  # of Usui's A, 1
    hardness_log_std: float = 0.02  # of the specific cutting force, 1
    # Drawn anew for every job.
    speed_override: Interval = (0.85, 1.15)  # of the programmed speed, 1
    feed_per_tooth_mm: Interval = (0.05, 0.12)
    axial_depth_mm: Interval = (1.0, 6.0)
    radial_share: Interval = (0.12, 0.6)  # radial depth over diameter, 1
    duty: Interval = (0.4, 0.7)  # cutting time over clock time, 1
    coolant_c: Interval = (20.0, 26.0)
    coolant_flow_l_per_min: Interval = (1.0, 16.0)  # log-uniform


RANGES = Ranges()


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Every tool's life, one interval per row; arrays have shape (tools, rows).

    ``wear_factor`` and ``hardness`` belong to the tool and have shape (tools, 1).
    """

    cut: Cut
    cutting_s: FloatArray  # in the work during each interval
    duty: FloatArray
    coolant_flow_l_per_min: FloatArray
    coolant_c: FloatArray
    room_c: FloatArray
    wear_factor: FloatArray
    hardness: FloatArray

    @property
    def clock_s(self) -> FloatArray:
        """Length of each interval on the clock, idling included."""
        return self.cutting_s / self.duty

    def at(self, row: int) -> Schedule:
        """Return one interval of every tool; its arrays have shape (tools,)."""
        return Schedule(
            cut=self.cut.at(row),
            cutting_s=self.cutting_s[:, row],
            duty=self.duty[:, row],
            coolant_flow_l_per_min=self.coolant_flow_l_per_min[:, row],
            coolant_c=self.coolant_c[:, row],
            room_c=self.room_c[:, row],
            wear_factor=self.wear_factor[:, 0],
            hardness=self.hardness[:, 0],
        )


def draw_schedule(
    rng: np.random.Generator, *, tools: int, rows: int, ranges: Ranges = RANGES
) -> Schedule:
    """Draw the jobs of every tool.

    A job takes some of the rows, and each row the same share of the life that Taylor's equation
    promises at the job's conditions: gentle jobs last long, harsh ones are short, and tools retire
    with comparable wear, as under a sensible tool-change rule.

    Args:
        rng: Source of every draw.
        tools: Number of tools.
        rows: Intervals per tool, at least 1.
        ranges: What to draw from.
    """
    jobs = min(ranges.jobs_per_tool, rows)
    starts = rng.random((tools, rows - 1)).argsort(axis=1)[:, : jobs - 1] + 1
    is_start = np.zeros((tools, rows), dtype=np.intp)
    np.put_along_axis(is_start, starts, 1, axis=1)
    job_of_row = is_start.cumsum(axis=1)

    def per_job(interval: Interval) -> FloatArray:
        return np.take_along_axis(rng.uniform(*interval, (tools, jobs)), job_of_row, axis=1)

    diameter_mm = np.repeat(rng.choice(ranges.diameter_mm, (tools, 1)), rows, axis=1)
    cut = Cut(
        diameter_mm=diameter_mm,
        cutting_speed_m_per_s=rng.uniform(*ranges.cutting_speed_m_per_s, (tools, 1))
        * per_job(ranges.speed_override),
        feed_per_tooth_mm=per_job(ranges.feed_per_tooth_mm),
        axial_depth_mm=per_job(ranges.axial_depth_mm),
        radial_depth_mm=diameter_mm * per_job(ranges.radial_share),
    )
    low, high = ranges.coolant_flow_l_per_min
    room_first_c, room_last_c = rng.uniform(*ranges.room_c, (2, tools, 1))
    life_share = rng.uniform(*ranges.life_share, (tools, 1))
    return Schedule(
        cut=cut,
        cutting_s=np.minimum(planned_life_s(cut), ranges.longest_life_s) * life_share / rows,
        duty=per_job(ranges.duty),
        # Log-uniform, because what flow does to heat goes by ratios.
        coolant_flow_l_per_min=np.exp(per_job((np.log(low), np.log(high)))),
        coolant_c=per_job(ranges.coolant_c),
        room_c=room_first_c + (room_last_c - room_first_c) * np.linspace(0.0, 1.0, rows),
        wear_factor=rng.lognormal(0.0, ranges.wear_factor_log_std, (tools, 1)),
        hardness=rng.lognormal(0.0, ranges.hardness_log_std, (tools, 1)),
    )
