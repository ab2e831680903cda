"""Random MLPs whose exported derivatives are held against float64 automatic differentiation."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from torch import nn

from spinn_edge.core.manifest import Architecture
from spinn_edge.core.tensors import Array
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.derivatives import differentiated
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP

REQUESTS = {
    "output.0:input.1": (0, 1),
    "output.1:input.0:input.0": (1, 0, 0),
    "output.1:input.0:input.2": (1, 0, 2),
}
"""What is asked for: the output, and the inputs by which it is differentiated."""
OUTPUTS = (
    "output",
    "d_output_0_d_input_1",
    "d2_output_1_d_input_0_d_input_0",
    "d2_output_1_d_input_0_d_input_2",
)
ALLOWED = {1: 1e-5, 2: 1e-4}
"""Largest error over the derivative's scale, by order."""
BATCHES = (1, 2, 7, 64, 129)


def random_mlp(seed: int) -> MLP:
    """Return an MLP of random depth, widths and activation."""
    generator = np.random.default_rng(seed)
    hidden = generator.integers(8, 65, size=generator.integers(1, 5)).tolist()
    activation = str(generator.choice(["tanh", "sin", "silu", "gelu"]))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return MLP((int(generator.integers(3, 20)), *hidden, 2), activation).eval()


def by_autograd(network: nn.Module, x: Array, output: int, *inputs: int) -> Array:
    """Return one derivative in float64; shares no code with what is exported."""
    double = copy.deepcopy(network).double()
    leaf = torch.from_numpy(x).double().requires_grad_()
    values = double(leaf)[:, output]
    for index in inputs:
        values = torch.autograd.grad(values.sum(), leaf, create_graph=True)[0][:, index]
    return np.asarray(values.detach().numpy())


def derivative_errors(seed: int, folder: Path) -> dict[int, float]:
    """Export a random MLP's derivatives and return the largest error over scale, by order.

    Through onnxruntime, at every one of ``BATCHES``, the last of which is beyond what was proved.
    """
    mlp = random_mlp(seed)
    loaded = LoadedModel(
        origin="random",
        module=mlp,
        architecture=Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation),
    )
    bundle = write_bundle(
        differentiated(loaded, tuple(REQUESTS)),
        folder,
        ExportRequest(formats=("onnx",), max_batch=64),
    )
    session = ort.InferenceSession(
        bundle.path_of(bundle.manifest.files_of("onnx")[0]), providers=["CPUExecutionProvider"]
    )
    assert [value.name for value in session.get_outputs()] == list(OUTPUTS)
    wide = np.random.default_rng(1).normal(size=(256, mlp.widths[0])).astype(np.float32)
    errors = dict.fromkeys(ALLOWED, 0.0)
    for batch in BATCHES:
        x = np.random.default_rng(batch).normal(size=(batch, mlp.widths[0])).astype(np.float32)
        for values, (output, *inputs) in zip(
            session.run(None, {"input": x})[1:], REQUESTS.values(), strict=True
        ):
            assert values.shape == (batch, 1)
            scale = np.abs(by_autograd(mlp, wide, output, *inputs)).max()
            error = np.abs(values[:, 0] - by_autograd(mlp, x, output, *inputs)).max() / scale
            errors[len(inputs)] = max(errors[len(inputs)], float(error))
    return errors
