"""Derivatives built into networks against automatic differentiation, and what is refused."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from spinn_edge.core.derivatives import channel_names, parse_derivatives
from spinn_edge.core.errors import ExportError
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.models.autograd import differentiate
from spinn_edge.models.derivative_module import DerivativeModule
from spinn_edge.models.modules import MLP, Sin
from tests.fakes.physics_networks import (
    Branching,
    Clamped,
    Gated,
    Normalised,
    OverItsInput,
    Quotient,
    Residual,
    SpaceAndTime,
)

FIRST = ("output.0:input.1", "output.1:input.0")
BOTH = (*FIRST, "output.1:input.0:input.1", "output.0:input.2:input.2")
FLOAT32 = np.dtype(np.float32)
THREE, TWO = {"input": 3}, {"output": 2}


def wrap(network, requests=BOTH, widths=THREE, outputs=TWO):
    inputs = [TensorSpec(name, (None, width), FLOAT32) for name, width in widths.items()]
    results = [TensorSpec(name, (None, width), FLOAT32) for name, width in outputs.items()]
    derivatives = parse_derivatives(requests, channel_names(inputs, results))
    return DerivativeModule(network.eval(), derivatives, inputs=widths, outputs=list(outputs))


def check(network, requests=BOTH, widths=THREE, outputs=TWO, rows=13):
    """Hold a network with derivatives against autograd of the network alone, in float64."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        inputs = {n: torch.randn(rows, w, dtype=torch.float64) for n, w in widths.items()}
    module = wrap(network, requests, widths, outputs)
    double = copy.deepcopy(module).double()
    expected, found = differentiate(double.network, inputs, module.derivatives)
    with torch.no_grad():
        got = dict(zip(module.output_names, double(*inputs.values()), strict=True))
    for name, values in expected.items():
        torch.testing.assert_close(got[name], values, rtol=1e-12, atol=1e-12)
    for derivative in module.derivatives:
        reference = found[derivative.request][:, None]
        assert got[derivative.name].shape == (rows, 1)
        torch.testing.assert_close(got[derivative.name], reference, rtol=1e-9, atol=1e-12)
    return found


@pytest.mark.parametrize("activation", ["tanh", "sin", "silu", "gelu"])
def test_reference_mlps(activation):
    found = check(MLP((3, 12, 12, 2), activation))
    assert all(values.abs().max() > 1e-4 for values in found.values())


@pytest.mark.parametrize(
    "layer",
    [nn.Tanh(), nn.Sigmoid(), nn.SiLU(), nn.GELU(), nn.GELU("tanh"), nn.Softplus(3.0, 1.0), Sin()],
    ids=lambda layer: repr(layer),
)
def test_modules_in_nested_sequentials(layer):
    check(nn.Sequential(nn.Sequential(nn.Linear(3, 9), layer), nn.Dropout(0.1), nn.Linear(9, 2)))


@pytest.mark.parametrize("network", [Residual, Gated], ids=lambda network: network.__name__)
def test_networks_with_skips_products_and_slices(network):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        check(network())


def test_several_inputs_and_outputs():
    check(
        SpaceAndTime(),
        ("output_1.1:t.0", "output_1.0:x.1:t.0", "output_0.1:x.0:x.0", "output_1.0:t.0:t.0"),
        {"x": 2, "t": 1},
        {"output_0": 2, "output_1": 2},
    )


def test_relu_gives_first_derivatives():
    check(MLP((3, 16, 2), "relu"), FIRST)


def test_second_derivatives_through_relu_are_refused_by_name():
    with pytest.raises(ExportError, match=r"relu at '_1': its second derivative is 0"):
        wrap(MLP((3, 16, 2), "relu"))


def test_a_linear_network_bends_nowhere():
    found = check(nn.Linear(3, 2))
    assert found["output.1:input.0:input.1"].tolist() == [0.0] * 13


def test_what_does_not_depend_on_an_input_has_derivative_zero():
    class Half(nn.Module):
        def forward(self, x):
            return torch.tanh(x[:, 0:2])

    check(Half(), ("output.0:input.2", "output.1:input.0:input.1"))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Normalised, r"node 'norm' \(LayerNorm\)"),
        (Quotient, "by what depends on the inputs"),
        (Branching, "torch.fx cannot follow its forward"),
        (OverItsInput, "ReLU that writes over its input"),
        (Clamped, r"node 'clamp' \(clamp"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_not_known_is_refused_by_name(network, message):
    with pytest.raises(ExportError, match=message):
        wrap(network(), FIRST, outputs={"output": 3 if network in (Quotient, Branching) else 2})


def written(forward):
    """Return a network of one function."""
    return type("Written", (nn.Module,), {"forward": lambda self, x: forward(x)})()


@pytest.mark.parametrize(
    "forward",
    [
        lambda x: torch.add(x, x, alpha=2),
        lambda x: torch.cat([x, x], dim=0),
        lambda x: x[0:1],
        lambda x: x[:, 0],
        lambda x: functional.dropout(x, training=True),
        lambda x: functional.relu(x, inplace=True),
        lambda x: functional.linear(x, x),
        lambda x: torch.exp(x),
        lambda x: x.tanh_(),
    ],
)
def test_arguments_that_are_not_understood_are_refused(forward):
    with pytest.raises(ExportError, match="cannot be carried through node"):
        wrap(written(forward), FIRST)


def test_the_number_of_inputs_must_fit():
    with pytest.raises(ExportError, match="takes 2 arguments, its inputs are input"):
        wrap(SpaceAndTime(), FIRST)


def test_its_weights_are_those_of_the_network():
    network = MLP((3, 4, 2), "tanh")
    module = wrap(network)
    assert sum(p.numel() for p in module.parameters()) == sum(
        p.numel() for p in network.parameters()
    )
    assert set(module.state_dict()) == {f"network.{name}" for name in network.state_dict()}


def test_a_copy_in_double_leaves_the_original_alone():
    module = wrap(MLP((3, 4, 2), "tanh"))
    copy.deepcopy(module).double()
    assert {p.dtype for p in module.parameters()} == {torch.float32}
    assert module(torch.zeros(2, 3))[-1].dtype == torch.float32


def test_torch_compile_takes_it_whole():
    module = wrap(Residual())
    x = torch.linspace(-1, 1, 15).reshape(5, 3)
    with torch.inference_mode():
        compiled = torch.compile(module, fullgraph=True, backend="eager")(x)
        torch.testing.assert_close(compiled, module(x))
