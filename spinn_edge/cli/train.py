"""``spinn-edge train``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import learning_options as lo
from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle


def train(
    data: o.Data,
    targets: o.Targets,
    out: o.Out,
    validation: o.Validation = None,
    test: o.Test = None,
    features: o.Features = None,
    ignore: o.Ignore = None,
    group: o.Group = None,
    held_out: Annotated[float, typer.Option(help="Share of groups or rows to hold out.")] = 0.2,
    drop_na: o.DropNa = False,
    hidden: Annotated[str, typer.Option(help="Widths of the hidden layers.")] = "512,512,512,256",
    activation: Annotated[str, typer.Option(help="tanh, relu, gelu, silu or sin.")] = "tanh",
    epochs: Annotated[int, typer.Option(help="Most passes over the training rows.")] = 12,
    learning_rate: o.LearningRate = 1e-3,
    patience: o.Patience = None,
    min_delta: lo.MinDelta = 0.0,
    residual: lo.Residual = None,
    derivatives: lo.Derivatives = None,
    monotone: lo.Monotone = None,
    collocation: lo.CollocationPoints = None,
    sampling: lo.Sampling = None,
    physics_weight: lo.PhysicsWeight = None,
    compile_steps: lo.Compile = None,
    device: lo.Device = "cpu",
    seed: o.Seed = 0,
    force: o.Force = False,
) -> None:
    """Train a reference MLP on a CSV file; it takes raw features and returns physical units.

    The weights that are kept are those of the epoch with the lowest error on the held-out rows,
    with and without physics.
    """
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.progress import EpochProgress
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.optional import require
    from spinn_edge.training.dataset import load_split

    printer = Printer()
    check_output_free(out, force=force)
    widths = o.whole_numbers(hidden, "--hidden")
    require("torch", extra="export")
    from spinn_edge.export.learned import Lesson, write_learned
    from spinn_edge.models.modules import find_activation
    from spinn_edge.report.console import scores_table
    from spinn_edge.report.remarks import score_remarks
    from spinn_edge.training.reference import Optimisation, train_mlp

    find_activation(activation)
    optimisation = Optimisation(
        epochs=epochs,
        learning_rate=learning_rate,
        patience=patience,
        min_delta=min_delta,
        seed=seed,
        compiled=lo.wants_compile(compile_steps),
        device=lo.training_device(device),
    )
    lesson_in_physics = lo.physics_lesson(
        residual=residual,
        derivatives=derivatives,
        monotone=monotone,
        collocation=collocation,
        sampling=sampling,
        weight=physics_weight,
    )
    recipe = o.new_recipe(
        data,
        targets=targets,
        features=features,
        ignore=ignore,
        group=group,
        validation=validation,
        seed=seed,
        drop_na=drop_na,
        held_out=held_out,
    )
    split = load_split(data, recipe)
    if split.dropped:
        printer.show(f"dropped {split.dropped} rows with missing values")
    printer.show(
        f"{len(split.train)} training rows, held out: {split.held_out_from}; "
        f"{len(recipe.features)} features"
    )
    with EpochProgress(printer) as progress:
        if optimisation.compiled:
            progress.say("training steps go through torch.compile; the first ones take a while")
        progress.begin("training", epochs)
        trained = train_mlp(
            split,
            recipe,
            hidden=widths,
            activation=activation,
            optimisation=optimisation,
            physics=lesson_in_physics,
            on_epoch=progress.advance,
        )
    if trained.fit.best is None:
        printer.say("stopped before the first epoch ended: nothing was saved")
        raise typer.Exit(o.INTERRUPTED)
    lesson = Lesson(recipe=recipe, split=split, scaling=trained.scaling, seed=seed, test=test)
    bundle = write_learned(
        trained.module,
        out,
        lesson,
        fits=(trained.fit,),
        duration_s=trained.duration_s,
        force=force,
    )
    assert bundle.manifest.training is not None
    scores = bundle.manifest.training.scores
    printer.show(*lo.compile_words((trained.fit,)))
    printer.show(scores_table(scores, "Scores"), *score_remarks(scores, bundle.name))
    end_training(printer, bundle, interrupted=trained.fit.interrupted)


def end_training(printer: Printer, bundle: Bundle, *, interrupted: bool) -> None:
    """Say what was written; an interrupted run leaves with 130 after saving its best weights."""
    printer.show(f"wrote {bundle.root}")
    if interrupted:
        printer.say(f"stopped early: {bundle.root} holds the best weights so far")
        raise typer.Exit(o.INTERRUPTED)
