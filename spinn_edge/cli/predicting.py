"""What bundles predict for the rows of a table, for the figures of a report."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.core.steps import OnStep, unheard

if TYPE_CHECKING:
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.tensors import Array
    from spinn_edge.report.sources import Predictions


def predictions_of(
    bundles: Sequence[Bundle],
    data: Path,
    *,
    runtime: str | None = None,
    on_step: OnStep = unheard,
) -> Predictions:
    """Run every bundle on the same labelled rows.

    Args:
        bundles: at least one; one that was trained here says which columns are meant.
        data: a CSV file with a head line, or an NPZ file.
        runtime: to run them on; None for ort-cpu where it can serve a bundle, else eager.
        on_step: called before each bundle runs.

    Raises:
        UsageError: no bundle, no such columns, or rows that the bundles do not take.
        BundleError, RuntimeUnavailableError, MissingDependencyError, InferenceError: a bundle
            cannot be run.
    """
    import numpy as np

    from spinn_edge.accuracy.validation.evaluation import evaluate
    from spinn_edge.accuracy.validation.evaluators import make_evaluator
    from spinn_edge.accuracy.validation.labelled import load_labelled
    from spinn_edge.core.errors import UsageError
    from spinn_edge.report.sources import Predictions

    if not bundles:
        raise UsageError(f"--data {data} needs models to run on it; name them with --bundle FOLDER")
    trained = [bundle.manifest.training for bundle in bundles]
    recipes = [training.recipe for training in trained if training is not None]
    recipe = recipes[0] if recipes else None
    if recipe is None and data.suffix.lower() == ".csv":
        raise UsageError(
            f"--data {data}: no --bundle says which of its columns are features and targets, since "
            "spinn-edge trained none of them; give arrays in an .npz file instead"
        )
    labelled = load_labelled(
        data,
        features=recipe.features if recipe else (),
        targets=recipe.targets if recipe else (),
        drop_na=recipe.drop_na if recipe else False,
    )
    measured = _columns(labelled.targets.values())
    predicted = {}
    for number, bundle in enumerate(bundles):
        on_step(f"predicting the rows of {data} with {bundle.name}", number, len(bundles))
        with make_evaluator(bundle, bundle.name, runtime=runtime or _runtime_of(bundle)) as model:
            outputs = evaluate(
                model, labelled.inputs, named=labelled.named_inputs, cast=labelled.from_table
            )
        found = _columns(outputs.arrays.values())
        if found.shape != measured.shape:
            raise UsageError(
                f"{bundle.name} predicts {found.shape[1]} columns, {data} has "
                f"{measured.shape[1]} targets; leave out --data, or a --bundle of another task"
            )
        predicted[bundle.name] = np.asarray(found, np.float64)
    numbered = (f"output {number + 1}" for number in range(measured.shape[1]))
    return Predictions(
        targets=labelled.columns or tuple(numbered),
        measured=np.asarray(measured, np.float64),
        predicted=predicted,
        source=labelled.source,
    )


def _runtime_of(bundle: Bundle) -> str:
    from spinn_edge.core.optional import installed_version

    ort = installed_version("onnxruntime", "onnxruntime-gpu") is not None
    return "ort-cpu" if ort and bundle.manifest.files_of("onnx", "fp32") else "eager"


def _columns(arrays: Iterable[Array]) -> Array:
    """Return shape (rows, all columns of all arrays)."""
    import numpy as np

    return np.concatenate([array.reshape(len(array), -1) for array in arrays], axis=1)
