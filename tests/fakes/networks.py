"""Networks that are no plain MLP, as functions that ``package.module:factory`` can name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spinn_edge.core.manifest import Architecture
from spinn_edge.models.loading import LoadedModel, LoadOptions, load_model
from spinn_edge.models.modules import MLP

HERE = "tests.fakes.networks"


def make_cnn() -> nn.Module:
    """Take (3, 8, 8), return 5 numbers."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 4 * 4, 5),
    )


class TwoByTwo(nn.Module):
    """Two inputs (3 and 2 wide), two outputs (4 and 2 wide)."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(3, 4), nn.Linear(2, 4)
        self.last = nn.Linear(4, 2)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.tanh(self.left(a)) * self.right(b)
        return hidden, self.last(hidden)


class Named(nn.Module):
    """Outputs of one shape in a dict whose keys are not in alphabetical order."""

    def __init__(self) -> None:
        super().__init__()
        self.z, self.a = nn.Linear(3, 2), nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"z": self.z(x), "a": self.a(x)}


class BakedBatch(nn.Module):
    """Eager serves any batch; a graph that was made from two samples serves two."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        batch = int(x.shape[0])
        y: Tensor = self.layer(x)
        return y.reshape(-1).reshape(batch, 4)


class FoldedBatch(nn.Module):
    """Takes even batches only, whatever the form."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y.reshape(2, -1)


class FirstDecides(nn.Module):
    """A Python branch on the first sample, which tracing freezes."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y if x[0, 0] > 0 else -y


class RareBranch(nn.Module):
    """A Python branch that golden inputs do not take, which ``torch.export`` refuses."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return -y if x.abs().max() > 1e6 else y


class AcrossSamples(nn.Module):
    """Each output depends on the whole batch."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return y - x.mean()


def make_two_by_two() -> nn.Module:
    return TwoByTwo()


def make_named() -> nn.Module:
    return Named()


def make_baked_batch() -> nn.Module:
    return BakedBatch()


def make_folded_batch() -> nn.Module:
    return FoldedBatch()


def make_first_decides() -> nn.Module:
    return FirstDecides()


def make_rare_branch() -> nn.Module:
    return RareBranch()


def make_across_samples() -> nn.Module:
    return AcrossSamples()


def load_mlp(widths: tuple[int, ...] = (4, 8, 8, 2), activation: str = "tanh") -> LoadedModel:
    """Return a seeded MLP as ``load_model`` would."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = MLP(widths, activation).eval()
    return LoadedModel(
        origin="an MLP",
        module=mlp,
        architecture=Architecture(kind="mlp", widths=mlp.widths, activation=activation),
    )


def module_in(loaded: LoadedModel) -> Any:
    """Return the module of a model that has one."""
    assert loaded.module is not None
    return loaded.module


def load_factory(make: Callable[[], nn.Module], folder: Path) -> LoadedModel:
    """Save seeded weights of a factory above and load both as the command line would."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        module = make()
        for name, buffer in module.named_buffers():
            if name.endswith("running_mean"):  # so that forgetting it shows
                buffer.normal_()
    weights = folder / f"{make.__name__}.pt"
    torch.save(module.state_dict(), weights)
    return load_model(f"{HERE}:{make.__name__}", LoadOptions(weights=weights))
