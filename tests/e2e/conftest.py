"""What the end-to-end tests share: one quick demo, and a checkpoint of somebody else's."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tests.e2e.commands import run


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of ``spinn-edge demo --quick``."""
    out = tmp_path_factory.mktemp("tour") / "demo"
    run("demo", "--out", str(out), "--quick")
    return out


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a state dict with a prefix and Dropout gaps: 4-16-16-2."""

    class Surrogate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = nn.Sequential(
                *(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.1)),
                *(nn.Linear(16, 16), nn.Tanh(), nn.Dropout(0.1)),
                nn.Linear(16, 2),
            )

    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = Surrogate()
    path = tmp_path_factory.mktemp("foreign") / "surrogate.pt"
    torch.save(module.state_dict(), path)
    return path
