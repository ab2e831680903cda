"""The three ways to take a training step compute the same thing."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.models.modules import MLP
from spinn_edge.training.equations import registry
from spinn_edge.training.pinn_step import (
    AUTOGRAD,
    COMPILED,
    FORWARD,
    by_autograd,
    by_forward_mode,
    gradient_of,
    step_of,
)


def small(problem):
    torch.manual_seed(0)
    return MLP((problem.widths[0], 8, 8, problem.widths[-1]), "tanh")


def some_points(problem, dtype, rows=20):
    points = problem.sample(torch.Generator().manual_seed(0))[0]
    return {name: tensor[:rows].to(dtype) for name, tensor in points.items()}


def loss_and_gradients(network, problem, way, points):
    network = copy.deepcopy(network)
    network.zero_grad()
    value = gradient_of(network, problem.loss, way)(points)
    return value, [parameter.grad for parameter in network.parameters()]


@pytest.mark.parametrize("name", registry.NAMES)
def test_forward_mode_gives_the_loss_and_gradients_of_autograd_in_float64(name):
    problem = registry.find(name)
    network, points = small(problem).double(), some_points(problem, torch.float64)
    value, gradients = loss_and_gradients(network, problem, FORWARD, points)
    expected, wanted = loss_and_gradients(network, problem, AUTOGRAD, points)
    torch.testing.assert_close(value, expected, rtol=1e-11, atol=0)
    assert not value.requires_grad
    for got, reference in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, reference, rtol=1e-9, atol=1e-11)


@pytest.fixture(scope="module")
def both_orders():
    """A loss with values, first and second derivatives: what breaks torch 2.13 by itself."""

    def loss(evaluate, points):
        u, slopes = evaluate(points["interior"], [(0,), (1, 1)])
        return (slopes[0,] - slopes[1, 1] + u).square().mean()

    problem = replace(registry.find("allen-cahn"), loss=loss)
    points = some_points(problem, torch.float32)
    network = small(problem)
    compiled = loss_and_gradients(network, problem, COMPILED, points)
    return problem, network, points, compiled


def test_the_compiled_step_has_the_loss_and_gradients_of_float64(both_orders):
    problem, network, points, (value, gradients) = both_orders
    exact_points = {name: tensor.double() for name, tensor in points.items()}
    expected, wanted = loss_and_gradients(network.double(), problem, AUTOGRAD, exact_points)
    network.float()
    torch.testing.assert_close(value.double(), expected, rtol=1e-5, atol=0)
    for got, reference in zip(gradients, wanted, strict=True):
        assert torch.count_nonzero(reference)
        torch.testing.assert_close(got.double(), reference, rtol=1e-4, atol=1e-5)


def test_a_step_moves_the_parameters_and_forgets_the_gradient_before():
    problem = registry.find("reaction")
    points, network = some_points(problem, torch.float32), small(problem)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
    step = step_of(gradient_of(network, problem.loss, FORWARD), optimizer)
    losses = [step(points).item() for _ in range(3)]
    assert losses[2] < losses[1] < losses[0]
    _, alone = loss_and_gradients(network, problem, FORWARD, points)
    step(points)
    for parameter, gradient in zip(network.parameters(), alone, strict=True):
        torch.testing.assert_close(parameter.grad, gradient)


def test_forward_mode_runs_with_the_parameters_that_the_optimiser_changed():
    problem = registry.find("reaction")
    points, network = some_points(problem, torch.float32), small(problem)
    gradient = gradient_of(network, problem.loss, FORWARD)
    before = gradient(points).item()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(2)
    assert gradient(points).item() != pytest.approx(before)


def test_autograd_differentiates_one_output_when_one_is_asked_for(monkeypatch):
    network, x = MLP((3, 4, 2), "tanh").double(), torch.rand(5, 3, dtype=torch.float64)
    passes = []
    grad = torch.autograd.grad

    def counted(*args, **kwargs):
        passes.append(1)
        return grad(*args, **kwargs)

    monkeypatch.setattr(torch.autograd, "grad", counted)
    _, one = by_autograd(network, x, [(0,), (1,)], output=1)
    assert len(passes) == 1
    _, both = by_autograd(network, x, [(0,), (0, 1)])
    assert len(passes) == 1 + 2 * 2
    torch.testing.assert_close(one[0,], both[0,][:, 1:])
    _, forward = by_forward_mode(network, x, [(0,)], output=1)
    torch.testing.assert_close(one[0,], forward[0,])


def test_autograd_without_derivatives_is_a_plain_call():
    network, x = nn.Linear(2, 1), torch.rand(3, 2)
    outputs, none = by_autograd(network, x, [])
    assert none == {}
    assert torch.equal(outputs, network(x))
    assert not x.requires_grad


def test_an_unknown_way_lists_the_known_ones():
    with pytest.raises(UsageError, match="known: autograd, func, compiled"):
        gradient_of(nn.Linear(2, 1), registry.find("reaction").loss, "jit")
