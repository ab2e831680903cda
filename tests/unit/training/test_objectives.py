"""Terms, their sum and their weights."""

import pytest
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.training.objectives import Batch, Data, WeightedSum, measure


class Size:
    """A term of the test's own: the mean square of the predictions, and what it was told."""

    def __init__(self, name: str = "size", weight: float = 1.0) -> None:
        self.name, self.weight = name, weight
        self.steps: list[int] = []

    def __call__(self, batch: Batch) -> torch.Tensor:
        return batch.prediction.square().mean()

    def before_step(self, step: int) -> None:
        self.steps.append(step)


@pytest.fixture
def model() -> nn.Linear:
    layer = nn.Linear(2, 1)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.zeros_(layer.bias)
    return layer


X, Y = torch.tensor([[1.0, 2.0], [0.0, -1.0]]), torch.tensor([[1.0], [0.0]])


def test_sum_weighs_terms_and_records_them_unweighted(model: nn.Linear) -> None:
    objective = WeightedSum((Data(), Size(weight=0.5)))

    total, values = objective.measure(model, X, Y)

    assert {name: value.item() for name, value in values.items()} == {"data": 2.5, "size": 5.0}
    assert total.item() == 5.0
    assert objective(model, X, Y).item() == 5.0


def test_gradient_of_the_sum_is_the_weighted_sum_of_gradients(model: nn.Linear) -> None:
    def gradient(objective: WeightedSum) -> torch.Tensor:
        (found,) = torch.autograd.grad(objective(model, X, Y), model.weight)
        return found

    together = gradient(WeightedSum((Data(weight=2.0), Size(weight=0.5))))

    expected = 2.0 * gradient(WeightedSum((Data(),))) + 0.5 * gradient(WeightedSum((Size(),)))
    torch.testing.assert_close(together, expected)


def test_weight_of_zero_records_a_term_and_does_not_follow_it(model: nn.Linear) -> None:
    objective = WeightedSum((Data(), Size(weight=0.0)))

    total, values = objective.measure(model, X, Y)

    assert total.item() == 2.5
    assert values["size"].item() == 5.0


def test_network_runs_once_for_all_terms() -> None:
    class Counting(nn.Linear):
        runs = 0

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.runs += 1
            return super().forward(x)

    model = Counting(2, 1)
    WeightedSum((Data(), Size(), Size(name="again")))(model, X, Y)

    assert model.runs == 1


def test_terms_that_step_are_told_and_others_are_left_alone() -> None:
    size = Size()
    objective = WeightedSum((Data(), size))

    for step in (0, 1, 0):
        objective.before_step(step)

    assert size.steps == [0, 1, 0]


def test_plain_function_is_an_objective_of_one_value(model: nn.Linear) -> None:
    total, values = measure(lambda model, x, y: (model(x) - y).abs().mean(), model, X, Y)

    assert list(values) == ["objective"]
    assert total is values["objective"]
    assert total.item() == 1.5


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -0.1])
def test_weight_that_cannot_be_meant_is_refused(weight: float) -> None:
    with pytest.raises(UsageError, match=rf"weight of 'size' is {weight}; expected a number of at"):
        WeightedSum((Data(), Size(weight=weight)))


def test_two_terms_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="2 terms are called 'size'; give each a name"):
        WeightedSum((Size(), Data(), Size()))


def test_sum_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match=r"needs at least one term, such as Data\(\)"):
        WeightedSum(())


def test_loss_of_every_row_is_refused_with_what_to_do(model: nn.Linear) -> None:
    objective = WeightedSum((Data(loss=nn.MSELoss(reduction="none")),))
    with pytest.raises(UsageError, match=r"'data' returned shape \[2, 1\].*end it with \.mean"):
        objective(model, X, Y)
    with pytest.raises(UsageError, match=r"'objective' returned 1\.0, expected one number"):
        measure(lambda model, x, y: 1.0, model, X, Y)  # type: ignore[arg-type]
