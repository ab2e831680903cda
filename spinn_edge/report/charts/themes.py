"""How charts look on a light and on a dark page."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.report.charts.chart import Spec
from spinn_edge.report.colours import COLOURS, COLOURS_ON_DARK

LIGHT, DARK = "light", "dark"
HALO = "halo"
"""Style of what lies under a text, so that a line behind it does not cross the letters."""
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"


def chart_configs() -> dict[str, Spec]:
    """Return a Vega-Lite configuration for each theme; the page's own background shows through."""
    return {
        LIGHT: _config(
            ink="#1F2328", faint="#57606A", line="#D0D7DE", page="#FFFFFF", colours=COLOURS
        ),
        DARK: _config(
            ink="#E6EDF3", faint="#A6B0BB", line="#3D444D", page="#10151A", colours=COLOURS_ON_DARK
        ),
    }


def _config(*, ink: str, faint: str, line: str, page: str, colours: Sequence[str]) -> Spec:
    return {
        "font": FONT,
        "background": None,
        "view": {"stroke": line},
        "mark": {"aria": False},  # a screen reader reads the table, not each dot and line
        "axis": {
            "labelColor": ink,
            "titleColor": ink,
            "gridColor": line,
            "gridOpacity": 0.7,
            "domainColor": faint,
            "tickColor": faint,
            "labelFontSize": 12,
            "labelLimit": 220,
            "titleFontSize": 12,
            "titleFontWeight": 500,
        },
        "range": {"category": list(colours)},
        "legend": {
            "labelColor": ink,
            "titleColor": ink,
            "labelFontSize": 12,
            "titleFontSize": 12,
            "labelLimit": 260,
            "columns": 4,
            "symbolLimit": 0,  # a legend names every model, however many there are
            "symbolBaseFillColor": faint,
            "symbolBaseStrokeColor": faint,
        },
        "header": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12},
        "title": {"color": ink, "fontSize": 12, "fontWeight": 600, "anchor": "start"},
        "text": {"color": ink, "fontSize": 12},
        "style": {HALO: {"stroke": page, "strokeWidth": 4, "strokeJoin": "round"}},
        "rule": {"color": faint},
        "point": {"color": faint},
    }
