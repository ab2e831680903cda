"""Networks with the groups that belong to them, written by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spinn_edge.core.pruning_record import Cut, LeftAlone
from spinn_edge.pruning.graph.groups import ChannelGraph, Group
from spinn_edge.pruning.targets.limits import Bound, Limits, bounds
from tests.fakes.prunable_networks import make_attention, make_cnn, make_unet


@dataclass(frozen=True)
class Case:
    """A network, its groups, and an input that it takes."""

    module: nn.Module
    graph: ChannelGraph
    example: tuple[Tensor, ...]

    @property
    def original(self) -> tuple[int, ...]:
        return tuple(group.channels for group in self.graph.groups)

    def bounds(self, **limits) -> tuple[Bound, ...]:
        return bounds(self.graph, Limits(**limits))


def group(name: str, channels: int, *places: str, blocks: int = 1) -> Group:
    """Return a group from ``tensor:dim[:offset[:repeat]]``; the role does not matter here."""
    cuts = []
    for place in places:
        tensor, *numbers = place.split(":")
        dim, offset, repeat = [*map(int, numbers), *(0, 1)[len(numbers) - 1 :]]
        cuts.append(Cut(tensor=tensor, dim=dim, role="output", offset=offset, repeat=repeat))
    return Group(name=name, channels=channels, cuts=tuple(cuts), blocks=blocks)


def graph(*groups: Group, left_alone: Sequence[LeftAlone] = ()) -> ChannelGraph:
    return ChannelGraph(groups=groups, left_alone=tuple(left_alone))


def layer(name: str, channels: int, *inputs: str, **options: int) -> Group:
    """Return the group of a layer with weight and bias."""
    return group(name, channels, f"{name}.weight:0", f"{name}.bias:0", *inputs, **options)


def mlp_case(widths: Sequence[int]) -> Case:
    torch.manual_seed(0)
    parts: list[nn.Module] = []
    for taken, made in itertools.pairwise(widths):
        parts += [nn.Linear(taken, made), nn.Tanh()]
    groups = [
        layer(str(2 * number), width, f"{2 * number + 2}.weight:1")
        for number, width in enumerate(widths[1:-1])
    ]
    return Case(nn.Sequential(*parts[:-1]), graph(*groups), (torch.randn(2, widths[0]),))


def cnn_case() -> Case:
    """Batch norms, a depthwise convolution, 16 positions a channel behind the flatten."""
    groups = (
        group(
            "body.0+body.3",
            12,
            *("body.0.weight:0", "body.0.bias:0", "body.3.weight:0", "body.3.bias:0"),
            *(f"body.1.{part}:0" for part in ("weight", "bias", "running_mean", "running_var")),
            "body.4.weight:1",
        ),
        layer(
            "body.4",
            20,
            *(f"body.5.{part}:0" for part in ("weight", "bias", "running_mean", "running_var")),
            "fc.weight:1:0:16",
        ),
        layer("fc", 24, "head.weight:1"),
    )
    return Case(make_cnn(), graph(*groups), (torch.randn(2, 3, 8, 8),))


def attention_case() -> Case:
    """Four heads: products of activations shrink with two of the groups."""
    groups = (
        group("q+k", 16, "q.weight:0", "q.bias:0", "k.weight:0", "k.bias:0", blocks=4),
        layer("v", 16, "out.weight:1", blocks=4),
        layer("wide", 32, "back.weight:1"),
    )
    return Case(make_attention(), graph(*groups), (torch.randn(2, 7, 5),))


def unet_case() -> Case:
    """A concatenation: two groups share a dimension; a GroupNorm has two blocks."""
    groups = (
        layer(
            "enter",
            8,
            *("norm.weight:0", "norm.bias:0", "down.weight:1", "merge.weight:1"),
            blocks=2,
        ),
        layer("down", 12, "up.weight:0"),
        group("up", 6, "up.weight:1", "up.bias:0", "merge.weight:1:8"),
        layer("merge", 10, "prelu.weight:0", "leave.weight:1"),
    )
    return Case(make_unet(), graph(*groups), (torch.randn(2, 2, 8, 8),))


class Packed(nn.Module):
    """One layer makes query, key and value: a channel takes three rows of it."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.Linear(5, 36)
        self.out = nn.Linear(12, 2)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return torch.as_tensor(self.out(query * key * value))


def packed_case() -> Case:
    places = [f"qkv.{part}:0:{start}" for part in ("weight", "bias") for start in (0, 12, 24)]
    made = group("qkv", 12, *places, "out.weight:1")
    return Case(Packed(), graph(made), (torch.randn(2, 5),))


class Tied(nn.Module):
    """The output layer's weight is that of the embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 12)
        self.hidden = nn.Linear(12, 12)
        self.head = nn.Linear(12, 9, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("shift", torch.zeros(12, dtype=torch.float64))
        self.register_buffer("scratch", torch.zeros(12), persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens) + self.shift.float()
        return torch.as_tensor(self.head(x + torch.tanh(self.hidden(x))))


def tied_case() -> Case:
    names = ["embed.weight:1", "head.weight:1", "hidden.weight:0", "hidden.weight:1"]
    made = group("embed+hidden", 12, *names, "hidden.bias:0", "shift:0", "scratch:0")
    return Case(Tied(), graph(made), (torch.tensor([[1, 2, 3], [4, 5, 6]]),))


class Composed(nn.Module):
    """Weights are products of two: no tensor has the size that the work goes with."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.first_rank = nn.Parameter(torch.randn(60, 4)), torch.randn(4, 8)
        self.second, self.second_rank = (
            nn.Parameter(torch.randn(50, 4)),
            nn.Parameter(torch.randn(4, 60)),
        )
        self.last = nn.Parameter(torch.randn(2, 50))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(x @ (self.first @ self.first_rank).T)
        x = torch.tanh(x @ (self.second @ self.second_rank).T)
        return x @ self.last.T


def composed_case() -> Case:
    groups = (
        group("first", 60, "first:0", "second_rank:1"),
        group("second", 50, "second:0", "last:1"),
    )
    return Case(Composed(), graph(*groups), (torch.randn(2, 8),))


CASES = {
    "mlp": lambda: mlp_case((6, 32, 24, 2)),
    "cnn": cnn_case,
    "attention": attention_case,
    "unet": unet_case,
    "packed": packed_case,
    "tied": tied_case,
}
"""Networks whose quantities follow from their widths exactly."""
