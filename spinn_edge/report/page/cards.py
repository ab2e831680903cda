"""A card for each model: its widths, its size, what pruning did to it, how well it predicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from spinn_edge.bench.result import BundleFacts
from spinn_edge.core.bundle import Bundle
from spinn_edge.report import formatting as f
from spinn_edge.report.charts.legend import Legend
from spinn_edge.report.model_facts import scores_sheet
from spinn_edge.report.page.markup import Html, join, tag
from spinn_edge.report.page.sheet_table import short_table
from spinn_edge.report.page.widths_picture import widths_picture
from spinn_edge.report.pruning import audit_sheet, left_alone_sheet, widths_sheet
from spinn_edge.report.remarks import score_remarks
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import ReportSources


def model_cards(sources: ReportSources) -> Html:
    """Return a card for each model, one for all results that say the same of it."""
    legend = Legend.of(sources)
    cards = []
    said: list[BundleFacts] = []
    for named in sources.results:
        before = next((facts for facts in named.result.bundles if facts.baseline), None)
        for facts in named.result.bundles:
            if facts not in said:
                said.append(facts)
                bundle = next((b for b in sources.bundles if b.name == facts.name), None)
                where = named.name if len(sources.results) > 1 else ""
                colours = legend.colour_of(facts.name), legend.colour_on_dark_of(facts.name)
                cards.append(_card(len(said), facts, before, bundle, where, colours))
    return tag("div", *cards, class_="cards")


def _card(
    number: int,
    facts: BundleFacts,
    before: BundleFacts | None,
    bundle: Bundle | None,
    where: str,
    colours: tuple[str, str],
) -> Html:
    other = None if before is None or facts.baseline else before
    badge = tag("span", "baseline", class_="badge") if facts.baseline else Html("")
    heading = f"model-{number}"
    return tag(
        "article",
        tag("h3", facts.name, " ", badge, id=heading),
        tag("p", f"as in {where}", class_="note") if where else Html(""),
        widths_picture(facts.widths, other.widths if other else (), facts.name, colours),
        tag("dl", *_facts(facts, other)),
        _scores(facts),
        *_pruning(bundle),
        _files(facts),
        class_="card",
        aria_labelledby=heading,
    )


def _facts(facts: BundleFacts, before: BundleFacts | None) -> Iterator[Html]:
    for name, value, old, words in (
        ("parameters", facts.parameters, before.parameters if before else None, f.whole),
        ("parameter bytes", facts.parameter_bytes, _bytes(before), f.size),
        ("FLOPs per sample", facts.flops_per_sample, _flops(before), f.whole),
    ):
        known = value is not None and old is not None
        yield _fact(name, words(value), f.change(old or 0, value or 0) if known else "")
    r2 = _r2(facts)
    if r2 is not None:
        known = _r2(before) is not None
        yield _fact("R² overall", f.score(r2), f.difference(_r2(before), r2) if known else "")


def _fact(name: str, value: str, change: str) -> Html:
    beside = tag("span", f" ({change})", class_="change") if change else Html("")
    return tag("div", tag("dt", name), tag("dd", value, beside))


def _bytes(facts: BundleFacts | None) -> int | None:
    return facts.parameter_bytes if facts else None


def _flops(facts: BundleFacts | None) -> int | None:
    return facts.flops_per_sample if facts else None


def _r2(facts: BundleFacts | None) -> float | None:
    return facts.scores.r2_overall if facts and facts.scores else None


def _scores(facts: BundleFacts) -> Html:
    scores = facts.scores
    if scores is None:
        return tag("p", f"Scores: {f.NOT_MEASURED}.", class_="note")
    remarks = [f"{remark}." for remark in score_remarks(scores, facts.name)]
    return join(
        [
            short_table(scores_sheet(scores, f"Scores of {facts.name}")),
            *(tag("p", r) for r in remarks),
        ]
    )


def _pruning(bundle: Bundle | None) -> Iterator[Html]:
    if bundle is None:
        words = "Pruning audit: not given; name the model's folder with --bundle."
        yield tag("p", words, class_="note")
        return
    audit = bundle.manifest.pruning
    if audit is None:
        yield tag("p", "Pruning audit: this tool did not prune it.", class_="note")
        return
    sheets = [audit_sheet(audit), widths_sheet(audit), left_alone_sheet(audit.left_alone)]
    yield _folded("Pruning audit", [sheet for sheet in sheets if sheet is not None])


def _files(facts: BundleFacts) -> Html:
    sheet = Sheet(
        title=f"Files of {facts.name}",
        head=("file", ">size"),
        lines=tuple((path, f.size(count)) for path, count in facts.file_bytes.items()),
    )
    return _folded("Files", [sheet]) if sheet.lines else Html("")


def _folded(summary: str, sheets: Sequence[Sheet]) -> Html:
    return tag("details", tag("summary", summary), *map(short_table, sheets))
