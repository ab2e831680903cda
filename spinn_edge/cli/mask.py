"""``spinn-edge mask``."""

from __future__ import annotations

from typing import Annotated

import typer

from spinn_edge.cli import gate_options as go
from spinn_edge.cli import options as o
from spinn_edge.cli import stage_folder as sf


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
    resume: sf.Resume = False,
    rollback: sf.Rollback = None,
    gate_r2: go.GateR2 = None,
    gate_each: go.GateEach = None,
    gate_loss: go.GateLoss = None,
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
    from spinn_edge.cli.masking_run import (
        mask_taught,
        raise_for_limits,
        report_masked,
        schedule_text,
        show_masked,
    )
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.train import end_training
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.optional import require
    from spinn_edge.pruning.schedule import parse_schedule, verify_schedule
    from spinn_edge.report.masked import compaction_words, schedule_sheet

    printer = Printer(json, markdown)
    stages = parse_schedule(schedule)
    limits = go.read_gate(gate_r2, gate_each, gate_loss)
    compact_out = out.with_name(f"{out.name}-compact") if compact else None
    for folder in (out, *([compact_out] if compact_out else [])):
        check_output_free(folder, force=force)
    for package in ("torch", "onnx", "onnxscript"):
        require(package, extra="export")
    require("onnxruntime", extra="ort")  # proves the file, and times it
    from spinn_edge.export.learned import score_learned
    from spinn_edge.pruning.masks.files import masks_of
    from spinn_edge.pruning.masks.weights import masked_share
    from spinn_edge.pruning.staged.stage_files import hash_weights

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
    wish = {
        "target": target,
        "tolerance": tolerance,
        "scope": scope,
        "pattern": pattern,
        "seed": seed,
    }
    kept = sf.open_stages(
        out,
        data,
        taught,
        {
            "schedule": schedule_text(stages),
            **wish,
            "masks_sha256": hash_weights(existing) if existing else None,
        },
        resume=resume,
        rollback=rollback,
        say=printer.say,
    )
    before = score_learned(taught.mlp, taught.lesson)
    masked = mask_taught(printer, taught, stages, kept, existing_masks=existing, **wish)
    written = write_masked(taught, masked, out, force=force, printer=printer)
    bundles = [written]
    if compact_out is not None:
        small, found = write_compact(taught, masked, compact_out, force=force, printer=printer)
        bundles += [] if small is None else [small]
        printer.show(compaction_words(found, compact_out.name))
    verdict = show_masked(printer, masked.masking, before, written, go.with_usual(limits))
    results = (
        time_beside_given(taught, bundles, launches, printer)
        if bench and not masked.interrupted
        else []
    )
    report_masked(printer, written, masked.masking, verdict, results, json=json, markdown=markdown)
    for made in bundles[1:]:
        printer.show(f"wrote {made.root}")
    end_training(printer, written, interrupted=masked.interrupted)
    raise_for_limits(limits, before, written, masked.masking)
