"""Networks that derivatives can be carried through, and some that they cannot."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """A skip, a scaled branch, constants on both sides, and dropout that is off."""

    mean: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)
        self.drop = nn.Dropout(0.5)
        self.register_buffer("mean", torch.linspace(0, 1, 3))
        self.gain = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        h = torch.tanh(self.first((x - self.mean) / 2.0))
        h = h + 0.1 * functional.silu(self.second(h)) * self.gain
        h = functional.dropout(self.drop(h), training=self.training) - torch.sin(h)
        y: Tensor = 3 * self.last(-h) + 1
        return y


class Gated(nn.Module):
    """A product of two branches, and columns that are cut out and put together again."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.branch, self.last = nn.Linear(3, 6), nn.Linear(2, 6), nn.Linear(9, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.gate(x).sigmoid() * functional.gelu(self.branch(x[:, 1:3]), approximate="tanh")
        y: Tensor = self.last(torch.cat([h, x], dim=1)) + x[:, 0:1]
        return y


class SpaceAndTime(nn.Module):
    """Two arguments, two results, and a function of constant weights."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 8), nn.Softplus(beta=2.0), nn.Identity())
        self.head = nn.Parameter(torch.linspace(-1, 1, 16).reshape(2, 8))

    def forward(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        y = functional.linear(self.body(torch.cat((x, t), -1)), self.head)
        return y, y * t.cos()


class Normalised(nn.Module):
    """Has a layer that mixes columns by their spread."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(3, 2), nn.LayerNorm(2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.layer(x))
        return y


class Quotient(nn.Module):
    """Divides by what depends on the inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return x / (1 + x * x)


class Branching(nn.Module):
    """Looks at its numbers to choose its way."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.sum() > 0 else -x


class OverItsInput(nn.Module):
    """Writes over what is added afterwards."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.over = nn.Linear(3, 2), nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        h = self.layer(x)
        y: Tensor = self.over(h) + h
        return y


class Clamped(nn.Module):
    """Calls a method that is not known."""

    def forward(self, x: Tensor) -> Tensor:
        return x.clamp(min=0)


def make_residual() -> nn.Module:
    """Return the same network every time."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return Residual()
