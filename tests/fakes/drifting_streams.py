"""A small trained network in a bundle, and streams of rows that it did not learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Architecture, DataRecipe
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import rows_as_golden
from spinn_edge.export.learned import Lesson, write_learned
from spinn_edge.models.loading import LoadedModel
from spinn_edge.training.dataset import Floats, Rows, Split
from spinn_edge.training.reference import Optimisation, train_mlp

FEATURES, TARGETS = ("force", "speed", "power"), ("wear", "heat")
NOISE = 0.1


def rows_of(count: int, seed: int, *, shift: float = 0.0) -> Rows:
    """Return rows of one law, whose targets are read by a sensor that may be off.

    Args:
        count: rows.
        seed: of features and noise.
        shift: how far the sensor is off, in standard deviations of the targets.
    """
    generator = np.random.default_rng(seed)
    z = generator.normal(size=(count, 3))
    clean = np.stack([np.sin(z[:, 0]) + 0.5 * z[:, 1], z[:, 2] - 0.3 * z[:, 0] ** 2], axis=1)
    targets = (clean + NOISE * generator.normal(size=clean.shape) + shift) * (0.05, 8.0)
    return Rows(features=z * (0.1, 2.0, 50.0) + (1.0, -5.0, 300.0), targets=targets)


def learned_bundle(folder: Path, request: ExportRequest | None = None) -> Bundle:
    """Train 3-12-8-2 on rows of an unshifted sensor and write its bundle."""
    split = Split(train=rows_of(600, 0), held_out=rows_of(200, 1), dropped=0, held_out_from="200")
    recipe = DataRecipe(features=FEATURES, targets=TARGETS)
    trained = train_mlp(
        split,
        recipe,
        hidden=(12, 8),
        activation="tanh",
        optimisation=Optimisation(epochs=60, learning_rate=0.02),
    )
    lesson = Lesson(recipe=recipe, split=split, scaling=trained.scaling, seed=0)
    return write_learned(
        trained.module,
        folder,
        lesson,
        fits=(trained.fit,),
        duration_s=1.0,
        request=request or ExportRequest(max_batch=256),
    )


class Scaled(nn.Module):
    """Two Linear layers with something behind the last one, so it is not linear in its weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(3, 8)
        self.unused = nn.Linear(3, 3)
        self.head = nn.Linear(8, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = (x - torch.tensor([1.0, -5.0, 300.0])) / torch.tensor([0.1, 2.0, 50.0])
        return torch.nn.functional.softplus(self.head(torch.tanh(self.body(scaled))))


def make_scaled() -> Scaled:
    """Return the network that the factory bundle names."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return Scaled().eval()


FACTORY = "tests.fakes.drifting_streams:make_scaled"


def factory_bundle(folder: Path) -> Bundle:
    """Write a bundle of a network that no MLP is; it does not know its columns."""
    loaded = LoadedModel(
        origin=FACTORY,
        architecture=Architecture(kind="factory", factory=FACTORY),
        module=make_scaled(),
    )
    from spinn_edge.core.tensors import TensorSpec

    spec = TensorSpec("input", (None, 3), np.dtype(np.float32))
    request = ExportRequest(max_batch=64, input_shapes=(spec,))
    golden = rows_as_golden(rows_of(300, 0).features, "rows")
    return write_bundle(loaded, folder, request, golden=golden)


@dataclass(frozen=True)
class Blocks:
    """Rows in blocks of one size, as often as they are asked for."""

    rows: Rows
    size: int = 32

    def __iter__(self) -> Iterator[tuple[Floats, Floats]]:
        for start in range(0, len(self.rows), self.size):
            part = slice(start, start + self.size)
            yield self.rows.features[part], self.rows.targets[part]


def write_rows(path: Path, rows: Rows) -> Path:
    """Write rows as a CSV file with one column that no network asks for."""
    lines = [",".join(("tool", *FEATURES, *TARGETS))]
    table = np.hstack([rows.features, rows.targets]).tolist()
    lines += [",".join(("T1", *map(repr, row))) for row in table]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
