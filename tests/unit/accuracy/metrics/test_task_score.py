import math
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy.metrics.task_score import (
    R2,
    RMSE,
    Score,
    ScoreChange,
    find_score,
    score_values,
)
from spinn_edge.core.errors import UsageError


def test_loss_of_r2_is_a_difference_and_that_of_rmse_a_share() -> None:
    assert R2.loss(0.9, 0.85) == pytest.approx(0.05)
    assert R2.loss(0.9, 0.95) == pytest.approx(-0.05)
    assert RMSE.loss(2.0, 2.1) == pytest.approx(0.05)
    assert RMSE.loss(2.0, 1.9) == pytest.approx(-0.05)


def test_share_of_nothing_is_infinite_where_something_is_lost() -> None:
    assert RMSE.loss(0.0, 1e-9) == math.inf
    assert RMSE.loss(0.0, 0.0) == 0.0


def test_share_of_a_negative_score_keeps_its_sign() -> None:
    likelihood = Score(name="log likelihood", function=np.mean, relative=True)
    assert likelihood.loss(-10.0, -11.0) == pytest.approx(0.1)


def test_nan_is_never_within_the_limit() -> None:
    change = ScoreChange(channel="", baseline=1.0, optimized=math.nan, loss=math.nan, limit=9.0)
    assert not change.passed


def test_scores_are_found_by_name_or_made_of_a_function() -> None:
    def accuracy(target: Any, predicted: Any) -> float:
        return float((predicted.argmax(axis=1) == target).mean())

    assert find_score("r2") is R2
    assert find_score("rmse") is RMSE
    made = find_score(accuracy)
    assert (made.name, made.larger_is_better) == ("accuracy", True)
    assert find_score(made) is made
    target, predicted = np.array([1, 0]), np.array([[0.1, 0.9], [0.4, 0.6]])
    assert score_values(made, target, predicted, 2) == [0.5]
    with pytest.raises(UsageError, match="unknown score 'f1'; known: r2, rmse"):
        find_score("f1")


def test_function_may_give_one_number_a_channel_and_nothing_else() -> None:
    ones = np.ones((4, 3))
    each = Score(name="each", function=lambda target, predicted: predicted.mean(axis=0))
    assert score_values(each, ones, ones, 3) == [1.0, 1.0, 1.0]
    wrong = Score(name="wrong", function=lambda target, predicted: predicted)
    with pytest.raises(UsageError, match=r"score 'wrong' returned shape \[4, 3\]"):
        score_values(wrong, ones, ones, 3)


@pytest.mark.parametrize(
    ("target", "output"), [((4, 1), (4,)), ((4,), (4, 1)), ((4, 3, 1), (4, 3))]
)
def test_axes_of_one_do_not_matter(target: tuple[int, ...], output: tuple[int, ...]) -> None:
    values = np.arange(math.prod(output), dtype=float)
    assert score_values(
        RMSE, values.reshape(target), values.reshape(output), 3 if len(values) > 4 else 1
    )


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match=r"targets of shape \[4, 1\] do not fit an output"):
        score_values(R2, np.ones((4, 1)), np.ones((4, 2)), 2)
    with pytest.raises(UsageError, match=r"\[4, 3, 2\] do not fit"):
        score_values(R2, np.ones((4, 3, 2)), np.ones((4, 2, 3)), 2)
