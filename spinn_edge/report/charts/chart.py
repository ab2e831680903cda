"""One chart of a report: what is drawn, what it says in words, and the same as a table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spinn_edge.report.sheet import Sheet

Spec = dict[str, Any]
"""A part of a Vega-Lite specification, as JSON types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart, or why there is none.

    Attributes:
        id: letters, digits and dashes; no other chart of a report has it.
        title: above it.
        caption: below it: what is drawn, and how to read it.
        spec: Vega-Lite, its data inside; None where ``reason`` says why nothing is drawn.
        table: the same figures as texts, for who cannot see the chart; None where there are none.
        reason: what was not measured, and what to type for it; empty where the chart is drawn.
    """

    id: str
    title: str
    caption: str
    spec: Mapping[str, Any] | None = None
    table: Sheet | None = None
    reason: str = ""
