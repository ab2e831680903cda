import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spinn_edge.core.errors import UsageError
from spinn_edge.training.dataset import Rows
from spinn_edge.training.fitting import Epoch, Fit, TensorBatches, evaluate, fit
from spinn_edge.training.objectives import Batch as ObjectiveBatch
from spinn_edge.training.objectives import Data, WeightedSum

Batch = tuple[torch.Tensor, torch.Tensor]
ONE_BATCH = [(torch.ones(4, 1), torch.zeros(4, 1))]


class Scripted:
    """A loss whose value over the validation batches follows a script, one entry an epoch."""

    def __init__(self, model: nn.Module, validation: list[float]) -> None:
        self.model, self.script = model, iter(validation)

    def __call__(self, prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if self.model.training:
            return prediction.mean()  # its gradient moves the weights in every step
        return torch.tensor(next(self.script))


def linear() -> nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Linear(1, 1)


def run(model: nn.Module, validation: list[float], **options: Any) -> tuple[Fit, list[Any]]:
    """Fit with scripted validation losses; give the weights after each epoch as well."""
    weights: list[Any] = []
    given = options.pop("on_epoch", lambda epoch: None)

    def on_epoch(epoch: Epoch) -> None:
        weights.append({k: v.clone() for k, v in model.state_dict().items()})
        given(epoch)

    result = fit(
        model,
        ONE_BATCH,
        ONE_BATCH,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        loss=Scripted(model, validation),
        epochs=options.pop("epochs", len(validation)),
        on_epoch=on_epoch,
        **options,
    )
    return result, weights


def assert_weights(model: nn.Module, wanted: dict[str, torch.Tensor]) -> None:
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, wanted[name], rtol=0, atol=0)


def test_best_weights_are_restored_not_the_last() -> None:
    model = linear()

    result, weights = run(model, [3.0, 1.0, 2.0, 5.0])

    assert_weights(model, weights[1])
    assert not torch.equal(weights[1]["bias"], weights[3]["bias"])
    assert result.best is not None
    assert result.best.number == 2
    assert [epoch.best for epoch in result.history] == [True, True, False, False]
    assert [epoch.validation_loss for epoch in result.history] == [3.0, 1.0, 2.0, 5.0]
    assert not result.interrupted


def test_batch_norm_statistics_belong_to_the_best_weights() -> None:
    model = nn.Sequential(nn.Linear(1, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))

    _, weights = run(model, [1.0, 2.0])

    assert_weights(model, weights[0])
    assert int(model.state_dict()["1.num_batches_tracked"]) == 1


def test_equal_loss_keeps_the_earlier_weights() -> None:
    model = linear()

    result, weights = run(model, [1.0, 1.0])

    assert_weights(model, weights[0])
    assert result.best == result.history[0]


def test_model_is_in_evaluation_mode_afterwards() -> None:
    model = linear().train()

    run(model, [1.0])

    assert not model.training


def test_patience_stops_after_epochs_without_improvement() -> None:
    result, _ = run(linear(), [3.0, 2.0, 2.5, 2.5, 1.0], patience=2)

    assert [epoch.number for epoch in result.history] == [1, 2, 3, 4]
    assert result.best is not None
    assert result.best.number == 2


def test_improvement_within_patience_goes_on() -> None:
    result, _ = run(linear(), [3.0, 3.5, 2.0, 2.5, 1.0], patience=2)

    assert len(result.history) == 5


def test_without_patience_every_epoch_runs() -> None:
    result, _ = run(linear(), [1.0, *[2.0] * 9])

    assert len(result.history) == 10


def test_small_improvements_do_not_count_for_patience_but_their_weights_are_kept() -> None:
    model = linear()

    result, weights = run(model, [2.0, 1.96, 1.93, 1.0], patience=2, min_delta=0.1)

    assert [epoch.number for epoch in result.history] == [1, 2, 3]
    assert [epoch.best for epoch in result.history] == [True, True, True]
    assert_weights(model, weights[2])


def test_small_improvements_add_up_to_one_that_counts() -> None:
    result, _ = run(linear(), [2.0, 1.94, 1.88, 1.82, 1.7, 1.7], patience=2, min_delta=0.1)

    assert len(result.history) == 6  # 1.88 is 0.12 below 2.0, and 1.7 is 0.18 below that


def test_improvement_by_exactly_min_delta_does_not_count() -> None:
    result, _ = run(linear(), [2.0, 1.5, 1.0], patience=1, min_delta=0.5)

    assert len(result.history) == 2


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_min_delta_that_cannot_be_meant_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=rf"min_delta is {value}; expected a number of at least"):
        run(linear(), [1.0], min_delta=value)


def test_interrupted_run_keeps_the_best_so_far() -> None:
    model = linear()

    def interrupt(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise KeyboardInterrupt

    result, weights = run(model, [2.0, 1.0, 3.0, 0.0], on_epoch=interrupt)

    assert result.interrupted
    assert_weights(model, weights[1])
    assert result.best is not None
    assert result.best.number == 2
    assert len(result.history) == 3


def test_interrupted_first_epoch_leaves_the_initial_weights_and_no_best() -> None:
    model = linear()
    before = {k: v.clone() for k, v in model.state_dict().items()}

    def batches() -> Iterator[Batch]:
        yield ONE_BATCH[0]
        raise KeyboardInterrupt

    result = fit(
        model,
        batches(),
        ONE_BATCH,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        loss=nn.functional.mse_loss,
        epochs=5,
    )

    assert (result.history, result.interrupted, result.best) == ((), True, None)
    assert_weights(model, before)
    assert not model.training


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_divergence_is_a_clear_error_and_leaves_the_initial_weights(value: float) -> None:
    model = linear()
    before = {k: v.clone() for k, v in model.state_dict().items()}

    with pytest.raises(UsageError, match=r"training diverged: validation loss .* after epoch 1; "):
        run(model, [value])

    assert_weights(model, before)


def test_divergence_names_the_option_that_helps() -> None:
    with pytest.raises(UsageError, match="lower the learning rate with --lr"):
        run(linear(), [math.nan])


def test_later_divergence_keeps_the_best() -> None:
    model = linear()

    result, weights = run(model, [1.0, math.nan, math.nan])

    assert_weights(model, weights[0])
    assert result.best == result.history[0]


def test_weights_are_restored_when_a_callback_fails() -> None:
    model = linear()

    def fail(epoch: Epoch) -> None:
        if epoch.number == 2:
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        run(model, [1.0, 2.0], on_epoch=fail)

    assert not model.training


def test_no_validation_samples_are_a_clear_error() -> None:
    model = linear()

    with pytest.raises(UsageError, match="no validation samples to choose the best weights by"):
        evaluate(model, [], nn.functional.mse_loss)


def test_loader_that_can_be_read_once_is_a_clear_error() -> None:
    model = linear()

    with pytest.raises(UsageError, match="training batches gave no samples; give a DataLoader"):
        fit(
            model,
            iter(ONE_BATCH),
            ONE_BATCH,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            loss=nn.functional.mse_loss,
            epochs=2,
        )


def test_mean_loss_weighs_samples_not_batches() -> None:
    zero = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(zero.weight)
    batches = [(torch.ones(3, 1), torch.ones(3, 1)), (torch.ones(1, 1), torch.full((1, 1), 3.0))]

    assert evaluate(zero, batches, nn.functional.mse_loss) == pytest.approx((3 * 1 + 9) / 4)


def test_reported_training_loss_is_the_mean_over_samples() -> None:
    zero = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(zero.weight)
    batches = [(torch.zeros(3, 1), torch.ones(3, 1)), (torch.zeros(1, 1), torch.full((1, 1), 3.0))]

    result = fit(
        zero,
        batches,
        batches,
        optimizer=torch.optim.SGD(zero.parameters(), lr=0.1),
        loss=nn.functional.mse_loss,
        epochs=1,
    )

    assert result.history[0].train_loss == pytest.approx(3.0)


def test_schedule_is_stepped_after_each_batch() -> None:
    model = linear()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    batches = ONE_BATCH * 3

    fit(
        model,
        batches,
        ONE_BATCH,
        optimizer=optimizer,
        loss=nn.functional.mse_loss,
        epochs=2,
        schedule=schedule,
    )

    assert schedule.get_last_lr() == [pytest.approx(0.5**6)]


def test_fit_learns_a_line_from_a_data_loader() -> None:
    x = torch.linspace(-1, 1, 64)[:, None]
    loader = DataLoader(TensorDataset(x, 2 * x + 1), batch_size=16)
    model = linear()

    fit(
        model,
        loader,
        loader,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.3),
        loss=nn.functional.mse_loss,
        epochs=40,
    )

    assert float(model.weight.detach()) == pytest.approx(2, abs=1e-2)
    assert float(model.bias.detach()) == pytest.approx(1, abs=1e-2)


# objectives


class Pull:
    """A term of the test's own: the weight should be 5; notes where training stands."""

    name, weight = "pull", 10.0

    def __init__(self) -> None:
        self.steps: list[int] = []

    def before_step(self, step: int) -> None:
        self.steps.append(step)

    def __call__(self, batch: ObjectiveBatch) -> torch.Tensor:
        return (next(batch.model.parameters()) - 5).square().mean()


def fit_pulled(model: nn.Module, term: Any, **options: Any) -> Fit:
    x = torch.linspace(-1, 1, 8)[:, None]
    return fit(
        model,
        [(x[:6], 2 * x[:6]), (x[6:], 2 * x[6:])],
        [(x, 2 * x)],
        optimizer=torch.optim.SGD(model.parameters(), lr=0.005),
        loss=nn.functional.mse_loss,
        objective=WeightedSum((Data(), term)),
        **({"epochs": 4} | options),
    )


def test_every_term_is_minimised_and_recorded_without_its_weight() -> None:
    model, pull = linear(), Pull()
    first = float((model.weight.detach() - 5).square())

    history = fit_pulled(model, pull).history

    assert pull.steps == [0, 1] * 4
    assert [list(epoch.terms) for epoch in history] == [["data", "pull"]] * 4
    assert history[0].terms["pull"] < first
    assert history[3].terms["pull"] < 0.5 * history[0].terms["pull"]
    for epoch in history:
        total = epoch.terms["data"] + 10 * epoch.terms["pull"]
        assert epoch.train_loss == pytest.approx(total, rel=1e-6)


def test_best_epoch_is_chosen_by_the_data_alone() -> None:
    """The term pulls the weight to 2, the best for the data, and beyond."""
    history = fit_pulled(linear(), Pull(), epochs=30).history

    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert 1 < best.number < 30
    assert [epoch for epoch in history if epoch.best][-1] is best
    assert history[-1].terms["pull"] < best.terms["pull"]


def test_plain_loss_is_recorded_as_data() -> None:
    result, _ = run(linear(), [1.0])

    assert result.history[0].terms == {"data": result.history[0].train_loss}
    assert result.compile_s is None


def test_term_that_is_nan_from_the_start_is_named() -> None:
    def broken(batch: ObjectiveBatch) -> torch.Tensor:
        return batch.prediction.mean() * math.nan

    model = linear()
    before = model.weight.detach().clone()
    term = Data(name="fine")
    broken.name, broken.weight = "residual", 1.0  # type: ignore[attr-defined]

    with pytest.raises(UsageError, match="'residual' is nan for the weights that training starts"):
        fit(
            model,
            ONE_BATCH,
            ONE_BATCH,
            optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
            loss=nn.functional.mse_loss,
            objective=WeightedSum((term, broken)),  # type: ignore[arg-type]
            epochs=3,
        )

    assert torch.equal(model.weight, before)


# TensorBatches


def numbered(count: int) -> Rows:
    column = np.arange(count, dtype=np.float64)[:, None]
    return Rows(features=column, targets=10 * column)


def test_batches_without_generator_keep_the_order() -> None:
    batches = TensorBatches(numbered(5), batch_size=2)

    assert len(batches) == 3
    assert [x.flatten().tolist() for x, _ in batches] == [[0, 1], [2, 3], [4]]
    assert all(torch.equal(y, 10 * x) for x, y in batches)
    assert next(iter(batches))[0].dtype == torch.float32


def test_shuffled_batches_hold_each_row_once_and_differ_between_passes() -> None:
    batches = TensorBatches(numbered(50), batch_size=8, generator=torch.Generator().manual_seed(0))

    passes = [torch.cat([x for x, _ in batches]).flatten().tolist() for _ in range(2)]

    assert sorted(passes[0]) == sorted(passes[1]) == list(range(50))
    assert passes[0] != passes[1]
    assert all(torch.equal(y, 10 * x) for x, y in batches)
