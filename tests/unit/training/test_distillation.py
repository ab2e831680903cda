"""Learning from a teacher's outputs."""

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.training.distillation import Distillation
from spinn_edge.training.objectives import Batch


def network(seed: int, outputs: int = 3) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.5), nn.Linear(8, outputs))


def batch(student: nn.Module) -> Batch:
    x = torch.linspace(-1, 1, 20).reshape(10, 2)
    return Batch(model=student, x=x, y=torch.zeros(10, 3), prediction=student.eval()(x))


def test_regression_is_the_mean_squared_error_to_the_teacher() -> None:
    teacher, here = network(1), batch(network(2))

    found = Distillation(teacher)(here)

    torch.testing.assert_close(found, (here.prediction - teacher.eval()(here.x)).square().mean())


@pytest.mark.parametrize("temperature", [1.0, 4.0])
def test_classification_is_the_softened_divergence_times_temperature_squared(temperature) -> None:
    teacher, here = network(1), batch(network(2))
    aim = torch.softmax(teacher.eval()(here.x) / temperature, dim=1)
    got = torch.softmax(here.prediction / temperature, dim=1)

    found = Distillation(teacher, temperature=temperature)(here)

    expected = temperature**2 * (aim * (aim / got).log()).sum(dim=1).mean()
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("temperature", [None, 2.0])
def test_teacher_itself_has_nothing_to_learn(temperature) -> None:
    teacher = network(1)

    assert Distillation(teacher, temperature=temperature)(batch(teacher)).item() < 1e-12


def test_gradient_goes_to_the_student_alone() -> None:
    teacher, student = network(1), network(2)

    Distillation(teacher)(batch(student)).backward()

    assert all(parameter.grad is not None for parameter in student.parameters())
    assert all(parameter.grad is None for parameter in teacher.parameters())


def test_callers_network_is_neither_frozen_nor_followed() -> None:
    teacher, here = network(1).train(), batch(network(2))
    term = Distillation(teacher)
    before = term(here)

    with torch.no_grad():
        for parameter in teacher.parameters():
            parameter.add_(1.0)

    assert teacher.training
    assert all(parameter.requires_grad for parameter in teacher.parameters())
    assert torch.equal(term(here), before)  # dropout is off too, or it would differ


def test_teacher_with_other_outputs_is_refused() -> None:
    with pytest.raises(UsageError, match=r"shape \[10, 4\], the network \[10, 3\]; distil from"):
        Distillation(network(1, outputs=4))(batch(network(2)))


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_temperature_that_is_not_above_0_is_refused(temperature: float) -> None:
    with pytest.raises(UsageError, match=r"the temperature is .*; expected a number above 0"):
        Distillation(network(1), temperature=temperature)
