"""What follows from the results, and what a reader must know of them, as lists."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.report.fastest import fastest_remarks
from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.page.sheet_table import cell_text
from spinn_edge.report.recommendations import recommendations
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sources import NamedResult, ReportSources

_LONGEST = 5000
"""Characters of a sentence, which may name many rows."""


def advice(sources: ReportSources) -> Html:
    """Return recommendations and all remarks, result by result."""
    several = len(sources.results) > 1
    parts: list[str] = []
    for named in sources.results:
        if several:
            parts.append(tag("h3", f"{named.name}: {named.machine}"))
        fastest = fastest_remarks(named.result)
        parts.append(sentences([*_recommended(named), *fastest], class_="advice"))
        others = [words for words in result_remarks(named.result) if words not in fastest]
        parts.append(_remarks([*others, *sources.notes]))
    return join(parts)


def _remarks(words: Sequence[str]) -> Html:
    if not words:
        return Html("")
    title = f"What to know before believing a difference, and what was not measured ({len(words)})"
    return tag("details", tag("summary", title), sentences(words, class_="remarks"), open=True)


def sentences(words: Sequence[str], **attributes: str) -> Html:
    """Return a list, or nothing where there is nothing to say."""
    return (
        tag("ul", *(tag("li", cell_text(text, _LONGEST)) for text in words), **attributes)
        if words
        else Html("")
    )


def _recommended(named: NamedResult) -> Sequence[str]:
    """Return what the document says; a program that knew the outputs may have written it."""
    written = named.raw.get("recommendations")
    if isinstance(written, list) and all(isinstance(text, str) for text in written):
        return written
    # of a model alone the remarks say what is fastest
    return recommendations(named.result, {}) if len(named.result.bundles) > 1 else ()
