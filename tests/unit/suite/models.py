"""Networks and rules small enough to measure in a test."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.models.modules import MLP

TINY = TimingRule(
    warmup_runs=1,
    warmup_s=0.0,
    warmup_cap_s=0.001,
    budget_s=1e-9,
    fewest_samples=3,
    most_samples=3,
    throughput_s=0.001,
)


def seeded(make, *args):
    """Build a network from the same numbers every time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*args).eval()


def mlp(widths=(3, 8, 8, 2), activation="tanh"):
    return seeded(MLP, widths, activation)


def sample(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


class Wrapped(nn.Module):
    """A plain MLP behind a ``forward`` of its own: nobody can know what that does."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


def make_wrapped() -> nn.Module:
    return Wrapped()


class Branching(nn.Module):
    """A Python branch on its values, which ``torch.export`` refuses; tracing takes it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.layer(x)
        return -y if x.abs().max() > 1e6 else y


class Roots(nn.Module):
    """Takes ones and fours only: anything else is NaN."""

    def forward(self, x: Tensor) -> Tensor:
        allowed = (x == 1) | (x == 4)
        return torch.where(allowed, x.sqrt(), torch.full_like(x, torch.nan))


class Gated(nn.Module):
    """Two inputs in an order that is not alphabetical."""

    def forward(self, signal: Tensor, gate: Tensor) -> Tensor:
        return signal * torch.sigmoid(gate)
