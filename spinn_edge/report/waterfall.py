"""The error waterfall as tables, in words, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from rich.markup import escape
from rich.table import Table

from spinn_edge.accuracy.divergence.waterfall import OutputError, Waterfall, WaterfallStep
from spinn_edge.core.decode import encode
from spinn_edge.report import formatting as f
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.screen_table import screen_table

MOST_OUTPUTS = 8
"""Channels that have a line each; of more, the one with the largest error stands for all."""

PRUNING = "pruning"


def waterfall_table(waterfall: Waterfall) -> Table:
    """Return a line for each form and output; reasons are left to :func:`waterfall_words`."""
    table = screen_table(escape(_title(waterfall)), *_head(waterfall))
    for line in _lines(waterfall, whole_reasons=False):
        table.add_row(*map(escape, line))
    return table


def waterfall_markdown(waterfall: Waterfall) -> str:
    """Return title, table and words."""
    head = _head(waterfall)
    rule = ["---:" if title[:1] == ">" else "---" for title in head]
    parts = [f"# {cell(_title(waterfall))}", ""]
    parts += [_row([title.removeprefix(">") for title in head]), _row(rule)]
    parts += [_row([cell(text) for text in line]) for line in _lines(waterfall, whole_reasons=True)]
    parts += ["", *(f"- {cell(words)}" for words in waterfall_words(waterfall)), ""]
    return "\n".join(parts)


def waterfall_words(waterfall: Waterfall) -> list[str]:
    """Return what the table says: which step costs most, what follows, and what it scores."""
    costs = [(step, worst) for step in waterfall.steps if (worst := _worst(step.contribution))]
    words = []
    if costs:
        step, error = max(costs, key=lambda cost: cost[1].max_share)
        words.append(
            f"the step that costs most: {_named(step)}, {percent(error.max_share)} of the scale of "
            f"{error.output}"
        )
    words += _after_pruning(waterfall)
    words += _score_words(waterfall)
    words += dict.fromkeys(f"{s.name}: {note}" for s in waterfall.steps for note in s.notices)
    words += [f"{s.name}: {_why_not(s)}" for s in waterfall.steps if s.reason is not None]
    return words


def waterfall_document(waterfall: Waterfall) -> dict[str, Any]:
    """Return the document of ``spinn-edge waterfall --json``."""
    return {
        "passed": not any(step.failed for step in waterfall.steps),
        **encode(waterfall),
        "remarks": waterfall_words(waterfall),
    }


def percent(share: float) -> str:
    """Return two significant digits without an exponent: ``0.000025 %``."""
    return f"{Decimal(f'{share * 100:.2g}'):f} %"


def _title(waterfall: Waterfall) -> str:
    return (
        f"Error waterfall: largest difference over the output's scale, {waterfall.rows} samples "
        f"({waterfall.source})"
    )


def _head(waterfall: Waterfall) -> list[str]:
    head = ["form", "after", "output", ">this step", f">from {waterfall.reference}"]
    head += [">from its own float64"] if _has_own(waterfall) else []
    return [*head, *((">R²", ">RMSE") if _has_scores(waterfall) else ()), "remark"]


def _lines(waterfall: Waterfall, *, whole_reasons: bool) -> Iterator[list[str]]:
    for step in waterfall.steps:
        for number, output in enumerate(_shown(waterfall, step)):
            first = number == 0
            name = step.name if first else ""
            after = f"{step.after} ({step.step})" if step.after and step.step else step.after
            line = [name, after if first else "", "" if step.reason else output]
            line += [_share(step.contribution, output), _share(step.total, output)]
            line += [_share(step.own, output)] if _has_own(waterfall) else []
            if _has_scores(waterfall):
                score = next((s for s in step.scores if s.output == output), None)
                line += [f.score(score.r2), f.magnitude(score.rmse)] if score else ["–", "–"]
            remark = _remark(waterfall, step, whole_reason=whole_reasons)
            yield [*line, remark if first else ""]


def _shown(waterfall: Waterfall, step: WaterfallStep) -> Sequence[str]:
    if step.reason is not None:
        return waterfall.outputs[:1]
    if len(waterfall.outputs) <= MOST_OUTPUTS:
        return waterfall.outputs
    worst = _worst(step.total or step.contribution)
    return [worst.output] if worst else waterfall.outputs[:1]


def _remark(waterfall: Waterfall, step: WaterfallStep, *, whole_reason: bool) -> str:
    if step.reason is not None:
        return _why_not(step) if whole_reason else _why_not(step).partition(":")[0]
    if step.name == waterfall.reference:
        return "the reference"
    if len(waterfall.outputs) > MOST_OUTPUTS:
        return f"worst of {len(waterfall.outputs)} outputs; all with --json"
    return ""


def _why_not(step: WaterfallStep) -> str:
    """Return ``not run: no NVIDIA driver``, on one line."""
    verdict = "failed" if step.failed else "not run"
    return f"{verdict}: {' '.join((step.reason or '').split())}"


def _after_pruning(waterfall: Waterfall) -> list[str]:
    pruned = next((s for s in waterfall.steps if s.step == PRUNING and s.contribution), None)
    after = [(step, worst) for step in waterfall.steps if (worst := _worst(step.own))]
    if pruned is None or not after:
        return []
    cost = _worst(pruned.contribution)
    assert cost is not None
    step, most = max(after, key=lambda item: item[1].max_share)
    return [
        f"pruning costs {percent(cost.max_share)} of scale ({cost.output}), everything after it "
        f"{percent(most.max_share)} at most ({most.output}, {step.name})"
    ]


def _score_words(waterfall: Waterfall) -> list[str]:
    """Return a sentence for each target: the reference's score, and the largest change of it."""
    words = []
    scored = [step for step in waterfall.steps if step.scores]
    for number, output in enumerate(waterfall.outputs[:MOST_OUTPUTS]):
        found = [(step, step.scores[number]) for step in scored]
        known = [(step, score.r2) for step, score in found if score.r2 is not None]
        if len(known) < 2:
            continue
        (first, start), *others = known
        step, lowest = min(others, key=lambda item: item[1])
        words.append(
            f"R² of {output}: {f.score(start)} ({first.name}), lowest {f.score(lowest)} "
            f"({step.name})"
        )
    return words


def _named(step: WaterfallStep) -> str:
    return f"{step.step} ({step.name})" if step.step else step.name


def _worst(errors: Sequence[OutputError]) -> OutputError | None:
    return max(errors, key=lambda error: error.max_share, default=None)


def _share(errors: Sequence[OutputError], output: str) -> str:
    found = next((error for error in errors if error.output == output), None)
    return "–" if found is None else percent(found.max_share)


def _has_own(waterfall: Waterfall) -> bool:
    """Without pruning the reference is the form's own float64: one column says both."""
    return any(step.step == PRUNING for step in waterfall.steps)


def _has_scores(waterfall: Waterfall) -> bool:
    return any(step.scores for step in waterfall.steps)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
