"""Networks with one difficulty each, as users write them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

F = nn.functional


class Attention(nn.Module):
    """Four heads, ``scaled_dot_product_attention``, whose scale is of the size of a head."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(16, 16) for _ in range(4))
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Any:
        q, k, v = (self.split(f(x)) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.head(self.o(y.reshape(*x.shape[:2], -1)))

    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], x.shape[1], 4, -1).transpose(1, 2)


class PackedAttention(Attention):
    """Queries, keys and values out of one layer, taken apart in one of three ways."""

    def __init__(self, way: str) -> None:
        super().__init__()
        del self.q, self.k, self.v
        self.qkv = nn.Linear(16, 48)
        self.way = way

    def forward(self, x: Tensor) -> Any:
        y = self.qkv(x)
        if self.way == "chunk":
            q, k, v = (self.split(part) for part in y.chunk(3, dim=2))
        else:
            y = y.reshape(x.shape[0], x.shape[1], 3, 4, -1).permute(2, 0, 3, 1, 4)
            q, k, v = y.unbind(0) if self.way == "unbind" else (y[0], y[1], y[2])
        y = torch.softmax(q @ k.transpose(-2, -1) * 0.5, -1) @ v
        return self.head(self.o(y.transpose(1, 2).reshape(*x.shape[:2], -1)))


class GatedTokens(nn.Module):
    """A gated linear unit over tokens, then a concatenation of the last dimension."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.embed, self.wide, self.back = nn.Linear(5, 12), nn.Linear(12, 40), nn.Linear(20, 12)
        self.head = nn.Linear(24, 2)
        self.way = way

    def forward(self, x: Tensor) -> Any:
        x = self.embed(x)
        y = self.wide(x)
        if self.way == "glu":
            y = F.glu(y, dim=-1)
        else:
            a, b = y.split(y.shape[2] // 2, dim=2) if self.way == "split" else y.chunk(2, -1)
            y = a * torch.sigmoid(b)
        return self.head(torch.cat([x, self.back(y)], dim=2))


class DeepONet(nn.Module):
    """Branch and trunk meet in a sum of products.

    Source: Lu et al. (2021), "Learning nonlinear operators via DeepONet", equation 2.
    """

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(7, 20), nn.Tanh(), nn.Linear(20, 12))
        self.trunk = nn.Sequential(nn.Linear(2, 20), nn.Tanh(), nn.Linear(20, 12), nn.Tanh())
        self.bias = nn.Parameter(torch.zeros(1))

    def forward(self, u: Tensor, y: Tensor) -> Any:
        return (self.branch(u) * self.trunk(y)).sum(-1, keepdim=True) + self.bias


class Stray(nn.Module):
    """Two buffers and a parameter in an odd dimension work on each channel; no graph sees them."""

    def __init__(self) -> None:
        super().__init__()
        self.make, self.take = nn.Linear(3, 8), nn.Linear(8, 2)
        self.register_buffer("scale", torch.rand(8) + 1)
        self.register_buffer("shift", torch.rand(1, 8))
        self.columns = nn.Parameter(torch.randn(8, 4))

    def forward(self, x: Tensor) -> Any:
        return self.take(torch.tanh(self.make(x) * self.scale + self.shift) * self.columns.sum(1))


class WeightlessNorms(nn.Module):
    """LayerNorm and RMSNorm without weights, behind BatchNorm of the inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.inputs = nn.BatchNorm1d(3)
        self.a, self.b, self.head = nn.Linear(3, 8), nn.Linear(8, 10), nn.Linear(10, 2)
        self.layer = nn.LayerNorm(8, elementwise_affine=False)
        self.rms = nn.RMSNorm(10, elementwise_affine=False)

    def forward(self, x: Tensor) -> Any:
        return self.head(self.rms(torch.relu(self.b(self.layer(self.a(self.inputs(x)))))))


class GroupedConvolution(nn.Module):
    """A convolution in four groups, InstanceNorm, one PReLU for all, global pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.grouped = nn.Conv2d(4, 8, 1), nn.Conv2d(8, 12, 3, padding=1, groups=4)
        self.norm, self.prelu = nn.InstanceNorm2d(12), nn.PReLU()
        self.b, self.head = nn.Conv2d(12, 6, 1), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        y = self.b(self.prelu(self.norm(self.grouped(torch.relu(self.a(x))))))
        return self.head(F.adaptive_avg_pool2d(torch.relu(y), 1).flatten(1))


class Sliced(nn.Module):
    """One layer's channels go two ways by a slice with a number in it."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.left, self.right = nn.Linear(3, 9), nn.Linear(5, 10), nn.Linear(4, 10)
        self.head = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Any:
        x = self.a(x)
        return self.head(torch.tanh(self.left(x[:, :5])) + self.right(x[:, 5:]))


class Shared(nn.Module):
    """One layer's channels go two ways by a slice that asks how many there are."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.left, self.right = nn.Linear(3, 12), nn.Linear(5, 10), nn.Linear(7, 10)
        self.head = nn.Linear(10, 2)

    def forward(self, x: Tensor) -> Any:
        x, n = torch.tanh(self.a(x)), self.left.in_features
        return self.head(torch.tanh(self.left(x[:, :n])) + self.right(x[:, n:]))


class Jealous(nn.Module):
    """Either layer may be narrower, not both."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        if self.a.out_features < 8 and self.b.out_features < 6:
            raise RuntimeError("both are narrow")
        return self.head(torch.tanh(self.b(self.norm(self.a(x)))))


class Tied(nn.Module):
    """Embedding and last layer share a weight."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.a = nn.Embedding(11, 12), nn.Linear(12, 12)
        self.head = nn.Linear(12, 11, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, x: Tensor) -> Any:
        y = self.embed(x)
        return self.head(y + torch.tanh(self.a(y)))


class Decoder(nn.Module):
    """Two inputs, self-attention and attention across, learnt class token and position."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 16), nn.Linear(4, 16)
        self.token = nn.Parameter(torch.randn(1, 1, 16))
        self.layer = nn.TransformerDecoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor, memory: Tensor) -> Any:
        x = torch.cat([self.token.expand(len(x), -1, -1), self.a(x)], 1)
        return self.head(self.layer(x, self.b(memory))[:, 0])


class ZeroInitialised(nn.Module):
    """A softmax over channels behind which everything is 0 at first: wrong groups look right."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(3, 8), nn.Linear(8, 4), nn.Linear(4, 2)
        nn.init.zeros_(self.b.weight)

    def forward(self, x: Tensor) -> Any:
        return self.head(torch.tanh(self.b(torch.softmax(self.a(x), -1))))


class WeightNormed(nn.Module):
    """One layer's weight is computed from others."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.c, self.d = nn.Linear(3, 8), nn.Linear(12, 16), nn.Linear(16, 2)
        self.b = nn.utils.parametrizations.weight_norm(nn.Linear(8, 12))

    def forward(self, x: Tensor) -> Any:
        x = torch.tanh(self.b(torch.tanh(self.a(x))))
        return self.d(torch.tanh(self.c(x)))


class Odd(nn.Module):
    """Layers that stay: one into an LSTM, one for a residual with the inputs, one never called."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.back = nn.Linear(4, 9), nn.Linear(9, 4)
        self.into, self.lstm = nn.Linear(4, 6), nn.LSTM(6, 5, batch_first=True)
        self.unused, self.head = nn.Linear(3, 3), nn.Linear(5, 2)
        self.gain = nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Any:
        x = self.gain * x + self.back(torch.relu(self.wide(x)))
        return self.head(self.lstm(self.into(x))[0][:, -1])


class Skips(nn.Module):
    """The inputs, which are in no graph, stand beside hidden channels again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 8), nn.Linear(13, 10), nn.Linear(25, 6)
        self.head = nn.Linear(11, 2)

    def forward(self, x: Tensor, t: Tensor) -> Any:
        h = torch.tanh(self.a(torch.cat([x, t], 1)))
        h = torch.cat([x, t, h], 1)
        h = torch.cat([h, t, torch.sin(self.b(h))], 1)
        return self.head(torch.cat([torch.tanh(self.c(h)), x, t], 1))


class TwoConvolutions(nn.Module):
    """Two convolutions side by side, flattened."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(2, 6, 3, padding=1), nn.Conv2d(2, 4, 3, padding=1)
        self.head = nn.Linear(10 * 16, 2)

    def forward(self, x: Tensor) -> Any:
        y = torch.cat([torch.relu(self.a(x)), torch.relu(self.b(x))], 1)
        return self.head(y.flatten(1))


class Exposed(nn.Module):
    """Hidden channels are an output as well."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(3, 8), nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        h = torch.tanh(self.a(x))
        return self.head(torch.tanh(self.b(h))), h


class Swapped(nn.Module):
    """Two halves change places, as in rotary embeddings; positive inputs only."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Linear(3, 8), nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Any:
        if x.min() < 0:
            raise ValueError("negative")
        left, right = self.a(x).chunk(2, -1)
        return self.head(torch.tanh(self.b(torch.cat([torch.tanh(right), torch.relu(left)], -1))))


class OtherKeys(nn.Module):
    """Attention on a memory with a size of its own, with learnt extra keys."""

    def __init__(self, keys: int) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 8), nn.Linear(4, keys)
        self.attention = nn.MultiheadAttention(
            8, 2, kdim=keys, vdim=keys, add_bias_kv=True, batch_first=True
        )
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor, memory: Tensor) -> Any:
        x, memory = self.a(x), self.b(memory)
        return self.head(self.attention(x, memory, memory, need_weights=False)[0])


class Branching(nn.Module):
    """A Python branch on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.d = nn.Linear(3, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Any:
        y = torch.tanh(self.a(x))
        return self.d(torch.tanh(self.b(y)) if x.sum() > 0 else y)


class Hidden(nn.Module):
    """A forward under ``no_grad``."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.d = nn.Linear(3, 8), nn.LayerNorm(8), nn.Linear(8, 2)

    @torch.no_grad()
    def forward(self, x: Tensor) -> Any:
        return self.d(self.norm(self.a(x)))


class SelfDifferentiating(nn.Module):
    """A forward that differentiates itself, around more than a plain MLP."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 1))
        self.gain = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Any:
        x = x.detach().requires_grad_()
        u = self.layers(x) * self.gain
        (slope,) = torch.autograd.grad(u.sum(), x, create_graph=True)
        return torch.cat([u, slope], 1)
