"""Networks and rows that several tests of masks use."""

from typing import Any

import torch
from torch import nn

from spinn_edge.models.modules import MLP

Batches = list[tuple[torch.Tensor, torch.Tensor]]


def mlp(*widths: int, activation: str = "tanh", seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLP(widths or (4, 24, 16, 2), activation)


def batches(count: int = 4, seed: int = 0) -> Batches:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 32, 4, generator=generator)
    return [(a, torch.stack([a[:, 0] * a[:, 1], a[:, 2].sin()], dim=1)) for a in x]


class ConvNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 6, 3)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(6, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(torch.relu(self.second(torch.relu(self.first(x)))))
        return torch.as_tensor(self.head(x.mean(dim=(2, 3))))
