"""Fixtures that more than one folder of tests uses, and one thread for all of them."""

import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest
import torch
from hypothesis import settings

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Architecture
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP
from tests import exporters

# One thread for each process and its children: networks here are far too small to share out, and
# the processes of pytest-xdist would wait for each other's threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
exporters.quicken()

# No deadline: shared machines stall. No database and no chance: a run is the same everywhere.
settings.register_profile("repeatable", deadline=None, database=None, derandomize=True)
settings.load_profile("repeatable")


def pytest_collection_finish() -> None:
    """What is imported stays: the collector of garbage need not walk over PyTorch again."""
    gc.freeze()


class WriteCsv(Protocol):
    """What the fixture ``write_csv`` gives."""

    def __call__(self, lines: Sequence[str], name: str = "data.csv") -> Path: ...


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """An 18-16-16-2 tanh MLP in every CPU format, max_batch 16; never change it, copy its root."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = MLP((18, 16, 16, 2), "tanh").eval()
    architecture = Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation)
    return write_bundle(
        LoadedModel(origin="tiny", architecture=architecture, module=mlp),
        tmp_path_factory.mktemp("bundles") / "tiny",
        ExportRequest(formats=("torchscript", "pt2", "onnx"), max_batch=16),
    )


@pytest.fixture
def write_csv(tmp_path: Path) -> WriteCsv:
    """Write ``data.csv`` (or another name) from its lines and return its path."""

    def write(lines: Sequence[str], name: str = "data.csv") -> Path:
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path

    return write
