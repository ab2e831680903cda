"""MODEL and a table: what commands that fine-tune a trained network begin with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.cli import options as o
from spinn_edge.core.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from spinn_edge.core.manifest import DataRecipe, Training
    from spinn_edge.export.learned import Lesson
    from spinn_edge.models.loading import LoadedModel, LoadOptions
    from spinn_edge.models.modules import MLP


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What was typed of the table's columns; None where nothing was."""

    targets: str | None
    features: str | None
    ignore: str | None
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """A trained network and what it is taught with.

    Attributes:
        loaded: what MODEL was.
        module: from raw features to physical units.
        lesson: rows, columns, scaling.
    """

    loaded: LoadedModel
    module: nn.Module
    lesson: Lesson

    @property
    def mlp(self) -> MLP:
        """The network, where a plain MLP was asked for."""
        from spinn_edge.models.modules import MLP

        assert isinstance(self.module, MLP)
        return self.module


def open_lesson(
    model: str,
    data: Path,
    columns: Columns,
    load: LoadOptions,
    *,
    validation: Path | None,
    test: Path | None,
    drop_na: bool,
    seed: int,
    any_network: bool = False,
) -> Taught:
    """Load a network and the rows that it learns from.

    Columns, scaling and split come from the bundle that `spinn-edge train` wrote, and from
    ``columns`` for any other model.

    Args:
        model: MODEL.
        data: CSV file.
        columns: what was typed of its columns.
        load: how to load MODEL.
        validation: CSV whose rows choose the best epoch.
        test: CSV whose rows are scored only.
        drop_na: leave out rows with missing values.
        seed: of the split.
        any_network: take what a factory builds as it is; else only a plain MLP will do.

    Raises:
        UsageError: a column is unknown, not named, or named where the bundle knows it.
        PruningError: the model is no plain MLP, or does not run on the rows.
        BundleError: the bundle is damaged.
    """
    from spinn_edge.export.learned import Lesson
    from spinn_edge.models.loading import load_model
    from spinn_edge.pruning.conversion import as_mlp, check_runs
    from spinn_edge.training.dataset import load_split, with_validation
    from spinn_edge.training.scaling import fit_scaling

    loaded = load_model(model, load)
    learnt = loaded.bundle.manifest.training if loaded.bundle else None
    if learnt is None:
        recipe = o.new_recipe(
            data,
            targets=columns.targets,
            features=columns.features,
            ignore=columns.ignore,
            group=columns.group,
            validation=validation,
            seed=seed,
            drop_na=drop_na,
        )
    else:
        recipe = with_validation(_known_recipe(model, learnt, columns, drop_na), validation)
    split = load_split(data, recipe)
    module: nn.Module
    if any_network and loaded.architecture.kind == "factory" and load.activation is None:
        assert loaded.module is not None
        module = check_runs(loaded.module, origin=model, split=split)
    else:
        module = as_mlp(loaded.module, activation=load.activation, origin=model, split=split)
        _check_columns(module.widths, recipe, data)
    scaling = learnt.scaling if learnt else fit_scaling(split.train)
    lesson = Lesson(recipe=recipe, split=split, scaling=scaling, seed=seed, test=test)
    return Taught(loaded=loaded, module=module, lesson=lesson)


def _known_recipe(model: str, learnt: Training, columns: Columns, drop_na: bool) -> DataRecipe:
    given = (columns.targets, columns.features, columns.ignore, columns.group)
    if any(value is not None for value in given):
        raise UsageError(
            f"{model} knows its columns from training; leave out --targets, --features, --ignore "
            "and --group"
        )
    return replace(learnt.recipe, drop_na=learnt.recipe.drop_na or drop_na)


def _check_columns(widths: tuple[int, ...], recipe: DataRecipe, data: Path) -> None:
    found = (len(recipe.features), len(recipe.targets))
    if found != (widths[0], widths[-1]):
        raise UsageError(
            f"the model takes {widths[0]} features and gives {widths[-1]} outputs, but {data} "
            f"leaves {found[0]} features ({', '.join(recipe.features)}) for {found[1]} targets; "
            "name them with --features and --targets, or leave columns out with --ignore"
        )
