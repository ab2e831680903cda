"""Networks to prune: one of each kind that users bring, small and seeded.

Every factory takes no arguments, so that ``package.module:factory`` can name it, and gives the same
float32 weights each time. ``FAMILY`` has them with inputs that they take.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinn_edge.models.modules import MLP

HERE = "tests.fakes.prunable_networks"


class ResidualMLP(nn.Module):
    """A stream of 24 channels and two blocks that add to it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 24)
        self.wide = nn.ModuleList([nn.Linear(24, 40), nn.Linear(24, 40)])
        self.back = nn.ModuleList([nn.Linear(40, 24), nn.Linear(40, 24)])
        self.head = nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.first(x))
        for wide, back in zip(self.wide, self.back, strict=True):
            x = x + back(torch.tanh(wide(x)))
        return torch.as_tensor(self.head(x))


class GatedPINN(nn.Module):
    """Two gates U and V mixed into every hidden layer, a scalar and a parameter per channel.

    Source: Wang et al. (2021), "Understanding and mitigating gradient flow pathologies in
    physics-informed neural networks", section 2.6.
    """

    def __init__(self) -> None:
        super().__init__()
        self.gate_u, self.gate_v = nn.Linear(2, 32), nn.Linear(2, 32)
        self.first = nn.Linear(2, 32)
        self.hidden = nn.ModuleList([nn.Linear(32, 32), nn.Linear(32, 32)])
        self.head = nn.Linear(32, 1)
        self.slope = nn.Parameter(torch.tensor(1.1))
        self.amplitude = nn.Parameter(1 + 0.1 * torch.randn(32))

    def forward(self, x: Tensor) -> Tensor:
        u, v = torch.tanh(self.gate_u(x)), torch.tanh(self.gate_v(x))
        h = torch.tanh(self.slope * self.first(x))
        for layer in self.hidden:
            z = torch.tanh(self.slope * layer(h))
            h = (1 - z) * u + z * v
        return torch.as_tensor(self.head(self.amplitude * h))


class FourierNetwork(nn.Module):
    """Fixed random features in a buffer, then an MLP.

    Source: Tancik et al. (2020), "Fourier features let networks learn high frequency functions in
    low dimensional domains", equation 5.
    """

    features: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("features", torch.randn(2, 4))
        self.layers = nn.Sequential(
            nn.Linear(8, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        angle = 2 * torch.pi * x @ self.features
        return torch.as_tensor(self.layers(torch.cat([torch.sin(angle), torch.cos(angle)], dim=-1)))


class SmallCNN(nn.Module):
    """Convolution, depthwise separable block, pooling, flatten to Linear; takes (3, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 12, 3, padding=1),
            nn.BatchNorm2d(12),
            nn.ReLU(),
            nn.Conv2d(12, 12, 3, padding=1, groups=12),
            nn.Conv2d(12, 20, 1),
            nn.BatchNorm2d(20),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )
        self.fc = nn.Linear(20 * 4 * 4, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.head(torch.relu(self.fc(self.body(x)))))


class SmallTransformer(nn.Module):
    """Linear in front, one encoder layer, mean over tokens, head; takes (tokens, 5)."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 24)
        self.block = nn.TransformerEncoderLayer(24, 4, 48, dropout=0.1, batch_first=True)
        self.head = nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.head(self.block(self.embed(x)).mean(dim=1)))


class HandwrittenAttention(nn.Module):
    """Attention by reshape(B, T, heads, -1), with a learnt position, and a feed-forward block."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(5, 16)
        self.position = nn.Parameter(torch.randn(1, 7, 16))
        self.norm = nn.LayerNorm(16)
        self.q, self.k, self.v = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 16)
        self.out = nn.Linear(16, 16)
        self.wide, self.back = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 3)

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], 4, -1).transpose(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x) + self.position
        y = self.norm(x)
        q, k, v = self.split(self.q(y)), self.split(self.k(y)), self.split(self.v(y))
        weights = torch.softmax(q @ k.transpose(-2, -1) / 2.0, dim=-1)
        y = (weights @ v).transpose(1, 2).flatten(2)
        x = x + self.out(y)
        x = x + self.back(torch.relu(self.wide(x)))
        return torch.as_tensor(self.head(x.mean(dim=1)))


class FixedHeads(HandwrittenAttention):
    """The same with the size of a head written into its forward."""

    def split(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[1], 4, 4).transpose(1, 2)


class ConcatUNet(nn.Module):
    """Down and up again, with a concatenation across; takes (2, 8, 8)."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(2, 8, 3, padding=1)
        self.norm = nn.GroupNorm(2, 8)
        self.down = nn.Conv2d(8, 12, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.merge = nn.Conv2d(14, 10, 3, padding=1)
        self.prelu = nn.PReLU(10)
        self.leave = nn.Conv2d(10, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = torch.relu(self.norm(self.enter(x)))
        coarse = self.up(torch.relu(self.down(fine)))
        return torch.as_tensor(self.leave(self.prelu(self.merge(torch.cat([fine, coarse], 1)))))


class TwoOutputs(nn.Module):
    """Two inputs, a gated unit between them, a dict of two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 16), nn.Linear(3, 16)
        self.gated = nn.Linear(16, 40)
        self.wear, self.heat = nn.Linear(20, 1), nn.Linear(20, 2)

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        h = torch.relu(self.left(a)) + self.right(b)
        value, gate = self.gated(h).chunk(2, dim=-1)
        h = value * torch.sigmoid(gate)
        return {"wear": self.wear(h), "heat": self.heat(h)}


class Recurrent(nn.Module):
    """A GRU that nobody can follow, then an MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(3, 12, batch_first=True)
        self.hidden = nn.Linear(12, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(x)
        return torch.as_tensor(self.head(torch.tanh(self.hidden(states[:, -1]))))


class TokenClassifier(nn.Module):
    """Embedding of integers, RMSNorm, a gated feed-forward block; takes 6 tokens below 11."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 12)
        self.norm = nn.RMSNorm(12)
        self.value, self.gate = nn.Linear(12, 20), nn.Linear(12, 20)
        self.back = nn.Linear(20, 12)
        self.head = nn.Linear(12 * 6, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        y = self.norm(x)
        x = x + self.back(nn.functional.silu(self.gate(y)) * self.value(y))
        return torch.as_tensor(self.head(x.flatten(1)))


def _seeded(make: Callable[[], nn.Module]) -> nn.Module:
    """Return weights and running statistics that are nothing special, the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = make()
        for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
            with torch.no_grad():
                if name.endswith("running_var"):
                    tensor.uniform_(0.5, 2.0)
                elif name.endswith(("running_mean", "bias")):
                    tensor.normal_(0, 0.3)
                elif tensor.ndim == 1 and name.endswith("weight"):  # of a norm
                    tensor.uniform_(0.5, 1.5)
    return module.eval()


def make_mlp() -> nn.Module:
    """Take 6 numbers, return 2."""
    return _seeded(lambda: MLP((6, 32, 24, 2), "tanh"))


def make_residual() -> nn.Module:
    """Take 6 numbers, return 2."""
    return _seeded(ResidualMLP)


def make_gated() -> nn.Module:
    """Take 2 numbers, return 1."""
    return _seeded(GatedPINN)


def make_fourier() -> nn.Module:
    """Take 2 numbers, return 2."""
    return _seeded(FourierNetwork)


def make_normed() -> nn.Module:
    """Take 6 numbers, return 3: LayerNorm and BatchNorm1d."""
    return _seeded(
        lambda: nn.Sequential(
            nn.Linear(6, 32),
            nn.LayerNorm(32),
            nn.GELU(),
            nn.Linear(32, 40),
            nn.BatchNorm1d(40),
            nn.ReLU(),
            nn.Dropout(0.2),
            nn.Linear(40, 3),
        )
    )


def make_cnn() -> nn.Module:
    """Take (3, 8, 8), return 5 numbers."""
    return _seeded(SmallCNN)


def make_transformer() -> nn.Module:
    """Take (7, 5), return 3 numbers."""
    return _seeded(SmallTransformer)


def make_attention() -> nn.Module:
    """Take (7, 5), return 3 numbers."""
    return _seeded(HandwrittenAttention)


def make_fixed_heads() -> nn.Module:
    """Take (7, 5), return 3 numbers."""
    return _seeded(FixedHeads)


def make_unet() -> nn.Module:
    """Take (2, 8, 8), return (1, 8, 8)."""
    return _seeded(ConcatUNet)


def make_two_outputs() -> nn.Module:
    """Take 4 and 3 numbers, return a dict of 1 and 2."""
    return _seeded(TwoOutputs)


def make_recurrent() -> nn.Module:
    """Take (9, 3), return 2 numbers."""
    return _seeded(Recurrent)


def make_tokens() -> nn.Module:
    """Take 6 integers below 11, return 3 numbers."""
    return _seeded(TokenClassifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prunable:
    """A network to prune.

    Attributes:
        make: factory without arguments.
        shapes: of one sample of each input.
        classes: inputs are integers below this; 0 for float32.
    """

    make: Callable[[], nn.Module]
    shapes: tuple[tuple[int, ...], ...]
    classes: int = 0

    @property
    def factory(self) -> str:
        """What a command line calls it."""
        return f"{HERE}:{self.make.__name__}"

    def example(self, batch: int = 2) -> tuple[Tensor, ...]:
        """Return seeded inputs."""
        generator = torch.Generator().manual_seed(0)
        if self.classes:
            shape = (batch, *self.shapes[0])
            return (torch.randint(self.classes, shape, generator=generator),)
        return tuple(torch.randn(batch, *shape, generator=generator) for shape in self.shapes)


FAMILY = {
    "mlp": Prunable(make=make_mlp, shapes=((6,),)),
    "residual": Prunable(make=make_residual, shapes=((6,),)),
    "gated": Prunable(make=make_gated, shapes=((2,),)),
    "fourier": Prunable(make=make_fourier, shapes=((2,),)),
    "normed": Prunable(make=make_normed, shapes=((6,),)),
    "cnn": Prunable(make=make_cnn, shapes=((3, 8, 8),)),
    "transformer": Prunable(make=make_transformer, shapes=((7, 5),)),
    "attention": Prunable(make=make_attention, shapes=((7, 5),)),
    "fixed-heads": Prunable(make=make_fixed_heads, shapes=((7, 5),)),
    "unet": Prunable(make=make_unet, shapes=((2, 8, 8),)),
    "two-outputs": Prunable(make=make_two_outputs, shapes=((4,), (3,))),
    "recurrent": Prunable(make=make_recurrent, shapes=((9, 3),)),
    "tokens": Prunable(make=make_tokens, shapes=((6,),), classes=11),
}

SIX = ("residual", "gated", "fourier", "normed", "cnn", "transformer")
"""The architectures that the figures of pruning are taken over."""
