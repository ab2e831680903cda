"""Bundles of models that were trained here: scored, and proved on real rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import nn

from spinn_edge.accuracy.metrics.regression import (
    linear_regression,
    predict_linear,
    score_predictions,
)
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Architecture, DataRecipe, Scaling, Scores, Training
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import rows_as_golden
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP
from spinn_edge.training.dataset import Split, load_rows
from spinn_edge.training.fitting import Fit
from spinn_edge.training.reference import predict
from spinn_edge.training.scaling import standardise


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a network was taught with.

    Attributes:
        recipe: columns and rows.
        split: the rows themselves.
        scaling: folded into the network.
        seed: of initial weights and batch order.
        test: CSV whose rows neither trained the network nor chose its weights; None scores the
            held-out rows, which chose the best epoch.
    """

    recipe: DataRecipe
    split: Split
    scaling: Scaling
    seed: int
    test: Path | None = None


def write_learned(
    module: nn.Module,
    out: Path,
    lesson: Lesson,
    *,
    fits: tuple[Fit, ...],
    duration_s: float,
    pruning: PruningAudit | None = None,
    architecture: Architecture | None = None,
    request: ExportRequest | None = None,
    force: bool = False,
    on_step: OnStep = unheard,
) -> Bundle:
    """Score a network and write its bundle, golden inputs drawn from real rows.

    Args:
        module: from raw features to physical units.
        out: folder to write.
        lesson: what it was taught with.
        fits: the training runs that made it, in order; none for a network that was only loaded.
        duration_s: their wall time.
        pruning: the audit, if it was pruned.
        architecture: how the module is made again; None for a plain MLP, which says it itself.
        request: formats to export; none writes weights and golden vectors only.
        force: replace a bundle at ``out``.
        on_step: as :func:`spinn_edge.export.bundling.write_bundle`.

    Raises:
        BundleError: ``out`` exists or cannot be written.
        ExportError: a format was not proved.
        UsageError: the test file does not fit the recipe.
    """
    best = fits[-1].best if fits else None  # none: the network as it was given
    training = Training(
        recipe=lesson.recipe,
        scaling=lesson.scaling,
        seed=lesson.seed,
        epochs=sum(len(fit.history) for fit in fits),
        best_epoch=best.number if best else 0,
        duration_s=duration_s,
        interrupted=any(fit.interrupted for fit in fits),
        scores=score_learned(module, lesson),
    )
    features = np.concatenate([lesson.split.train.features, lesson.split.held_out.features])
    loaded = LoadedModel(
        origin="the trained network",
        module=module,
        architecture=architecture or _of_mlp(module),
        inputs=(TensorSpec("input", (None, len(lesson.recipe.features)), np.dtype(np.float32)),),
    )
    return write_bundle(
        loaded,
        out,
        request or ExportRequest(),
        golden=rows_as_golden(features, "the training data, extremes included"),
        training=training,
        pruning=pruning,
        force=force,
        on_step=on_step,
    )


def _of_mlp(module: nn.Module) -> Architecture:
    assert isinstance(module, MLP)
    return Architecture(kind="mlp", widths=module.widths, activation=module.activation)


def score_learned(module: nn.Module, lesson: Lesson) -> Scores:
    """Score a network on test rows, or on held-out rows where there are none."""
    if lesson.test is None:
        rows = lesson.split.held_out
        source = f"{lesson.split.held_out_from} (they also chose the best epoch)"
    else:
        rows = load_rows(lesson.test, lesson.recipe)
        source = f"{len(rows)} rows of {lesson.test.name}, used for nothing else"
    train, scored = (standardise(part, lesson.scaling) for part in (lesson.split.train, rows))
    linear = predict_linear(linear_regression(train.features, train.targets), scored.features)
    linear = linear * np.array(lesson.scaling.target_std) + np.array(lesson.scaling.target_mean)
    predicted = predict(module, rows.features)
    return score_predictions(lesson.recipe.targets, rows.targets, predicted, linear, source=source)
