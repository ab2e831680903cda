"""An explanation as tables, Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rich.console import Group

from spinn_edge.bench.evidence.paired_rows import latency_s
from spinn_edge.bench.understanding.dispatch_floor import SHARES, DispatchFloor
from spinn_edge.bench.understanding.explanation import Explanation
from spinn_edge.bench.understanding.thread_probe import ThreadProbe
from spinn_edge.bench.understanding.width_advice import WidthAdvice
from spinn_edge.report import formatting as f
from spinn_edge.report.explanation_words import explanation_words, judgement, option
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.roofline import roofline_sheet
from spinn_edge.report.sheet import Sheet

_MEANING = "latency: geometric mean of the launches' medians, host to host"


def explanation_tables(explanation: Explanation) -> Group:
    """Return a table for each part and batch size, for the screen."""
    return Group(*(sheet.to_rich() for sheet in _sheets(explanation)))


def explanation_markdown(explanation: Explanation) -> str:
    """Return what the tables say in words, then the tables, then the machine."""
    env = explanation.environment
    packages = ", ".join(f"{name} {version}" for name, version in env.packages.items())
    lines = [f"# {cell(explanation.bundle.name)} on {cell(explanation.runtime)}", ""]
    lines += [f"- {cell(words)}." for words in explanation_words(explanation)]
    lines += ["", *(sheet.to_markdown() for sheet in _sheets(explanation))]
    lines += [
        f"Machine: {cell(env.cpu)}, {env.cores} cores ({env.affinity} usable); GPU: "
        f"{cell(env.gpu)}; {cell(env.system)}; Python {env.python}; {packages}. Measured "
        f"{explanation.created_utc}, {explanation.launches} launches each.",
        "",
    ]
    return "\n".join(lines)


def explanation_document(explanation: Explanation) -> dict[str, Any]:
    """Return the document of ``spinn-edge explain --json``: what was found, and what it means."""
    return {**explanation.to_json(), "remarks": explanation_words(explanation)}


def _sheets(explanation: Explanation) -> Iterator[Sheet]:
    runtime = explanation.runtime
    if any(row.roofline is not None for row in explanation.rooflines):
        yield roofline_sheet(explanation.rooflines)
    yield from (floor_sheet(floor, runtime) for floor in explanation.floors)
    yield from (thread_sheet(probe, runtime) for probe in explanation.threads if probe.trials)
    yield from (width_sheet(advice, runtime) for advice in explanation.widths)


def floor_sheet(floor: DispatchFloor, runtime: str) -> Sheet:
    """Return the measured widths beside the line."""
    fit, own_s = floor.fit, floor.latency_s
    lines = []
    for number, point in enumerate(floor.points):
        measured_s = latency_s(point.row)
        line, departure = "–", "–"
        if fit is not None and measured_s is not None:
            line = f.seconds(fit.fitted_s[number])
            departure = f.change(fit.fitted_s[number], measured_s)
            departure += "" if number < fit.narrowest else " (not fitted)"
        lines.append(
            (
                f.dashed(point.widths),
                f.whole(point.parameters),
                f.whole(point.flops),
                f.seconds(measured_s),
                f.change(own_s, measured_s) if own_s and measured_s else "–",
                line,
                departure,
            )
        )
    own = ("the bundle itself", "", "", f.seconds(own_s), "", "", "")
    shares = ", ".join(f"{share:g}" for share in SHARES)
    return Sheet(
        title=f"Dispatch floor, {runtime}, batch {floor.batch}",
        head=(
            *("widths", ">parameters", ">FLOPs", ">latency", ">against the bundle"),
            *(">line", ">latency against the line"),
        ),
        lines=(*lines, own),
        caption=f"hidden widths times {shares}, random weights; {_MEANING}",
    )


def thread_sheet(probe: ThreadProbe, runtime: str) -> Sheet:
    """Return the settings that were tried."""
    return Sheet(
        title=f"Threads, {runtime}, batch {probe.batch}, {probe.cores} cores usable",
        head=("setting", ">latency", "against 1 thread", ">noise floor"),
        lines=tuple(
            (
                trial.setting.words,
                f.seconds(latency_s(trial.row)),
                judgement(trial.row) if number else "",
                _share(trial.row.noise_floor if number else None),
            )
            for number, trial in enumerate(probe.trials)
        ),
        caption=_MEANING,
    )


def width_sheet(advice: WidthAdvice, runtime: str) -> Sheet:
    """Return the roundings that were tried."""
    own_s = None if advice.own is None else latency_s(advice.own)
    lines = [
        ("as it is", f.dashed(advice.widths), f.whole(advice.parameters), "", f.seconds(own_s), "")
    ]
    for trial in advice.trials:
        row = trial.row
        known = bool(trial.rounding.widths)
        lines.append(
            (
                option(advice, trial),
                f.dashed(trial.rounding.widths) if known else "not to be had",
                f.whole(trial.parameters),
                f.change(advice.parameters, trial.parameters) if trial.parameters else "–",
                f.seconds(latency_s(row)) if row is not None else "",
                judgement(row) if row is not None else "as it is" if known else "–",
            )
        )
    return Sheet(
        title=f"Widths, {runtime}, batch {advice.batch}",
        head=(
            *("rounding", "widths", ">parameters", ">change", ">latency"),
            "against the widths as they are",
        ),
        lines=tuple(lines),
        caption=f"random weights; {_MEANING}",
    )


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}".replace("%", " %")
