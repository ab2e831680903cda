"""Random small networks, each named by a number, so that ``package.module:factory`` finds it.

``tests.fakes.random_networks:mlp_7`` and ``tests.fakes.random_networks:cnn_2`` are factories.
Widths, depths, activations, residual adds, and the scales of inputs and outputs are all drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from spinn_edge.core.bundle import Bundle
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import GoldenInputs, GoldenMaker, rows_as_golden
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import LoadOptions, load_model
from spinn_edge.models.modules import ACTIVATIONS

ROWS = 128


class Standardised(nn.Module):
    """Takes raw units, gives raw units: features are standardised first, outputs scaled last."""

    mean: Tensor
    std: Tensor
    scale: Tensor

    def __init__(self, body: nn.Module, mean: Tensor, std: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.body = body
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body((x - self.mean) / self.std) * self.scale
        return y


class Residual(nn.Module):
    """A block whose input is added to its output."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.block(x)
        return y


def make_mlp(number: int) -> nn.Module:
    """Return an MLP of 1 to 5 hidden layers of 3 to 96 neurons, some with residual adds."""
    draw = np.random.default_rng(number)
    inputs, outputs = int(draw.integers(2, 21)), int(draw.integers(1, 5))
    width = int(draw.integers(3, 97))
    layers: list[nn.Module] = [nn.Linear(inputs, width), _activation(draw)]
    for _ in range(int(draw.integers(0, 5))):
        if draw.random() < 0.4:
            layers.append(Residual(nn.Sequential(nn.Linear(width, width), _activation(draw))))
        else:
            new = int(draw.integers(3, 97))
            layers += [nn.Linear(width, new), _activation(draw)]
            width = new
    mean, std = _units(draw, inputs)
    scale = torch.tensor(10 ** draw.uniform(-4, 3, outputs), dtype=torch.float32)
    body = nn.Sequential(*layers, nn.Linear(width, outputs))
    return Standardised(body, mean, std, scale)


def make_cnn(number: int) -> nn.Module:
    """Return a CNN on (2, 8, 8): convolutions, a residual add, pooling, a linear layer."""
    draw = np.random.default_rng(1000 + number)
    channels, outputs = int(draw.integers(3, 13)), int(draw.integers(1, 5))
    kernel = int(draw.choice([1, 3, 5]))
    body = nn.Sequential(
        nn.Conv2d(2, channels, 3, padding=1),
        _activation(draw),
        Residual(
            nn.Sequential(
                nn.Conv2d(channels, channels, kernel, padding=kernel // 2), _activation(draw)
            )
        ),
        nn.MaxPool2d(2) if draw.random() < 0.5 else nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(channels * 16, outputs),
    )
    scale = torch.tensor(10 ** draw.uniform(-4, 3, outputs), dtype=torch.float32)
    return Standardised(body, torch.zeros(1), torch.ones(1), scale)


def write_random_bundle(
    kind: str, number: int, folder: Path, formats: tuple[str, ...] = ("onnx",)
) -> Bundle:
    """Export a random network, seeded, in float32 and float16, with data of its own range.

    Args:
        kind: ``mlp`` or ``cnn``.
        number: which one.
        folder: for weights and bundle.
        formats: to write.
    """
    factory = f"{kind}_{number}"
    with torch.random.fork_rng():
        torch.manual_seed(number)
        module = (make_mlp if kind == "mlp" else make_cnn)(number).eval()
    weights = folder / f"{factory}.pt"
    torch.save(module.state_dict(), weights)
    golden, shape = _data(kind, number, module)
    return write_bundle(
        load_model(f"{__name__}:{factory}", LoadOptions(weights=weights)),
        folder / factory,
        ExportRequest(
            formats=formats,
            precisions=("fp32", "fp16"),
            max_batch=ROWS,
            input_shapes=parse_input_shapes([shape]),
        ),
        golden=golden,
    )


def __getattr__(name: str) -> Callable[[], nn.Module]:
    kind, _, number = name.partition("_")
    if kind in ("mlp", "cnn") and number.isdecimal():
        return partial(make_mlp if kind == "mlp" else make_cnn, int(number))
    raise AttributeError(name)


def _activation(draw: np.random.Generator) -> nn.Module:
    return ACTIVATIONS[str(draw.choice(sorted(ACTIVATIONS)))]()


def _units(draw: np.random.Generator, inputs: int) -> tuple[Tensor, Tensor]:
    """Draw means and spreads of features in units of their own, as sensors have them."""
    std = 10 ** draw.uniform(-2, 3, inputs)
    mean = std * draw.uniform(-3, 3, inputs)
    return torch.tensor(mean, dtype=torch.float32), torch.tensor(std, dtype=torch.float32)


def _data(kind: str, number: int, module: nn.Module) -> tuple[GoldenMaker, str]:
    draw = np.random.default_rng(2000 + number)
    if kind == "cnn":
        images = draw.uniform(0, 1, (ROWS, 2, 8, 8)).astype(np.float32)
        made = GoldenInputs(arrays={"input": images}, source="noise between 0 and 1")
        return (lambda inputs, rows: made), "2,8,8"
    mean, std = (module.get_buffer(name).numpy().astype(np.float64) for name in ("mean", "std"))
    rows = mean + std * draw.standard_normal((ROWS, len(mean)))
    return rows_as_golden(rows, "a table"), str(len(mean))
