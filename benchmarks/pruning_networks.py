"""The six architectures of ``tests/fakes/prunable_networks.py``, ten times as large and deeper.

Written anew and not by scaling those, so that a size or a name that the pruning code might expect
by accident is another one here. Every factory gives the same float32 weights each time.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from tests.fakes.prunable_networks import Prunable


class DeepResidual(nn.Module):
    """A stream of 72 channels and four blocks of uneven width that add to it."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(9, 72)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(72, wide), nn.GELU(), nn.Linear(wide, 72))
            for wide in (96, 128, 160, 64)
        )
        self.leave = nn.Linear(72, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sin(self.enter(x))
        for block in self.blocks:
            x = x + block(x)
        return torch.as_tensor(self.leave(x))


class DeepGated(nn.Module):
    """Two gates mixed into four hidden layers, a scalar each and a parameter per channel.

    Source: Wang et al. (2021), "Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks", section 2.6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.u, self.v = nn.Linear(3, 112), nn.Linear(3, 112)
        self.enter = nn.Linear(3, 112)
        self.deep = nn.ModuleList(nn.Linear(112, 112) for _ in range(4))
        self.slopes = nn.ParameterList(torch.tensor(0.8 + 0.1 * i) for i in range(4))
        self.amplitude = nn.Parameter(1 + 0.1 * torch.randn(112))
        self.leave = nn.Linear(112, 2)

    def forward(self, x: Tensor) -> Tensor:
        u, v = torch.tanh(self.u(x)), torch.tanh(self.v(x))
        h = torch.tanh(self.enter(x))
        for slope, layer in zip(self.slopes, self.deep, strict=True):
            z = torch.tanh(slope * layer(h))
            h = z * u + (1 - z) * v
        return torch.as_tensor(self.leave(self.amplitude * h))


class DeepFourier(nn.Module):
    """32 fixed random frequencies in a buffer, then a tanh network.

    Source: Tancik et al. (2020), "Fourier features let networks learn high frequency functions in
    low dimensional domains", equation 5.
    """

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", 0.5 * torch.randn(3, 32))
        self.net = nn.Sequential(
            *(nn.Linear(64, 128), nn.Tanh(), nn.Linear(128, 96), nn.Tanh()),
            *(nn.Linear(96, 128), nn.Tanh(), nn.Linear(128, 1)),
        )

    def forward(self, x: Tensor) -> Tensor:
        angle = x @ self.frequencies
        return torch.as_tensor(self.net(torch.cat([angle.cos(), angle.sin()], dim=-1)))


class DeepCNN(nn.Module):
    """Two depthwise separable blocks, pooling, flatten to Linear; takes (3, 16, 16)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.first, self.second = self._separable(32, 48), self._separable(48, 72)
        self.hidden = nn.Linear(72 * 4 * 4, 48)
        self.leave = nn.Linear(48, 10)

    @staticmethod
    def _separable(taken: int, given: int) -> nn.Sequential:
        return nn.Sequential(
            *(nn.Conv2d(taken, taken, 3, padding=1, groups=taken), nn.BatchNorm2d(taken)),
            *(nn.ReLU(), nn.Conv2d(taken, given, 1), nn.BatchNorm2d(given), nn.ReLU()),
            nn.MaxPool2d(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        x = self.second(self.first(self.stem(x))).flatten(1)
        return torch.as_tensor(self.leave(torch.relu(self.hidden(x))))


class DeepTransformer(nn.Module):
    """Two encoder layers of six heads with a learnt position; takes (12, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 72)
        self.position = nn.Parameter(torch.randn(1, 12, 72))
        layer = nn.TransformerEncoderLayer(72, 6, 160, dropout=0.1, batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.leave = nn.Linear(72, 4)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.leave(self.blocks(self.embed(x) + self.position).mean(dim=1)))


def _normed() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(10, 128), nn.LayerNorm(128), nn.GELU(), nn.Dropout(0.2)),
        *(nn.Linear(128, 160), nn.BatchNorm1d(160), nn.ReLU()),
        *(nn.Linear(160, 96), nn.LayerNorm(96), nn.SiLU(), nn.Linear(96, 3)),
    )


def _trained_looking(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
    """Return a factory of a network whose biases, norms and statistics are nothing special."""

    def seeded() -> nn.Module:
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(1)
            module = make()
            for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
                if name.endswith("running_var"):
                    tensor.uniform_(0.5, 2.0)
                elif name.endswith(("running_mean", "bias")):
                    tensor.normal_(0, 0.3)
                elif tensor.ndim == 1 and name.endswith("weight"):  # of a norm
                    tensor.uniform_(0.5, 1.5)
        return module.eval()

    return seeded


LARGE = {
    "residual": Prunable(make=_trained_looking(DeepResidual), shapes=((9,),)),
    "gated": Prunable(make=_trained_looking(DeepGated), shapes=((3,),)),
    "fourier": Prunable(make=_trained_looking(DeepFourier), shapes=((3,),)),
    "normed": Prunable(make=_trained_looking(_normed), shapes=((10,),)),
    "cnn": Prunable(make=_trained_looking(DeepCNN), shapes=((3, 16, 16),)),
    "transformer": Prunable(make=_trained_looking(DeepTransformer), shapes=((12, 8),)),
}
"""By the names of ``tests.fakes.prunable_networks.SIX``; 10 to 100 thousand parameters each."""
