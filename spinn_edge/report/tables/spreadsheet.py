"""Tables for a spreadsheet or a script: CSV of raw figures in SI units, and of formatted texts."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from spinn_edge.bench.evidence.intervals import Interval
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BundleFacts
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.comparison import comparison_sheets

ROWS, MODELS, COMPARISON = "rows", "models", "comparison"

Value = str | float | int | bool | None

_NUMBER = re.compile(r"[-+]?\d[\d,]*(\.\d+)?([eE][-+]?\d+)?( ?%)?")
_FORMULA = re.compile(r"(^|;)(\s*)(?=[=+\-@])")
"""Where a spreadsheet would begin to compute: in some countries a semicolon separates cells.

Source: OWASP, "CSV Injection".
"""


def csv_tables(sources: ReportSources) -> dict[str, str]:
    """Return three tables as RFC 4180 has them: comma, CR LF, quotes where needed, a head.

    A text that a spreadsheet would take for a formula (it begins with ``=``, ``+``, ``-`` or
    ``@``) gets an apostrophe before it; a number is left alone. What was not measured is empty.

    Args:
        sources: the results.

    Returns:
        ``rows``: a line for each row of each result, raw figures, units in the head;
        ``models``: a line for each figure of each model, raw, long form;
        ``comparison``: what is compared, formatted as in the other forms.
    """
    return {
        ROWS: _text(["result", "machine", *_COLUMNS], map(_raw, _rows(sources.results))),
        MODELS: _text(_MODEL_HEAD, _model_lines(sources.results)),
        COMPARISON: _text(_COMPARISON_HEAD, _comparison_lines(sources.results)),
    }


def csv_paths(path: Path) -> dict[str, Path]:
    """Return where each table goes: the rows to the file itself, the others beside it.

    Args:
        path: such as ``report.csv``, beside which come ``report.models.csv`` and
            ``report.comparison.csv``.
    """
    suffix = path.suffix or ".csv"
    return {
        ROWS: path,
        MODELS: path.with_name(f"{path.stem}.{MODELS}{suffix}"),
        COMPARISON: path.with_name(f"{path.stem}.{COMPARISON}{suffix}"),
    }


def safe(text: str) -> str:
    """Return a text of one line in which no spreadsheet finds a formula."""
    written = text.encode("utf-8", "replace").decode()  # half a surrogate pair
    flat = " ".join(written.replace("\0", " ").split())
    return flat if _NUMBER.fullmatch(flat) else _FORMULA.sub(r"\1\2'", flat)


def _text(head: Sequence[str], lines: Iterable[Sequence[Value]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows([_cell(value) for value in line] for line in lines)
    return stream.getvalue()


def _cell(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return safe(value) if isinstance(value, str) else repr(value)


def _low(interval: Interval | None) -> float | None:
    return interval.low if interval else None


def _high(interval: Interval | None) -> float | None:
    return interval.high if interval else None


_COLUMNS: Mapping[str, Callable[[Row], Value]] = {
    "bundle": lambda row: row.bundle,
    "runtime": lambda row: row.runtime,
    "served_by": lambda row: row.served_by,
    "precision": lambda row: row.precision,
    "batch": lambda row: row.batch,
    "boundary": lambda row: row.boundary,
    "rate_per_s": lambda row: row.rate_per_s,
    "threads": lambda row: row.threads,
    "status": lambda row: row.status,
    "reason": lambda row: row.reason,
    "samples": lambda row: len(row.samples_s),
    "launches": lambda row: len(row.launch_samples),
    "median_s": lambda row: row.median_s,
    "median_low_s": lambda row: _low(row.median_interval_s),
    "median_high_s": lambda row: _high(row.median_interval_s),
    "mean_s": lambda row: row.mean_s,
    "std_s": lambda row: row.std_s,
    "p90_s": lambda row: row.p90_s,
    "p95_s": lambda row: row.p95_s,
    "p99_s": lambda row: row.p99_s,
    "p999_s": lambda row: row.p999_s,
    "upload_median_s": lambda row: row.upload_median_s,
    "download_median_s": lambda row: row.download_median_s,
    "throughput_per_s": lambda row: row.throughput_per_s,
    "joules_per_inference": lambda row: row.joules_per_inference,
    "kernels": lambda row: row.launches,
    "baseline_median_s": lambda row: row.baseline_median_s,
    "speedup": lambda row: row.speedup,
    "speedup_low": lambda row: _low(row.speedup_interval),
    "speedup_high": lambda row: _high(row.speedup_interval),
    "noise_floor": lambda row: row.noise_floor,
    "verdict": lambda row: row.verdict,
    "parity_passed": lambda row: row.parity.passed if row.parity else None,
    "parity_max_abs": lambda row: row.parity.max_abs if row.parity else None,
    "parity_tolerance": lambda row: row.parity.tolerance if row.parity else None,
    "file_bytes": lambda row: row.file_bytes,
}
_MODEL_HEAD = ("result", "bundle", "baseline", "quantity", "of", "value")
_COMPARISON_HEAD = ("result", "machine", "baseline", "model", "what", "before", "after", "change")


def _rows(results: Sequence[NamedResult]) -> Iterable[tuple[NamedResult, Row]]:
    return ((named, row) for named in results for row in named.result.rows)


def _raw(found: tuple[NamedResult, Row]) -> list[Value]:
    named, row = found
    return [named.name, named.machine, *(value(row) for value in _COLUMNS.values())]


def _model_lines(results: Sequence[NamedResult]) -> Iterable[Sequence[Value]]:
    for named in results:
        for facts in named.result.bundles:
            for quantity, of, value in _facts(facts):
                yield named.name, facts.name, facts.baseline, quantity, of, value


def _facts(facts: BundleFacts) -> Iterable[tuple[str, str, Value]]:
    yield "parameters", "", facts.parameters
    yield "parameter_bytes", "", facts.parameter_bytes
    yield "flops_per_sample", "", facts.flops_per_sample
    yield from (("file_bytes", path, count) for path, count in facts.file_bytes.items())
    if (scores := facts.scores) is not None:
        yield "scored_rows", "", scores.rows
        yield "r2", "overall", scores.r2_overall
        yield from (("r2", target, value) for target, value in scores.r2.items())
        yield from (("rmse", target, value) for target, value in scores.rmse.items())
        yield from (("linear_r2", target, value) for target, value in scores.linear_r2.items())


def _comparison_lines(results: Sequence[NamedResult]) -> Iterable[Sequence[Value]]:
    for named in results:
        sheets = comparison_sheets(named.result)
        before, *others = named.result.bundles
        for after, sheet in zip(others, sheets, strict=True):
            for line in sheet.lines:
                yield named.name, named.machine, before.name, after.name, *line
