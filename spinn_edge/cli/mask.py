"""``spinn-edge mask``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.bench.result import BenchResult
    from spinn_edge.cli.lesson import Taught
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.models.modules import MLP
    from spinn_edge.pruning.masks.gate import GateLine
    from spinn_edge.pruning.masks.record import MaskedStage, Masking
    from spinn_edge.pruning.masks.stages import MaskedModel, StageState
    from spinn_edge.pruning.schedule import CumulativeRow


def mask(
    model: o.Model,
    data: o.Data,
    out: o.Out,
    schedule: Annotated[
        str,
        typer.Option(
            metavar="STAGES",
            help="RATIO:EPOCHS:LR of each stage, such as 0.3:10:1e-3,0.2:15:1e-4; a ratio is a "
            "share of the weights that are left.",
            show_default=False,
        ),
    ],
    target: Annotated[
        float | None,
        typer.Option(help="Share of the weights that must be masked in the end."),
    ] = None,
    tolerance: Annotated[
        float, typer.Option(help="Largest distance of the schedule's end from --target.")
    ] = 0.003,
    scope: Annotated[
        str, typer.Option(help="Where weights compete: global, or layer for each by itself.")
    ] = "global",
    pattern: Annotated[
        str | None,
        typer.Option(help="2:4: two of every four consecutive input weights; one stage of 0.5."),
    ] = None,
    compact: Annotated[
        bool,
        typer.Option(
            "--compact",
            help="Also write OUT-compact, without the neurons that masks have cut off; exact.",
        ),
    ] = False,
    gate_r2: Annotated[
        float | None,
        typer.Option(help="Leave with 4 unless R² overall is above it; 0.75 is only shown."),
    ] = None,
    gate_each: Annotated[
        float | None,
        typer.Option(help="Leave with 4 unless every target's R² is above it; 0.70 is only shown."),
    ] = None,
    bench: Annotated[
        bool, typer.Option("--bench/--no-bench", help="Time it beside the dense network.")
    ] = True,
    launches: Annotated[int, typer.Option(help="Processes for each network.", min=1)] = 3,
    validation: o.Validation = None,
    test: o.Test = None,
    targets: o.Targets = None,
    features: o.Features = None,
    ignore: o.Ignore = None,
    group: o.Group = None,
    drop_na: o.DropNa = False,
    activation: o.Activation = None,
    weights: o.Weights = None,
    seed: o.Seed = 0,
    json: o.Json = None,
    markdown: Annotated[
        str | None, typer.Option(metavar="FILE", help="Write the report; - for standard output.")
    ] = None,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Hold the smallest weights at zero, in stages with fine-tuning; the network keeps its size.

    Zeros alone buy no speed here, and the command shows it measured; `spinn-edge prune` removes
    neurons. Columns, scaling and split come from the bundle that `spinn-edge train` wrote; for any
    other model name --targets.
    """
    from spinn_edge.cli.lesson import Columns, open_lesson
    from spinn_edge.cli.masked_bundles import time_beside_given, write_compact, write_masked
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.train import end_training
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.optional import require
    from spinn_edge.pruning.masks.gate import Gate, judge
    from spinn_edge.pruning.schedule import parse_schedule, verify_schedule
    from spinn_edge.report.masked import (
        compaction_words,
        gate_sheet,
        left_alone_words,
        schedule_sheet,
        stages_sheet,
    )

    printer = Printer(json, markdown)
    stages = parse_schedule(schedule)
    gate = Gate(
        **{} if gate_r2 is None else {"r2_overall": gate_r2},
        **{} if gate_each is None else {"r2_each": gate_each},
    )
    compact_out = out.with_name(f"{out.name}-compact") if compact else None
    for folder in (out, *([compact_out] if compact_out else [])):
        check_output_free(folder, force=force)
    for package in ("torch", "onnx", "onnxscript"):
        require(package, extra="export")
    require("onnxruntime", extra="ort")  # proves the file, and times it
    from spinn_edge.export.learned import score_learned
    from spinn_edge.pruning.masks.files import masks_of
    from spinn_edge.pruning.masks.weights import masked_share
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.remarks import score_remarks

    taught = open_lesson(
        model,
        data,
        Columns(targets=targets, features=features, ignore=ignore, group=group),
        o.load_options(
            activation=activation,
            weights=weights,
            trust_pickle=trust_pickle,
            trust_factory=trust_factory,
        ),
        validation=validation,
        test=test,
        drop_na=drop_na,
        seed=seed,
    )
    bundle = taught.loaded.bundle
    existing = masks_of(bundle, taught.mlp) if bundle else None
    start = masked_share(existing) if existing else 0.0
    goal, begin = (None, 0.0) if pattern else (target, start)  # a pattern counts what is masked
    rows = verify_schedule(stages, goal, tolerance, start=begin)
    printer.show(schedule_sheet(rows, start).to_rich())
    before = score_learned(taught.mlp, taught.lesson)
    masked = _mask(
        printer,
        taught,
        stages=stages,
        seed=seed,
        target=target,
        tolerance=tolerance,
        scope=scope,
        pattern=pattern,
        existing_masks=existing,
    )
    written = write_masked(taught, masked, out, force=force, printer=printer)
    bundles = [written]
    if compact_out is not None:
        small, found = write_compact(taught, masked, compact_out, force=force, printer=printer)
        bundles += [] if small is None else [small]
        printer.show(compaction_words(found, compact_out.name))
    assert written.manifest.training is not None
    scores = written.manifest.training.scores
    lines = judge(scores, gate)
    printer.show(
        stages_sheet(masked.masking).to_rich(),
        *left_alone_words(masked.masking),
        scores_table(before, "Before masking"),
        scores_table(scores, "After masking"),
        *score_remarks(scores, written.name),
        gate_sheet(lines).to_rich(),
    )
    results = (
        time_beside_given(taught, bundles, launches, printer)
        if bench and not masked.interrupted
        else []
    )
    _report(printer, written, masked.masking, lines, results, json, markdown)
    for made in bundles[1:]:
        printer.show(f"wrote {made.root}")
    end_training(printer, written, interrupted=masked.interrupted)
    overall, each = lines[:1], lines[1:]
    _raise_for_gate(
        (*(overall if gate_r2 is not None else ()), *(each if gate_each is not None else ()))
    )


def _mask(printer: Printer, taught: Taught, **options: Any) -> MaskedModel[MLP]:
    from spinn_edge.cli.output import EpochProgress
    from spinn_edge.pruning.masks.reference import mask_on_rows
    from spinn_edge.report.masked import stage_sheet

    stages, lesson = options.pop("stages"), taught.lesson

    with EpochProgress(printer) as progress:

        def begin(row: CumulativeRow) -> None:
            title = f"stage {row.number}/{len(stages)}, {row.cumulative:.2%} masked"
            progress.begin(title, row.stage.epochs)

        def end(number: int, record: MaskedStage, state: StageState) -> None:
            progress.say(f"stage {number}: {record.achieved:.2%} masked, none regrown")
            printer.show(stage_sheet(record).to_rich())

        masked = mask_on_rows(
            taught.mlp,
            lesson.split,
            lesson.scaling,
            stages,
            on_begin=begin,
            on_epoch=progress.advance,
            on_stage=end,
            **options,
        )
    if masked.fits[-1].best is None:
        printer.say("stopped before an epoch of this stage ended: nothing was saved")
        raise typer.Exit(o.INTERRUPTED)
    return masked


def _report(
    printer: Printer,
    written: Bundle,
    masking: Masking,
    lines: tuple[GateLine, ...],
    results: list[BenchResult],
    json: str | None,
    markdown: str | None,
) -> None:
    from spinn_edge.report.console import bench_table
    from spinn_edge.report.json_document import to_text
    from spinn_edge.report.masked import masked_document, masked_markdown, speed_words
    from spinn_edge.report.result_remarks import result_remarks

    assert written.manifest.training is not None
    scores = written.manifest.training.scores
    words = speed_words(results, masking)
    for result in results:
        printer.show(bench_table(result, width=printer.width), *result_remarks(result))
    printer.show(*words)
    printer.write(to_text(masked_document(masking, scores, lines, words, results)), json)
    printer.write(masked_markdown(masking, scores, lines, words, results), markdown)


def _raise_for_gate(lines: tuple[GateLine, ...]) -> None:
    from spinn_edge.core.errors import PruningError
    from spinn_edge.report import formatting as f

    missed = [line for line in lines if not line.passed]
    if missed:
        words = ", ".join(
            f"{line.what} is {f.score(line.measured)}, and must be above {line.limit:g}"
            for line in missed
        )
        raise PruningError(
            f"the gate is missed: {words}; mask less, train longer, or lower the limit"
        )
