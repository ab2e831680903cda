"""A masked model in words and tables: what its zeros are, and what they do not buy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spinn_edge.bench.evidence.intervals import FASTER
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.result import BenchResult
from spinn_edge.core.decode import encode
from spinn_edge.core.manifest import Scores
from spinn_edge.pruning.masks.record import MaskedStage, Masking, masking_document
from spinn_edge.pruning.schedule import CumulativeRow
from spinn_edge.report import formatting as f
from spinn_edge.report.json_document import bench_document
from spinn_edge.report.markdown import results_markdown
from spinn_edge.report.markdown_text import cell
from spinn_edge.report.pruning import gate_remarks, gate_sheet
from spinn_edge.report.sheet import Sheet

if TYPE_CHECKING:
    from spinn_edge.pruning.gates.gate import GateResult
    from spinn_edge.pruning.masks.compaction import CompactModel

ZEROS = (
    "Zeros alone buy no speed here: a masked network keeps its size, and the runtimes store and "
    "multiply its zeros like any other number. Time is saved by neurons that are gone: "
    "spinn-edge prune removes them, and mask --compact those that masks have cut off"
)


def schedule_sheet(rows: Sequence[CumulativeRow], start: float = 0.0) -> Sheet:
    """Return what a schedule will reach, a line for each stage.

    Args:
        rows: of :func:`spinn_edge.pruning.schedule.verify_schedule`.
        start: share that is gone before the first.
    """
    return Sheet(
        title="Schedule: each ratio is a share of what is left",
        head=(">stage", ">ratio", ">epochs", ">learning rate", ">cumulative"),
        lines=tuple(
            (
                str(row.number),
                f"{row.stage.ratio:.2%}",
                str(row.stage.epochs),
                f"{row.stage.learning_rate:g}",
                f"{row.cumulative:.2%}",
            )
            for row in rows
        ),
        caption=f"{start:.2%} were masked before" if start else "",
    )


def stage_sheet(record: MaskedStage) -> Sheet:
    """Return what one stage left of each layer."""
    return Sheet(
        title=f"Stage {record.number}: {record.achieved:.2%} of the weights masked "
        f"({record.requested:.2%} requested), {record.regrown} regrown",
        head=("layer", ">neurons", ">parameters", ">not 0", ">zeros"),
        lines=tuple(
            (
                layer.name or "the network",
                f.whole(layer.width_after),
                f.whole(layer.parameters),
                f.whole(layer.nonzeros),
                f"{1 - layer.nonzeros / layer.parameters:.2%}",
            )
            for layer in record.layers
        ),
        caption="biases count as parameters and are never masked",
    )


def stages_sheet(masking: Masking) -> Sheet:
    """Return a line for each stage that ended."""
    return Sheet(
        title="Stages, share of the weights",
        head=(
            *(">stage", ">requested", ">masked", ">weights not 0", ">regrown", ">epochs"),
            *(">validation loss", ">time"),
        ),
        lines=tuple(
            (
                str(record.number),
                f"{record.requested:.2%}",
                f"{record.achieved:.2%}",
                f.whole(record.nonzero_weights),
                str(record.regrown),
                str(record.epochs),
                f.magnitude(record.score),
                f.seconds(record.duration_s),
            )
            for record in masking.stages
        ),
        caption=f"training took {f.seconds(sum(r.duration_s for r in masking.stages))}",
    )


def left_alone_words(masking: Masking) -> list[str]:
    """Return a sentence for each layer that a pattern does not fit."""
    return [
        f"'{name}' was left alone by pattern {masking.pattern}: {why}"
        for name, why in masking.left_alone.items()
    ]


def compaction_words(found: CompactModel[Any], name: str) -> str:
    """Return what compacting found.

    Args:
        found: the smaller network.
        name: of the bundle that it was written to.
    """
    if found.parameters_after == found.parameters_before:
        return (
            f"compact: no neuron is cut off by its masks, so {name} would be the same network and "
            "is not written; masks that leave every neuron a weight remove nothing"
        )
    widths = ", ".join(
        f"{layer.name}: {layer.before} to {layer.after}"
        for layer in found.layers
        if layer.after < layer.before
    )
    return (
        f"compact: {found.constant} neurons without inputs folded into biases, {found.unused} "
        f"without outputs removed ({widths}); {f.whole(found.parameters_before)} parameters "
        f"become {f.whole(found.parameters_after)}, outputs equal to {found.error:.1g} of their "
        "scale in float64"
    )


def speed_words(results: Sequence[BenchResult], masking: Masking) -> list[str]:
    """Return what was measured beside the network that was given, and what it means.

    Args:
        results: the masked network's, then the compacted one's; the given one is their baseline.
            Empty where nothing was timed.
        masking: what was done.
    """
    words: list[str] = []
    for number, result in enumerate(results):
        rows = [row for row in result.rows if row.speedup is not None]
        words += [_measured(row, result.bundles[0].name) for row in rows]
        words += [] if rows else [f"not measured: {_why_not(result)}"]
        if number == 0 and any(row.verdict == FASTER for row in rows):
            words.append(
                "A masked network does the work of the one it was made from; where it is timed "
                "faster, something else differed: repeat with more --launches"
            )
    if not results:
        words.append("not measured: nothing was timed (--no-bench, or stopped early)")
    return [*words, f"{masking.achieved:.2%} of the masked network's weights are 0. {ZEROS}"]


def masked_document(
    masking: Masking,
    scores: Scores,
    gate: GateResult,
    words: Sequence[str],
    results: Sequence[BenchResult],
) -> dict[str, Any]:
    """Return the document of ``spinn-edge mask --json``; arguments as :func:`masked_markdown`."""
    return {
        "masking": masking_document(masking),
        "training_s": sum(record.duration_s for record in masking.stages),
        "scores": encode(scores),
        "gate": encode(gate.checks),
        "remarks": list(words),
        "bench": [bench_document(result) for result in results],
    }


def masked_markdown(
    masking: Masking,
    scores: Scores,
    gate: GateResult,
    words: Sequence[str],
    results: Sequence[BenchResult],
) -> str:
    """Return the whole report in Markdown.

    Args:
        masking: what was done.
        scores: on test or held-out rows.
        gate: the verdict.
        words: of :func:`speed_words`.
        results: what was timed; empty for nothing.
    """
    parts = ["# Masked model", "", *(f"{cell(text)}.\n" for text in words)]
    parts += [stages_sheet(masking).to_markdown()] if masking.stages else []
    parts += [stage_sheet(record).to_markdown() for record in masking.stages[-1:]]
    parts += [f"{cell(text)}.\n" for text in left_alone_words(masking)]
    parts += [_score_sheet(scores).to_markdown(), gate_sheet(gate).to_markdown()]
    parts += [f"{cell(text)}.\n" for text in gate_remarks(gate)]
    parts += [results_markdown(result).replace("# Results", "## Results", 1) for result in results]
    return "\n".join(parts)


def _score_sheet(scores: Scores) -> Sheet:
    return Sheet(
        title=f"Scores: {scores.source}",
        head=("target", ">R²", ">R², linear regression", ">RMSE"),
        lines=tuple(
            (name, f.score(value), f.score(scores.linear_r2[name]), f.magnitude(scores.rmse[name]))
            for name, value in scores.r2.items()
        ),
    )


def _measured(row: Row, baseline: str) -> str:
    return (
        f"{row.bundle} on {row.runtime}, batch {row.batch}: {f.seconds(row.median_s)} against "
        f"{f.seconds(row.baseline_median_s)} of {baseline} ({f.speedup(row)})"
    )


def _why_not(result: BenchResult) -> str:
    return next((row.reason for row in result.rows if row.reason), "no row was timed")
