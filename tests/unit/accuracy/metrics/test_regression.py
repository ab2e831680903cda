import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference
from sklearn.linear_model import LinearRegression

from spinn_edge.accuracy.metrics.regression import (
    linear_regression,
    predict_linear,
    r2_score,
    rmse,
    score_predictions,
)

columns = arrays(
    np.float64,
    st.tuples(st.integers(2, 20), st.integers(1, 4)),
    elements=st.floats(-1e3, 1e3, width=32).map(lambda value: round(value, 3)),
)


@given(columns, st.integers(0, 2**31))
def test_scores_agree_with_scikit_learn(target: Any, seed: int) -> None:
    predicted = target + np.random.default_rng(seed).standard_normal(target.shape)
    varies = np.ptp(target, axis=0) > 0

    expected = (
        reference.r2_score(target[:, varies], predicted[:, varies], multioutput="raw_values")
        if varies.any()
        else []
    )

    np.testing.assert_allclose(r2_score(target, predicted)[varies], expected, rtol=1e-9)
    np.testing.assert_allclose(
        rmse(target, predicted),
        reference.root_mean_squared_error(target, predicted, multioutput="raw_values"),
        rtol=1e-9,
    )


@pytest.mark.parametrize("value", [0.0, 0.1, 1e9])
def test_constant_target_scores_zero_where_hit_and_minus_infinity_elsewhere(value: float) -> None:
    target = np.full((3, 2), value)
    predicted = target + np.array([0.0, 1e-6 * max(value, 1.0)])

    assert r2_score(target, predicted).tolist() == [0.0, -np.inf]


def test_perfect_prediction_scores_one_and_the_mean_scores_zero() -> None:
    target = np.array([[1.0, 1.0], [2.0, 2.0], [6.0, 6.0]])
    predicted = np.array([[1.0, 3.0], [2.0, 3.0], [6.0, 3.0]])

    assert r2_score(target, predicted).tolist() == [1.0, 0.0]
    assert rmse(target, predicted)[0] == 0


def test_float32_predictions_are_scored_in_float64() -> None:
    target = np.array([[1e8], [1e8 + 1], [1e8 + 2]])

    assert r2_score(target, target.astype(np.float64)).dtype == np.float64
    assert rmse(target.astype(np.float32), target).dtype == np.float64


def test_linear_regression_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    features = random.standard_normal((50, 4)) * [1, 100, 0.01, 1]
    target = features @ random.standard_normal((4, 2)) + random.standard_normal((50, 2)) + 7

    coefficients = linear_regression(features, target)

    fitted = LinearRegression().fit(features, target)
    np.testing.assert_allclose(coefficients[:-1].T, fitted.coef_)
    np.testing.assert_allclose(coefficients[-1], fitted.intercept_)
    np.testing.assert_allclose(predict_linear(coefficients, features), fitted.predict(features))


def test_constant_and_repeated_features_do_not_break_the_regression() -> None:
    x = np.linspace(0, 1, 20)
    features = np.stack([x, x, np.full(20, 3.0)], axis=1)
    target = (2 * x + 1)[:, None]

    predicted = predict_linear(linear_regression(features, target), features)

    np.testing.assert_allclose(predicted, target, atol=1e-12)


def test_collected_scores_name_each_target() -> None:
    target = np.array([[0.0, 0.0], [1.0, 10.0], [2.0, 20.0]])
    predicted = target + np.array([0.0, 1.0])

    scores = score_predictions(
        ("wear", "heat"), target, predicted, np.ones_like(target), source="3 rows"
    )

    assert (scores.source, scores.rows) == ("3 rows", 3)
    assert scores.rmse == {"wear": 0.0, "heat": 1.0}
    assert scores.r2 == pytest.approx({"wear": 1.0, "heat": 1 - 3 / 200})
    assert scores.r2_overall == pytest.approx((1 + 1 - 3 / 200) / 2)
    assert scores.linear_r2["wear"] == pytest.approx(0.0)
    json.dumps([scores.r2, scores.rmse, scores.linear_r2, scores.r2_overall])


def test_names_that_do_not_fit_the_columns_are_refused() -> None:
    one = np.ones((3, 1))

    with pytest.raises(ValueError, match="zip"):
        score_predictions(("a", "b"), one, one, one, source="rows")
