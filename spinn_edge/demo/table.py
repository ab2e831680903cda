"""The table that every source of milling data fills: 18 features, two targets, one group column."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spinn_edge.core.errors import UsageError
from spinn_edge.demo.ode import FloatArray

FEATURES: tuple[str, ...] = (
    "cutting_time_min",
    "spindle_speed_rpm",
    "cutting_speed_m_per_min",
    "feed_per_tooth_mm",
    "axial_depth_mm",
    "radial_depth_mm",
    "force_x_n",
    "force_y_n",
    "force_z_n",
    "spindle_power_w",
    "spindle_current_a",
    "vibration_spindle_m_per_s2",
    "vibration_table_m_per_s2",
    "acoustic_emission_v",
    "coolant_flow_l_per_min",
    "coolant_temperature_c",
    "ambient_temperature_c",
    "spindle_housing_temperature_c",
)
"""Sensor readings and commanded conditions, unit in the name."""

TARGETS: tuple[str, ...] = ("tool_wear", "thermal_displacement")
"""Flank wear VB, mm; axial displacement of the spindle nose, micrometres."""

GROUP = "tool_id"
"""Which tool cut the row; split by it, and never train on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MillingTable:
    """Float64 columns of shape (rows,), in the order ``GROUP``, ``FEATURES``, ``TARGETS``."""

    columns: Mapping[str, FloatArray]

    def __len__(self) -> int:
        return len(self.columns[GROUP])

    def matrix(self, names: Sequence[str]) -> FloatArray:
        """Return the named columns side by side.

        Args:
            names: Columns, in the order wanted.

        Returns:
            Array of shape (rows, names).

        Raises:
            UsageError: A name is not a column.
        """
        if unknown := [name for name in names if name not in self.columns]:
            raise UsageError(
                f"no column {unknown[0]!r}; the columns are: {', '.join(self.columns)}"
            )
        return np.column_stack([self.columns[name] for name in names])

    def select(self, rows: NDArray[np.bool_]) -> MillingTable:
        """Return the rows at which the boolean array ``rows`` of shape (rows,) is true."""
        return MillingTable(columns={name: column[rows] for name, column in self.columns.items()})


def split_by_tool(
    table: MillingTable, *, held_out_fraction: float = 0.2, seed: int = 0
) -> tuple[MillingTable, MillingTable]:
    """Split the table so that no tool is on both sides.

    Rows of one tool are nearly copies of each other; a split by row would let a network recognise
    the tool instead of the physics.

    Args:
        table: Table with at least two tools.
        held_out_fraction: Share of the tools to hold out, above 0 and below 1; at least one tool
            lands on each side.
        seed: Seed of the choice of tools, at least 0.

    Returns:
        The training table and the held-out table, rows in their old order.

    Raises:
        UsageError: The fraction or the seed is out of range, or there are fewer than two tools.
    """
    if not 0.0 < held_out_fraction < 1.0:
        raise UsageError(f"held_out_fraction is {held_out_fraction}; give a number between 0 and 1")
    if seed < 0:
        raise UsageError(f"seed is {seed}; give a whole number of at least 0")
    tool_of_row = table.columns[GROUP]
    tools = np.unique(tool_of_row)
    if len(tools) < 2:
        raise UsageError(f"the table has {len(tools)} tool(s); splitting needs at least 2")
    count = min(max(round(held_out_fraction * len(tools)), 1), len(tools) - 1)
    chosen = np.random.default_rng(seed).choice(tools, size=count, replace=False)
    held_out = np.isin(tool_of_row, chosen)
    return table.select(~held_out), table.select(held_out)


def write_csv(table: MillingTable, path: Path) -> None:
    """Write the table with a header row; floats read back bit for bit.

    Args:
        table: Table to write.
        path: File to create or replace; its folder must exist.

    Raises:
        UsageError: The file cannot be written.
    """
    rows = zip(*(column.tolist() for column in table.columns.values()), strict=True)
    try:
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(table.columns)
            writer.writerows((int(tool), *readings) for tool, *readings in rows)
    except OSError as error:
        raise UsageError(
            f"cannot write {path}: {error}; give a file in a folder that exists"
        ) from error
