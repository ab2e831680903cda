"""What adapts: a network, its columns, and what its bundle knows about its data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Manifest
from spinn_edge.core.tensors import Array, describe
from spinn_edge.models.loading import module_of
from spinn_edge.training.adaptation.limits import ValueLimits, limits_of
from spinn_edge.training.dataset import Floats

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A deployed network before it adapts.

    Attributes:
        module: from raw features to physical units; never changed.
        manifest: of its bundle.
        features: names of the input columns.
        targets: names of the output columns, which are the channels.
        golden: golden inputs, shape (samples, features), the network's dtype.
        golden_outputs: float64, shape (samples, targets).
        scale: what drift is a share of: largest magnitude of each channel over the golden inputs.
        unit: what errors are counted in: standard deviation of each target in training, or
            ``scale`` where that is not known.
        usual_error: root mean square over targets of the error at the end of training, in
            ``unit``; None where it is not known.
    """

    module: nn.Module
    manifest: Manifest
    features: tuple[str, ...]
    targets: tuple[str, ...]
    golden: Array
    golden_outputs: Floats
    scale: Floats
    unit: Floats
    usual_error: float | None

    def limits(self, factor: float) -> ValueLimits:
        """Return what values are believed."""
        names = (*self.features, *self.targets)
        return limits_of(self.manifest, self.golden, self.golden_outputs, names, factor)


def subject_of(
    bundle: Bundle,
    *,
    features: Sequence[str] = (),
    targets: Sequence[str] = (),
    trust_factory: bool = False,
) -> Subject:
    """Load the network of a bundle and collect what is known about it.

    Raises:
        UsageError: it has no weights, more than one input or output, gives derivatives, or does
            not know its columns and none are named.
        BundleError: it is damaged.
    """
    manifest = bundle.manifest
    inputs, outputs = _shapes(bundle)
    names = _columns(bundle, features, targets, (inputs, outputs))
    golden = bundle.golden()
    values = np.asarray(golden.outputs[manifest.outputs[0].name], np.float64)
    scale = np.array(manifest.parity[manifest.outputs[0].name].scale)
    training = manifest.training
    unit, usual = scale, None
    if training is not None:
        unit = np.array(training.scaling.target_std)
        errors = np.array([training.scores.rmse[name] for name in names[1]])
        usual = float(np.sqrt(((errors / unit) ** 2).mean())) or None
    module = copy.deepcopy(module_of(bundle, trust_factory=trust_factory))
    return Subject(
        module=module.eval().requires_grad_(False),
        manifest=manifest,
        features=names[0],
        targets=names[1],
        golden=golden.inputs[manifest.inputs[0].name],
        golden_outputs=values,
        scale=scale,
        unit=unit,
        usual_error=usual,
    )


def check_settings(settings: AdaptationSettings) -> AdaptationSettings:
    """Return the settings, or refuse the first that makes no sense.

    Raises:
        UsageError: names the option of the command line.
    """
    wanted = (
        (settings.layers >= 1, "--layers", settings.layers, "at least 1"),
        (settings.batch >= 2, "--batch", settings.batch, "at least 2 rows"),
        (settings.drift_limit > 0, "--drift-limit", settings.drift_limit, "above 0"),
        (0 <= settings.replay < 1, "--replay", settings.replay, "at least 0 and below 1"),
        (
            settings.memory >= settings.batch,
            "--memory",
            settings.memory,
            f"at least --batch {settings.batch}",
        ),
        (settings.learning_rate > 0, "--learning-rate", settings.learning_rate, "above 0"),
        (settings.range_factor >= 1, "--range-factor", settings.range_factor, "at least 1"),
        (settings.surprise >= 1, "--surprise", settings.surprise, "at least 1"),
    )
    for holds, option, value, expected in wanted:
        if not holds:
            raise UsageError(f"{option} {value}: expected {expected}")
    return settings


def _shapes(bundle: Bundle) -> tuple[int, int]:
    """Return how many features go in and how many targets come out."""
    manifest = bundle.manifest
    if manifest.architecture.kind == "file" or not manifest.files_of("weights"):
        raise UsageError(
            f"{bundle.root} was made from an exported file and holds no weights to adapt; export "
            "the state dict or factory that it came from: spinn-edge export MODEL --out BUNDLE"
        )
    if manifest.architecture.derivatives:
        raise UsageError(
            f"{bundle.root} gives derivatives beside its outputs, for which a stream has no "
            "targets; adapt the bundle without them, then export it with --derivatives again"
        )
    specs = (*manifest.inputs, *manifest.outputs)
    sizes = [spec.shape[1] for spec in specs if len(spec.shape) == 2]
    if len(specs) != 2 or len(sizes) != 2 or sizes[0] is None or sizes[1] is None:
        raise UsageError(
            f"{bundle.root} takes {', '.join(map(describe, manifest.inputs))} and gives "
            f"{', '.join(map(describe, manifest.outputs))}; a stream of rows needs one input "
            "[batch, features] and one output [batch, targets]"
        )
    return sizes[0], sizes[1]


def _columns(
    bundle: Bundle, features: Sequence[str], targets: Sequence[str], sizes: tuple[int, int]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    training = bundle.manifest.training
    if training is not None:
        if features or targets:
            raise UsageError(
                f"{bundle.root} knows its columns from training; leave out --features and --targets"
            )
        return training.recipe.features, training.recipe.targets
    names = tuple(features), tuple(targets)
    for option, given, count in zip(("--features", "--targets"), names, sizes, strict=True):
        if len(set(given)) != count or len(given) != count:
            raise UsageError(
                f"{bundle.root} does not say which columns it was trained on: name its {count} "
                f"with {option}, in the network's order, each once; got {len(given)}"
            )
    return names
