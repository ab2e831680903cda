"""``spinn-edge prune``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.cli import options as o

if TYPE_CHECKING:
    from spinn_edge.core.manifest import DataRecipe, Training


def prune(
    model: o.Model,
    data: o.Data,
    out: o.Out,
    target: Annotated[float, typer.Option(help="Share of parameters to remove.")] = 0.685,
    rounds: Annotated[int, typer.Option(help="Rounds of pruning and fine-tuning.")] = 3,
    finetune_epochs: Annotated[int, typer.Option(help="Epochs after each round.")] = 10,
    round_to: Annotated[int, typer.Option(help="Hidden widths become multiples of this.")] = 1,
    tolerance: Annotated[
        float, typer.Option(help="Largest distance between requested and achieved share.")
    ] = 0.003,
    validation: o.Validation = None,
    test: o.Test = None,
    targets: o.Targets = None,
    features: o.Features = None,
    ignore: o.Ignore = None,
    group: o.Group = None,
    drop_na: o.DropNa = False,
    activation: o.Activation = None,
    weights: o.Weights = None,
    learning_rate: o.LearningRate = 1e-3,
    seed: o.Seed = 0,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Remove neurons until a share of the parameters is gone, fine-tune, and audit the result.

    Columns, scaling and split come from the bundle that `spinn-edge train` wrote; for any other
    model name --targets.
    """
    from spinn_edge.cli.output import EpochProgress, Printer
    from spinn_edge.cli.train import end_training
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.optional import require
    from spinn_edge.models.loading import load_model
    from spinn_edge.training.dataset import load_split, with_validation

    printer = Printer()
    check_output_free(out, force=force)
    require("torch", extra="export")
    from spinn_edge.core.words import dashed
    from spinn_edge.export.learned import Lesson, score_learned, write_learned
    from spinn_edge.pruning.reference import as_mlp, prune_on_rows
    from spinn_edge.report.console import audit_table, scores_table
    from spinn_edge.report.remarks import score_remarks
    from spinn_edge.training.reference import Optimisation
    from spinn_edge.training.scaling import fit_scaling

    loaded = load_model(
        model,
        o.load_options(
            activation=activation,
            weights=weights,
            trust_pickle=trust_pickle,
            trust_factory=trust_factory,
        ),
    )
    learnt = loaded.bundle.manifest.training if loaded.bundle else None
    if learnt is None:
        recipe = o.new_recipe(
            data,
            targets=targets,
            features=features,
            ignore=ignore,
            group=group,
            validation=validation,
            seed=seed,
            drop_na=drop_na,
        )
    else:
        _refuse_columns(model, targets, features, ignore, group)
        recipe = _known_recipe(learnt, drop_na)
        recipe = with_validation(recipe, validation)
    split = load_split(data, recipe)
    mlp = as_mlp(loaded.module, activation=activation, origin=model, split=split)
    _check_columns(mlp.widths, recipe, data)
    scaling = learnt.scaling if learnt else fit_scaling(split.train)
    lesson = Lesson(recipe=recipe, split=split, scaling=scaling, seed=seed, test=test)
    before = score_learned(mlp, lesson)
    start_s = time.monotonic()
    with EpochProgress(printer) as progress:
        pruned = prune_on_rows(
            mlp,
            split,
            scaling,
            Optimisation(epochs=finetune_epochs, learning_rate=learning_rate, seed=seed),
            target=target,
            rounds=rounds,
            round_to=round_to,
            tolerance=tolerance,
            on_round=lambda number, plan: progress.begin(
                f"round {number}/{rounds}, {dashed(plan.widths)}", finetune_epochs
            ),
            on_epoch=progress.advance,
        )
    if pruned.fits[-1].best is None:
        printer.say("stopped before an epoch of this round ended: nothing was saved")
        raise typer.Exit(o.INTERRUPTED)
    bundle = write_learned(
        pruned.module,
        out,
        lesson,
        fits=pruned.fits,
        duration_s=time.monotonic() - start_s,
        pruning=pruned.audit,
        force=force,
    )
    printer.show(audit_table(pruned.audit))
    if round_to > 1:
        printer.show(
            f"{pruned.audit.achieved:.2%} is the nearest to {target:.2%} that widths in multiples "
            f"of {round_to} near a common ratio reach"
        )
    printer.show(scores_table(before, "Before pruning"))
    assert bundle.manifest.training is not None
    scores = bundle.manifest.training.scores
    printer.show(scores_table(scores, "After pruning"), *score_remarks(scores, bundle.name))
    end_training(printer, bundle, interrupted=pruned.interrupted)


def _known_recipe(learnt: Training, drop_na: bool) -> DataRecipe:
    from dataclasses import replace

    return replace(learnt.recipe, drop_na=learnt.recipe.drop_na or drop_na)


def _refuse_columns(model: str, *given: str | None) -> None:
    from spinn_edge.core.errors import UsageError

    if any(value is not None for value in given):
        raise UsageError(
            f"{model} knows its columns from training; leave out --targets, --features, --ignore "
            "and --group"
        )


def _check_columns(widths: tuple[int, ...], recipe: DataRecipe, data: Path) -> None:
    from spinn_edge.core.errors import UsageError

    found = (len(recipe.features), len(recipe.targets))
    if found != (widths[0], widths[-1]):
        raise UsageError(
            f"the model takes {widths[0]} features and gives {widths[-1]} outputs, but {data} "
            f"leaves {found[0]} features ({', '.join(recipe.features)}) for {found[1]} targets; "
            "name them with --features and --targets, or leave columns out with --ignore"
        )
