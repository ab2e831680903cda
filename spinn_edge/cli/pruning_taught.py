"""``spinn-edge prune`` on the rows of a CSV file."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spinn_edge.cli import options as o
from spinn_edge.cli.learning_options import compile_words
from spinn_edge.cli.output import Printer
from spinn_edge.cli.progress import EpochProgress
from spinn_edge.cli.pruning_order import Order
from spinn_edge.cli.pruning_physics import PhysicsChecks
from spinn_edge.cli.pruning_request import decisive
from spinn_edge.cli.pruning_timing import latency_target, timed
from spinn_edge.cli.pruning_verdict import raise_for_verdict, show_audit, show_scores
from spinn_edge.cli.stage_folder import open_stages
from spinn_edge.cli.train import end_training

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spinn_edge.cli.lesson import Columns, Taught
    from spinn_edge.pruning.rounds import RoundEvents
    from spinn_edge.pruning.staged.continuation import Stages
    from spinn_edge.pruning.targets.plan import RoundPlan


def prune_taught(
    order: Order,
    data: Path,
    columns: Columns,
    printer: Printer,
    *,
    validation: Path | None,
    test: Path | None,
    drop_na: bool,
) -> None:
    """Prune a network that learns from a CSV file, and write its bundle."""
    from spinn_edge.cli.lesson import open_lesson
    from spinn_edge.export.learned import score_learned, write_learned
    from spinn_edge.export.pruned import as_pruned, with_earlier
    from spinn_edge.pruning.reference import FineTuning, prune_on_rows
    from spinn_edge.training.physics.lesson import PhysicsLesson
    from spinn_edge.training.reference import Optimisation

    taught = open_lesson(
        order.model,
        data,
        columns,
        order.load,
        validation=validation,
        test=test,
        drop_na=drop_na,
        seed=order.typed.seed,
        any_network=True,
    )
    lesson, start_s = taught.lesson, time.monotonic()
    before = score_learned(taught.module, lesson)
    tuning = FineTuning(
        optimisation=Optimisation(
            epochs=order.epochs,
            learning_rate=order.typed.learning_rate,
            patience=order.patience,
            min_delta=order.min_delta,
            seed=order.typed.seed,
            compiled=order.compiled,
            device=order.device,
        ),
        schedule=order.schedule,
        physics=order.physics or PhysicsLesson(),
        distillation=order.distil,
    )
    checks = PhysicsChecks(order.physics, taught, printer)
    example = _example(lesson.split.train.features)
    with latency_target(order, replace(taught.loaded, module=taught.module), example, printer) as (
        request,
        target,
    ):
        with EpochProgress(printer) as progress:
            pruned = prune_on_rows(
                taught.module,
                lesson.split,
                lesson.recipe,
                lesson.scaling,
                request,
                tuning,
                stages=_stages(order, data, taught, printer),
                events=_events(order, progress, checks),
                on_epoch=progress.advance,
            )
        if pruned.fits and pruned.fits[-1].best is None:
            printer.say("stopped before an epoch of this round ended: nothing was saved")
            raise typer.Exit(o.INTERRUPTED)
        audit = with_earlier(checks.written_into(pruned.audit), taught.loaded)
        audit = timed(audit, target, pruned)
        small = as_pruned(taught.loaded, pruned.module)
        bundle = write_learned(
            pruned.module,
            order.out,
            lesson,
            fits=pruned.fits,
            duration_s=time.monotonic() - start_s,
            pruning=audit,
            architecture=small.architecture,
            force=order.force,
        )
    printer.show(*compile_words(pruned.fits))
    show_audit(audit, printer)
    if pruned.interrupted:  # leaves here: what was not finished is not judged
        end_training(printer, bundle, interrupted=True)
    verdict = show_scores(order, bundle, before, printer)
    end_training(printer, bundle, interrupted=False)
    raise_for_verdict(order, audit, verdict, checks)


def _stages(order: Order, data: Path, taught: Taught, printer: Printer) -> Stages:
    request = decisive(
        order.typed,
        order.request,
        order.schedule,
        epochs=order.epochs,
        patience=order.patience,
        min_delta=order.min_delta,
        distil=order.distil,
        physics=repr(order.physics),
        compiled=order.compiled,
        device=order.device,
    )
    return open_stages(
        order.out,
        data,
        taught,
        request,
        resume=order.resume,
        rollback=order.rollback,
        say=printer.say,
    )


def _example(features: Any) -> tuple[torch.Tensor, ...]:
    import torch

    return (torch.from_numpy(features[:8]).float(),)


def _events(order: Order, progress: EpochProgress, checks: PhysicsChecks) -> RoundEvents[nn.Module]:
    from spinn_edge.pruning.rounds import RoundEvents, RoundState

    def on_round(number: int, plan: RoundPlan) -> None:
        progress.begin(order.title_of(number, plan.widths), *order.epochs_of(number))

    def after_round(state: RoundState[nn.Module]) -> None:
        checks.look(state.number, state.module)

    return RoundEvents(on_round=on_round, after_round=after_round)
