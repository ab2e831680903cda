"""One optimiser step, eager and compiled."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.derivatives import parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe, Scaling
from spinn_edge.core.slopes import parse_monotone
from spinn_edge.models.modules import MLP
from spinn_edge.training.distillation import Distillation
from spinn_edge.training.objectives import Data, WeightedSum
from spinn_edge.training.physics.collocation import Collocation
from spinn_edge.training.physics.lesson import recipe_names
from spinn_edge.training.physics.terms import Monotonicity, Residual
from spinn_edge.training.physics.units import Units
from spinn_edge.training.steps import CompiledStep, EagerStep

NAMES = recipe_names(DataRecipe(features=("t", "s"), targets=("y",)))
SCALING = Scaling(
    feature_mean=(5.0, 1.0), feature_std=(2.0, 0.5), target_mean=(3.0,), target_std=(4.0,)
)
X = torch.linspace(-1, 1, 32).reshape(16, 2)
Y = X.prod(dim=1, keepdim=True)


def mlp() -> MLP:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLP((2, 8, 1), "tanh")


def every_term() -> WeightedSum:
    def points() -> Collocation:
        return Collocation(np.array([[1.0, 0.0], [9.0, 2.0]]), count=24, sampling="sobol", seed=0)

    units = Units(scaling=SCALING)
    residual = Residual(
        function=lambda x, y, d: d["y:t"] * x[:, 1] + d["y:t:t"] - 0.1 * y[:, 0] ** 2,
        derivatives=parse_derivatives(("y:t", "y:t:t"), NAMES),
        points=points(),
        units=units,
    )
    slopes = Monotonicity(
        slopes=parse_monotone(("y:t:+", "y:s:-"), NAMES), points=points(), units=units
    )
    return WeightedSum((Data(), residual, slopes, Distillation(MLP((2, 4, 1), "relu"), 0.5)))


def steps_of(kind: Any, model: nn.Module, objective: WeightedSum, count: int) -> list[Any]:
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    step, found = kind(model, objective, optimizer), []
    for number in range(count):
        objective.before_step(number % 2)
        found.append(step(X, Y))
    return [step, *found]


def test_compiled_steps_move_the_weights_as_eager_ones_do() -> None:
    objective, eager = every_term(), mlp()
    compiled, same = copy.deepcopy(eager), copy.deepcopy(objective)

    _, *expected = steps_of(EagerStep, eager, objective, 4)
    step, *found = steps_of(CompiledStep, compiled, same, 4)

    for (total, values), (total_too, values_too) in zip(expected, found, strict=True):
        torch.testing.assert_close(total_too, total, rtol=1e-4, atol=1e-6)
        for name, value in values.items():
            torch.testing.assert_close(values_too[name], value, rtol=1e-3, atol=1e-6)
    for name, tensor in eager.state_dict().items():
        torch.testing.assert_close(compiled.state_dict()[name], tensor, rtol=1e-3, atol=1e-5)
    assert step.compile_s > 0


class Clock:
    """Counts how often it is asked; every reading is one second later."""

    now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def make_step(objective: Any, model: nn.Module) -> CompiledStep:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return CompiledStep(model, objective, optimizer, clock=Clock())


def test_compile_time_is_that_of_the_first_step_at_each_batch_size(monkeypatch) -> None:
    asked: list[Any] = []

    def fake(function, **options):
        asked.append(options)
        return function

    monkeypatch.setattr(torch, "compile", fake)
    step = make_step(WeightedSum((Data(),)), mlp())
    spent = []

    for rows in (16, 16, 5, 16, 5):
        step(X[:rows], Y[:rows])
        spent.append(step.compile_s)

    assert spent == [1.0, 1.0, 2.0, 2.0, 2.0]
    assert len(asked) == 1
    assert asked[0]["fullgraph"]  # no graph break goes on in silence


def test_what_cannot_be_compiled_stops_with_what_to_type(monkeypatch) -> None:
    def fail(*tensors: torch.Tensor) -> None:
        raise RuntimeError("graph break in user code")

    monkeypatch.setattr(torch, "compile", lambda f, **options: fail)
    step = make_step(WeightedSum((Data(),)), mlp())

    with pytest.raises(
        UsageError, match=r"\(RuntimeError: graph break in user code\); leave out --compile, and SP"
    ):
        step(X, Y)


def test_fault_of_the_compiled_backward_pass_is_told_likewise(monkeypatch) -> None:
    class Faulty(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, *gradients):
            raise RuntimeError("ZeroTensors are immutable")

    def faulty(function):
        def call(x, y):
            total, values = function(x, y)
            return Faulty.apply(total), values

        return call

    monkeypatch.setattr(torch, "compile", lambda f, **options: faulty(f))

    with pytest.raises(UsageError, match=r"ZeroTensors are immutable.*leave out --compile"):
        make_step(WeightedSum((Data(),)), mlp())(X, Y)


def test_users_own_fault_is_told_before_torch_compile_sees_it(monkeypatch) -> None:
    def refuse(*tensors: torch.Tensor) -> None:
        raise AssertionError("compiled what does not run")

    monkeypatch.setattr(torch, "compile", lambda f, **options: refuse)
    residual = Residual(
        function=lambda x, y, d: d["y:s"],
        derivatives=(),
        points=Collocation(np.ones((1, 2)), count=1, seed=0),
    )

    with pytest.raises(UsageError, match=r"asks for 'y:s'.*add it to --derivatives"):
        make_step(WeightedSum((Data(), residual)), mlp())(X, Y)
