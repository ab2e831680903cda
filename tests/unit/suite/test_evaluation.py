import numpy as np
import pytest
import torch

from spinn_edge.accuracy.metrics.regression import r2_score, rmse
from spinn_edge.core.errors import UsageError
from spinn_edge.suite.evaluation import choose_golden, score_on
from spinn_edge.suite.model_in_memory import ModelInMemory
from spinn_edge.suite.sample_rows import specs_of
from tests.unit.suite.models import Gated, Roots, mlp, sample

X, TARGETS = sample(40, 3), sample(40, 2)


def loaded(model, x=X):
    return ModelInMemory.of(model, x, "net", None).load()


def golden_of(model, x, rows=16):
    held = ModelInMemory.of(model, x, "net", None)
    return choose_golden(held.load(), held.sample, rows)(specs_of(held.sample), rows)


def test_golden_inputs_go_beyond_the_sample():
    assert golden_of(mlp(), X[:2]).arrays["input"].shape == (16, 3)


def test_model_that_takes_some_values_only_is_proved_with_the_sample_alone():
    golden = golden_of(Roots(), torch.tensor([[1.0, 4.0], [4.0, 1.0]]))
    assert golden.source == "2 rows of sample_input"


def test_nan_for_the_sample_is_refused():
    with pytest.raises(UsageError, match=r"'net' cannot be timed: its output 'output' holds NaN"):
        golden_of(Roots(), torch.tensor([[2.0]]))


def test_model_that_fails_on_the_sample_is_refused_without_options_of_the_command_line():
    with pytest.raises(UsageError, match=r"fails on inputs \{'input': \[2, 5\]\}") as caught:
        golden_of(mlp(), sample(2, 5))
    assert "--input-shape" not in str(caught.value)


def test_scores_are_those_of_the_model_on_the_rows():
    model = mlp()
    scores = score_on(loaded(model), (X, TARGETS))
    with torch.no_grad():
        predicted = model(X).numpy()
    expected = r2_score(TARGETS.numpy(), predicted)
    assert list(scores.r2.values()) == pytest.approx(expected.tolist())
    np.testing.assert_allclose(list(scores.rmse.values()), rmse(TARGETS.numpy(), predicted))
    assert scores.r2_overall == pytest.approx(expected.mean())
    assert list(scores.r2) == ["target 0", "target 1"]
    assert scores.source == "40 rows of validation"


def test_no_linear_regression_is_invented():
    assert set(score_on(loaded(mlp()), (X, TARGETS)).linear_r2.values()) == {None}


def test_perfect_model_scores_one():
    model = mlp()
    with torch.no_grad():
        targets = model(X)
    assert score_on(loaded(model), (X, targets)).r2_overall == pytest.approx(1.0)


def test_targets_of_one_column_may_be_flat_and_of_any_numbers():
    model = mlp((3, 4, 1))
    flat = score_on(loaded(model), (X, TARGETS[:, 0].double()))
    assert flat == score_on(loaded(model), (X, TARGETS[:, :1].numpy()))


@pytest.mark.parametrize("validation", [X, (X,), (X, TARGETS, TARGETS), "xy z", {"x": X}])
def test_validation_is_a_pair(validation):
    with pytest.raises(UsageError, match=r"expected a pair, \(inputs, targets\)"):
        score_on(loaded(mlp()), validation)


@pytest.mark.parametrize("targets", ["yes", None, [["a", "b"]], [object()]])
def test_targets_that_are_no_numbers_are_refused(targets):
    with pytest.raises(UsageError, match="validation targets"):
        score_on(loaded(mlp()), (X, targets))


@pytest.mark.parametrize("targets", [TARGETS * torch.nan, TARGETS[:0], TARGETS[None], X[0, 0]])
def test_targets_without_rows_or_with_nan_are_refused(targets):
    with pytest.raises(UsageError, match=r"expected \(rows, columns\)"):
        score_on(loaded(mlp()), (X, targets))


@pytest.mark.parametrize("targets", [TARGETS[:39], TARGETS[:, :1], TARGETS[:, 0]])
def test_targets_that_do_not_fit_the_outputs_are_refused(targets):
    with pytest.raises(UsageError, match=r"targets of shape .*'net' gives \[40, 2\]"):
        score_on(loaded(mlp()), (X, targets))


def test_inputs_that_do_not_fit_the_model_are_refused():
    with pytest.raises(UsageError, match=r"validation: .*\[40, 2\]"):
        score_on(loaded(mlp()), (TARGETS, TARGETS))


def test_wrong_inputs_are_named_as_validation():
    with pytest.raises(UsageError, match=r"^validation inputs is a ndarray"):
        score_on(loaded(mlp()), (X.numpy(), TARGETS))


def test_nan_prediction_is_refused():
    with pytest.raises(UsageError, match="gives NaN or Inf for some of the rows"):
        score_on(loaded(Roots(), torch.ones(1, 2)), (TARGETS, TARGETS))


def test_model_of_several_outputs_cannot_be_scored():
    class Both(Gated):
        def forward(self, signal, gate):
            return signal, gate

    pair = (X, X)
    with pytest.raises(UsageError, match="scores one output, and 'net' has 2"):
        score_on(loaded(Both(), pair), (pair, X))
