"""Derivatives by jvp against float64 reverse-mode autograd."""

import pytest
import torch
from torch import nn
from torch.func import functional_call

from spinn_edge.core.errors import UsageError
from spinn_edge.training.derivatives import evaluate


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 2))


@pytest.fixture
def x():
    return torch.rand(5, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def by_autograd(network, x, columns):
    """Differentiate each output by itself, in reverse mode."""
    x = x.clone().requires_grad_()
    outputs = list(network(x).unbind(dim=1))
    for column in columns:
        outputs = [
            torch.autograd.grad(u.sum(), x, create_graph=True)[0][:, column] for u in outputs
        ]
    return torch.stack(outputs, dim=1)


WANTED = [(0,), (2,), (1, 1), (0, 1), (2, 0), (1, 1, 1)]


def test_values_and_derivatives_equal_float64_autograd(network, x):
    network.double()
    outputs, derivatives = evaluate(network, x, WANTED)
    torch.testing.assert_close(outputs, network(x), rtol=1e-12, atol=1e-12)
    assert list(derivatives) == WANTED
    for columns, got in derivatives.items():
        assert got.shape == (5, 2)
        torch.testing.assert_close(got, by_autograd(network, x, columns), rtol=1e-10, atol=1e-12)


def test_gradients_of_the_parameters_equal_float64_autograd(network, x):
    network.double()
    _, derivatives = evaluate(network, x, [(0,), (1, 1)])
    got = torch.autograd.grad(
        (derivatives[0,] - derivatives[1, 1]).square().mean(), list(network.parameters())[:-1]
    )
    reference = torch.autograd.grad(
        (by_autograd(network, x, (0,)) - by_autograd(network, x, (1, 1))).square().mean(),
        list(network.parameters())[:-1],
    )
    for ours, theirs in zip(got, reference, strict=True):
        assert torch.count_nonzero(theirs)
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-13)


def test_float32_stays_float32_and_near_float64(network, x):
    _, derivatives = evaluate(network, x.float(), [(1, 1)])
    assert derivatives[1, 1].dtype == torch.float32
    network.double()
    torch.testing.assert_close(
        derivatives[1, 1].double(), by_autograd(network, x, (1, 1)), rtol=1e-4, atol=1e-6
    )


def test_one_pass_answers_what_it_holds(network, x):
    calls = []

    def counted(z):
        calls.append(1)
        return network(z)

    network.double()
    evaluate(counted, x, [(1,), (1, 1)])
    assert len(calls) == 1
    evaluate(counted, x, [(1,), (0, 1), (0,)])
    assert len(calls) == 2
    evaluate(counted, x, [(0,), (1, 1)])
    assert len(calls) == 4


def test_nothing_wanted_gives_the_outputs_alone(network, x):
    network.double()
    outputs, derivatives = evaluate(network, x, [])
    assert derivatives == {}
    assert torch.equal(outputs, network(x))


def test_parameters_may_be_given_apart(network, x):
    parameters = {name: torch.ones_like(p) for name, p in network.named_parameters()}
    outputs, _ = evaluate(lambda z: functional_call(network, parameters, (z,)), x.float(), [(0,)])
    assert not torch.allclose(outputs, network(x.float()))


@pytest.mark.parametrize("columns", [(), (3,), (0, -1)])
def test_columns_that_are_not_there_are_refused(network, x, columns):
    with pytest.raises(UsageError, match=r"name one or more of 0 \.\.\. 2"):
        evaluate(network, x, [columns])


def test_inputs_that_are_no_table_are_refused(network):
    with pytest.raises(UsageError, match=r"x\[None\]"):
        evaluate(network, torch.zeros(3), [(0,)])
