"""What ``spinn-edge prune`` does: on rows, on the user's own batches, or untuned."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from spinn_edge.cli import options as o
from spinn_edge.cli.latency_target import LatencyTarget, LatencyWish, variants_folder
from spinn_edge.cli.learning_options import compile_words
from spinn_edge.cli.output import EpochProgress, Printer
from spinn_edge.cli.pruning_physics import PhysicsChecks
from spinn_edge.cli.pruning_request import Typed, decisive
from spinn_edge.cli.pruning_verdict import (
    raise_for_verdict,
    show_audit,
    show_scores,
    show_unscored,
)
from spinn_edge.cli.stage_folder import open_stages
from spinn_edge.cli.train import end_training
from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.words import dashed

if TYPE_CHECKING:
    import torch
    from torch import nn

    from spinn_edge.cli.lesson import Columns, Taught
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.core.tensors import TensorSpec
    from spinn_edge.models.loading import LoadedModel, LoadOptions
    from spinn_edge.pruning.continuation import Stages
    from spinn_edge.pruning.gate import PruningGate
    from spinn_edge.pruning.plan import RoundPlan
    from spinn_edge.pruning.reference import FineTuning
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.rounds import PrunedModel, RoundEvents
    from spinn_edge.pruning.schedule import Stage
    from spinn_edge.training.physics.lesson import PhysicsLesson


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was typed, read and checked."""

    model: str
    out: Path
    load: LoadOptions
    typed: Typed
    request: PruningRequest
    schedule: tuple[Stage, ...]
    wish: LatencyWish | None
    epochs: int
    patience: int | None
    min_delta: float
    distil: float
    physics: PhysicsLesson | None
    compiled: bool
    device: str
    resume: bool
    rollback: int | None
    gate: PruningGate
    gate_asked: bool
    force: bool
    input_shapes: tuple[TensorSpec, ...]


def refuse_without_rows(order: Order, columns: Sequence[object]) -> None:
    """Refuse what only a table can do where none was named.

    Raises:
        UsageError: an option has nothing to act on.
    """
    if any(value is not None for value in columns) or order.physics or order.distil:
        raise UsageError(
            "columns, --validation, --test, --distil and physics are for the rows of --data; name "
            "a CSV file with it, or leave them out"
        )
    if order.resume or order.rollback is not None:
        raise UsageError("stages are kept for runs on the rows of --data; name it as before")


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
    with _latency_target(order, replace(taught.loaded, module=taught.module), example, printer) as (
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
                events=_events(tuning, progress, checks),
                on_epoch=progress.advance,
            )
        if pruned.fits and pruned.fits[-1].best is None:
            printer.say("stopped before an epoch of this round ended: nothing was saved")
            raise typer.Exit(o.INTERRUPTED)
        audit = with_earlier(checks.written_into(pruned.audit), taught.loaded)
        audit = _timed(audit, target, pruned)
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
    verdict = show_scores(order, bundle, before, printer)
    end_training(printer, bundle, interrupted=pruned.interrupted)
    raise_for_verdict(order, audit, verdict, checks)


def prune_loaded(order: Order, loaders: str | None, printer: Printer) -> None:
    """Prune a network on the user's own batches, or without tuning, and write its bundle."""
    import torch

    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.export.pruned import as_pruned, with_earlier
    from spinn_edge.export.shapes import input_specs
    from spinn_edge.models.loading import load_model
    from spinn_edge.pruning.rounds import RoundEvents, prune_in_rounds
    from spinn_edge.pruning.training import prune_with_loaders
    from spinn_edge.training.determinism import deterministic

    loaded = load_model(order.model, order.load)
    if loaded.module is None or loaded.architecture.kind == "file":
        raise PruningError(
            f"'{order.model}' is an exported file or a module without a factory, and nothing could "
            "build it again once it is smaller; give its state dict with --activation, or "
            "package.module:factory --weights FILE"
        )
    specs = input_specs(loaded, order.input_shapes)
    example = _example_of(loaded, specs, order.typed.seed)
    with _latency_target(order, loaded, example, printer) as (request, target):
        if loaders is None:
            printer.say("no --data and no --loaders: channels are removed and nothing is tuned")
            events: RoundEvents[Any] = RoundEvents(
                on_round=lambda number, plan: printer.say(f"round {number}: {dashed(plan.widths)}")
            )
            pruned = prune_in_rounds(loaded.module, request, example=example, events=events)
        else:
            train, val, loss = _call_loaders(loaders)
            rate = order.typed.learning_rate
            with EpochProgress(printer) as progress, deterministic(order.typed.seed):
                pruned = prune_with_loaders(
                    loaded.module,
                    train,
                    val,
                    lambda parameters: torch.optim.AdamW(parameters, lr=rate),
                    loss,
                    order.device,
                    request,
                    finetune_epochs=order.epochs,
                    events=RoundEvents(
                        on_round=lambda number, plan: progress.begin(
                            f"round {number}, {dashed(plan.widths)}", order.epochs
                        )
                    ),
                    on_epoch=progress.advance,
                )
        small = as_pruned(loaded, pruned.module.cpu())
        audit = _timed(with_earlier(pruned.audit, loaded), target, pruned)
        bundle = write_bundle(
            small,
            order.out,
            ExportRequest(input_shapes=specs),
            pruning=audit,
            force=order.force,
        )
    show_audit(audit, printer)
    verdict = show_unscored(order, audit, printer)
    end_training(printer, bundle, interrupted=pruned.interrupted)
    raise_for_verdict(order, audit, verdict)


def _example_of(
    loaded: LoadedModel, specs: Sequence[TensorSpec], seed: int
) -> tuple[torch.Tensor, ...]:
    """Return some inputs: golden ones where the model came with them, else random numbers."""
    import torch

    if loaded.bundle is not None:
        golden = loaded.bundle.golden().inputs
        return tuple(torch.from_numpy(golden[spec.name][:8]) for spec in specs)
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn([8 if size is None else size for size in spec.shape], generator=generator)
        for spec in specs
    )


def _call_loaders(reference: str) -> tuple[Any, Any, Any]:
    from spinn_edge.cli.user_function import import_function

    function = import_function(reference, "--loaders", "no arguments")
    try:
        train, validation, loss = function()
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"--loaders {reference} failed ({type(exc).__name__}: {exc}); expected a function "
            "without arguments that returns training batches, validation batches and a loss of "
            "(prediction, y)"
        ) from exc
    return train, validation, loss


def _timed(
    audit: PruningAudit, target: LatencyTarget | None, pruned: PrunedModel[Any]
) -> PruningAudit:
    if target is None or pruned.interrupted:
        return audit
    widths = tuple(layer.after for layer in audit.layers)
    return replace(audit, latency=target.time(pruned.module, widths))


@contextmanager
def _latency_target(
    order: Order, loaded: LoadedModel, example: tuple[torch.Tensor, ...], printer: Printer
) -> Iterator[tuple[PruningRequest, LatencyTarget | None]]:
    """Give the request, with measured widths where a latency is the target."""
    if order.wish is None:
        yield order.request, None
        return
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.shapes import input_specs
    from spinn_edge.pruning.graph.find import find_groups
    from spinn_edge.report.latency_target import latency_plan_sheet

    assert loaded.module is not None
    specs = order.input_shapes or input_specs(loaded, ())
    with variants_folder() as folder:
        target = LatencyTarget(
            order.wish,
            loaded,
            find_groups(loaded.module, example),
            folder,
            ExportRequest(input_shapes=specs, max_batch=max(order.wish.batch, _LARGEST_PROVED)),
            printer,
        )
        if order.wish.goal is None:
            yield order.request, target
            return
        plan = target.choose(order.typed.limits)
        printer.show(latency_plan_sheet(plan).to_rich())
        yield replace(order.request, widths=plan.widths), target


_LARGEST_PROVED = 7
"""Exports are proved at batch 1, 2, 7 and the largest; a smaller largest one would skip some."""


def _stages(order: Order, data: Path, taught: Taught, printer: Printer) -> Stages:
    request = decisive(
        order.typed,
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


def _events(
    tuning: FineTuning, progress: EpochProgress, checks: PhysicsChecks
) -> RoundEvents[nn.Module]:
    from spinn_edge.pruning.rounds import RoundEvents, RoundState

    def on_round(number: int, plan: RoundPlan) -> None:
        progress.begin(f"round {number}, {dashed(plan.widths)}", tuning.of_round(number).epochs)

    def after_round(state: RoundState[nn.Module]) -> None:
        checks.look(state.number, state.module)

    return RoundEvents(on_round=on_round, after_round=after_round)
