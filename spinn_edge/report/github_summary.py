"""A summary for the page of a job on GitHub, no longer than GitHub takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spinn_edge.core.atomic import append_whole
from spinn_edge.core.errors import UsageError
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.recommendations import recommendations, recorded_differences
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import NamedResult, ReportSources
from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.fleet import fleet_sheets
from spinn_edge.report.tables.latencies import latency_sheets

VARIABLE = "GITHUB_STEP_SUMMARY"
"""Names the file of a step's summary.

Source: GitHub Docs, "Workflow commands for GitHub Actions", adding a job summary.
"""

LIMIT_BYTES = 1024 * 1024
"""Of one step; GitHub shows nothing of a longer one. Source: as above, step isolation and limits.
"""

_ROOM_FOR_WORDS = 200
"""Bytes kept for the sentence that says how much was cut."""


def github_summary(sources: ReportSources, limit_bytes: int = LIMIT_BYTES) -> str:
    """Return Markdown: machines, what is compared, recommendations, and every latency.

    Args:
        sources: the results.
        limit_bytes: of UTF-8 at most; lines beyond it are left out, and it says how many.
    """
    lines = [line for block in _blocks(sources) for line in block.split("\n")]
    return _within(lines, limit_bytes)


def append_summary(sources: ReportSources, path: Path) -> None:
    """Append the summary to the file that ``GITHUB_STEP_SUMMARY`` names, whole or not at all.

    What other commands of the same step wrote there counts towards the limit.

    Args:
        sources: the results.
        path: need not exist.

    Raises:
        UsageError: the file cannot be written.
    """
    try:
        taken = path.stat().st_size if path.exists() else 0
        append_whole(path, github_summary(sources, LIMIT_BYTES - taken))
    except OSError as exc:
        why = "; ".join([str(exc), *getattr(exc, "__notes__", ())])
        raise UsageError(
            f"cannot write {path}, which {VARIABLE} names: {why}; unset it to print the summary"
        ) from exc


def _blocks(sources: ReportSources) -> Iterator[str]:
    yield "# spinn-edge\n"
    several = len(sources.results) > 1
    if several:
        for sheet in fleet_sheets(sources.results):
            yield sheet.to_markdown()
    for named in sources.results:
        yield f"## {cell(named.machine)}{f', {cell(named.name)}' if several else ''}\n"
        yield from _of_result(named)
    yield from (f"- {cell(note)}" for note in sources.notes)


def _of_result(named: NamedResult) -> Iterator[str]:
    result = named.result
    yield from map(_headed, comparison_sheets(result))
    if len(result.bundles) > 1:
        words = recommendations(result, recorded_differences(named.raw))
        yield "\n".join(f"- {cell(text)}" for text in words) + "\n"
    yield from map(_headed, latency_sheets(result))
    if remarks := result_remarks(result):
        yield "\n".join(f"- {cell(remark)}" for remark in remarks) + "\n"


def _headed(sheet: Sheet) -> str:
    note = f"\n{cell(sheet.caption)}.\n" if sheet.caption else ""
    return f"**{cell(sheet.title)}**\n\n{sheet.markdown_table()}\n{note}"


def _within(lines: list[str], limit_bytes: int) -> str:
    """Return the lines that fit, and how many do not."""
    sizes = [len(line.encode("utf-8", "replace")) + 1 for line in lines]
    if sum(sizes) <= limit_bytes:
        return "\n".join(lines) + "\n"
    left = limit_bytes - _ROOM_FOR_WORDS
    kept: list[str] = []
    for line, size in zip(lines, sizes, strict=True):
        if size > left:
            break
        left -= size
        kept.append(line)
    gone = sum(bool(line) for line in lines[len(kept) :])
    words = (
        f"{gone:,} lines left out: GitHub shows {LIMIT_BYTES // 1024:,} KiB of a step; all of them "
        "are in the files of --html, --markdown and --json."
    )
    text = "\n".join([*kept, "", words]) + "\n"
    return text if len(text.encode("utf-8", "replace")) <= limit_bytes else ""
