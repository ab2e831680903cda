"""Charts inside one HTML file: the library once, each specification as data."""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from spinn_edge.core.errors import SpinnEdgeError
from spinn_edge.report.charts.chart import Chart
from spinn_edge.report.charts.drawn_height import NARROW, drawn_height
from spinn_edge.report.charts.themes import chart_configs
from spinn_edge.report.vendor import (
    VEGA,
    VEGA_INTERPRETER,
    VEGA_LITE,
    licence_texts,
    vendored_text,
)

_IMPORT = "import { ascending, isString, DisallowedObjectProperties } from 'vega-util';"
_EXPORT = "export { expression as expressionInterpreter };"
_TAKEN = "const { ascending, isString, DisallowedObjectProperties } = vega;"
_GIVEN = "globalThis.vegaExpressionInterpreter = expression;"

_MARGINS = 24
"""Pixels beside a place on a narrow page."""

CHART_CSS = (
    f"""
figure[data-chart] .chart-view {{ width: 100%; min-height: var(--tall); overflow-x: auto; }}
@media (max-width: {NARROW + _MARGINS - 1}px) {{
  figure[data-chart] .chart-view {{ min-height: var(--tall-narrow); }}
}}
@media (scripting: none) {{ figure[data-chart] .chart-view {{ min-height: 0; }} }}
@media print {{ figure[data-chart] .chart-view {{ min-height: 0; }} }}
"""
    + """
figure[data-chart] .chart-view svg { display: block; max-width: 100%; height: auto; }
figure[data-chart] .vega-bind { display: inline-block; margin: 0 0 6px; }
figure[data-chart] .vega-bind-name { margin-right: 4px; }
.chart-tooltip { position: fixed; z-index: 10; max-width: min(420px, calc(100vw - 16px));
  max-height: 60vh; overflow: hidden; padding: 6px 8px; border-radius: 6px; font-size: 13px;
  pointer-events: none; background: #24292f; color: #ffffff; border: 1px solid #8c8c8c; }
.chart-tooltip[hidden] { display: none; }
.chart-tooltip table { border: 0; margin: 0; border-collapse: collapse; }
.chart-tooltip th { text-align: left; font-weight: 400; padding: 0 10px 0 0; color: #d0d7de;
  white-space: nowrap; vertical-align: top; }
.chart-tooltip td { padding: 0; overflow-wrap: anywhere; unicode-bidi: isolate; }
@media print { .chart-tooltip, .vega-bindings, button[data-save-chart] { display: none; } }
"""
)
"""What the marks of :func:`chart_block` and the tooltip need; for the page's own style element."""


def embed_scripts() -> str:
    """Return the script elements of the library, its licences and the configurations, once a page.

    Raises:
        SpinnEdgeError: a file of the library was changed or is missing.
    """
    scripts = "\n".join(f"<script>{text}</script>" for text in _scripts())
    return (
        f'<script type="text/plain" id="chart-licences">{_inert(licence_texts())}</script>\n'
        f"{json_script('chart-configs', chart_configs())}\n{scripts}"
    )


def script_sources() -> str:
    """Return what a Content-Security-Policy names after ``script-src`` for :func:`embed_scripts`.

    Hashes: nothing else that gets into the page runs, and ``unsafe-eval`` is not needed.
    """
    digests = (hashlib.sha256(text.encode("utf-8")).digest() for text in _scripts())
    return " ".join(f"'sha256-{base64.b64encode(digest).decode('ascii')}'" for digest in digests)


def chart_block(chart: Chart) -> str:
    """Return the figure of a drawn chart with its data: no table, no heading.

    Raises:
        ValueError: the chart is not drawn; its ``reason`` belongs in the page instead.
    """
    if chart.spec is None:
        raise ValueError(f"chart {chart.id} has no specification: {chart.reason}")
    tall, narrow = drawn_height(chart.spec), drawn_height(chart.spec, narrow=True)
    room = f"--tall:{tall}px;--tall-narrow:{narrow}px"  # what stands below is not moved
    return (
        f'<figure data-chart="{escape(chart.id)}"><div class="chart-view" style="{room}"></div>'
        f"<figcaption>{escape(chart.caption)}.</figcaption>"
        f'<button type="button" data-save-chart>Save as SVG</button></figure>\n'
        f"{json_script(f'chart-{chart.id}', chart.spec)}"
    )


def json_script(element_id: str, document: Any) -> str:
    """Return a document as data that nothing runs and that cannot end its own element.

    Raises:
        ValueError: it holds NaN or Inf, which JSON has not.
    """
    text = json.dumps(document, separators=(",", ":"), allow_nan=False)
    for character, code in (("<", "\\u003c"), (">", "\\u003e"), ("&", "\\u0026")):
        text = text.replace(character, code)
    return f'<script type="application/json" id="{escape(element_id)}">{text}</script>'


@functools.cache
def _scripts() -> tuple[str, ...]:
    own = files(__package__).joinpath("charts.js").read_text(encoding="utf-8")
    return tuple(_checked(text) for text in (*_library(), own))


def _library() -> Iterator[str]:
    for vendored in (VEGA, VEGA_LITE):
        yield _without_map(vendored_text(vendored))
    module = _without_map(vendored_text(VEGA_INTERPRETER))
    if module.count(_IMPORT) != 1 or module.count(_EXPORT) != 1:
        raise SpinnEdgeError(f"{VEGA_INTERPRETER.file} is no module of the form that is embedded")
    # an element of a page that loads nothing cannot import: the module becomes a function
    for line, instead in ((_IMPORT, _TAKEN), (_EXPORT, _GIVEN)):
        module = module.replace(line, instead)
    yield f"(function () {{\n{module}\n}})();"


def _without_map(text: str) -> str:
    """Leave out the last line that names a file of the library's authors, which is not here."""
    return text.partition("//# sourceMappingURL=")[0].rstrip()


def _checked(text: str) -> str:
    if "</script" in text.lower() or "<!--" in text:
        raise SpinnEdgeError("a script of the charts holds text that would end its own element")
    return text


def _inert(text: str) -> str:
    return text.replace("</", "<\\/").replace("<!--", "<\\!--")
