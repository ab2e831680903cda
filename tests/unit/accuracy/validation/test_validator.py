import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn import metrics as reference
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spinn_edge.accuracy import AccuracyValidator, validate_optimization
from spinn_edge.accuracy.metrics.task_score import Score
from spinn_edge.accuracy.validation.result import ValidationResult
from spinn_edge.core.errors import BundleError, InferenceError, UsageError
from tests.conftest import WriteCsv

RANDOM = np.random.default_rng(0)
X = RANDOM.standard_normal((200, 2)).astype(np.float32)
SCALES = np.array([1.0, 1e-4], np.float32)
Y = (X * SCALES).astype(np.float64) + 0.1 * SCALES * RANDOM.standard_normal((200, 2))


def good(x: Any) -> Any:
    return x * SCALES


def validate(
    optimized: Any, baseline: Any = good, data: Any = (X, Y), **options: Any
) -> ValidationResult:
    return AccuracyValidator(baseline, optimized, **options).validate(data)


def changed(sample: int, channel: int, value: float) -> Any:
    """The baseline with one value replaced, found again in whatever batch it comes in."""

    def model(x: Any) -> Any:
        y = good(x)
        y[(x == X[sample]).all(axis=1), channel] = value
        return y

    return model


def test_equal_models_pass() -> None:
    result = validate(good)
    assert result.passed
    assert result.reasons == ()
    (output,) = result.outputs
    assert [change.loss for change in output.scores] == [0.0, 0.0]
    assert (result.samples, result.score) == (200, "R²")


def test_scores_and_drift_are_of_each_channel() -> None:
    result = validate(lambda x: good(x) * np.float32(0.99), tolerance=0.05)
    (output,) = result.outputs
    for column, change in enumerate(output.scores):
        assert change.baseline == pytest.approx(
            reference.r2_score(Y[:, column], good(X)[:, column])
        )
        assert change.loss == pytest.approx(change.baseline - change.optimized)
        assert change.limit == 0.05
    assert output.drift is not None
    assert [channel.over_scale for channel in output.drift.channels] == pytest.approx(
        [0.01] * 2, rel=1e-4
    )
    assert output.drift_limits == pytest.approx((0.05**0.5,) * 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_in_one_row_fails_and_names_the_sample(bad: float) -> None:
    result = validate(changed(137, 0, bad), tolerance=1e6)
    assert result.reasons == (
        "output 'output': the optimized model's output holds NaN or Inf, first in sample 137 "
        "(1 of 200 samples)",
    )
    assert result.outputs[0].drift is None
    assert result.outputs[0].scores == ()


def test_nan_of_the_baseline_fails_too() -> None:
    result = validate(good, changed(5, 0, np.nan))
    assert "the baseline model's output holds NaN or Inf, first in sample 5" in result.reasons[0]


@pytest.mark.parametrize(
    ("optimized", "words"),
    [
        (lambda x: good(x)[:, :1], "has shape [200, 1]"),
        (
            lambda x: good(x).astype(np.float64),
            "has dtype float64, the baseline model's output float32",
        ),
        (lambda x: np.rint(good(x)).astype(np.int64), "has dtype int64"),
        (lambda x: (good(x), x), "the baseline model returns ['output'], the optimized model"),
    ],
)
def test_another_shape_dtype_or_number_of_outputs_fails_whatever_the_tolerance(
    optimized: Any, words: str
) -> None:
    result = validate(optimized, tolerance=1e6)
    assert not result.passed
    assert words in result.reasons[0]
    json.dumps(result.to_json(), allow_nan=False)


def test_destroyed_channel_of_small_scale_fails_and_is_named() -> None:
    result = validate(lambda x: good(x) * np.array([1, 0], np.float32))
    drift, loss = result.reasons
    assert drift.startswith("output 'output', channel '1' drifts by 1 of its scale, allowed 0.1")
    assert loss.startswith("R² of output 'output', channel '1' falls by 0.9")


def test_swapped_channels_fail() -> None:
    reasons = validate(lambda x: good(x)[:, ::-1]).reasons
    assert any("channel '0' drifts" in reason for reason in reasons)
    assert any("channel '1' drifts" in reason for reason in reasons)


def test_one_bad_corner_fails_by_drift_where_the_score_hides_it() -> None:
    at = int(np.argmax(np.abs(X[:, 0])))
    result = validate(changed(at, 0, -0.5 * float(X[at, 0])), max_drift=0.1, tolerance=0.5)
    (reason,) = result.reasons
    assert f"in sample {at})" in reason
    assert all(change.passed for change in result.outputs[0].scores)


def test_lost_score_fails_where_the_drift_is_allowed() -> None:
    result = validate(lambda x: good(x) * np.float32(0.7), max_drift=1.0)
    assert len(result.reasons) == 2
    assert all("falls by" in reason and "allowed 0.01" in reason for reason in result.reasons)


def test_better_model_passes_where_its_drift_is_allowed() -> None:
    worse = lambda x: good(x) * np.float32(0.7)  # noqa: E731
    assert validate(good, worse, max_drift=0.5).passed
    assert not validate(good, worse, max_drift=0.3).passed


def test_tolerances_by_name() -> None:
    model = lambda x: good(x) * np.array([1, 0.8], np.float32)  # noqa: E731
    assert not validate(model).passed
    assert validate(model, tolerance={"1": 0.05}, max_drift={"1": 0.3}).passed
    assert validate(model, tolerance={"output": 0.05}, max_drift={"output": 0.3}).passed
    assert not validate(model, tolerance={"0": 0.05}, max_drift={"1": 0.3}).passed
    with pytest.raises(
        UsageError, match="given for 'wear'; the outputs and channels are: 0, 1, output"
    ):
        validate(model, tolerance={"wear": 0.05})


def test_rmse_may_grow_by_a_share() -> None:
    model = lambda x: good(x) + np.float32(0.05) * SCALES  # noqa: E731
    (output,) = validate(model, score="rmse", tolerance=0.3).outputs
    assert [change.passed for change in output.scores] == [True, True]
    strict = validate(model, score="rmse", tolerance=0.01, max_drift=1.0)
    assert "RMSE of output 'output', channel '0' grows by 1" in strict.reasons[0]
    assert "allowed 1.00 %" in strict.reasons[0]


def test_score_of_the_users_own() -> None:
    labels = (X[:, 0] > 0).astype(np.int64)

    def hits(target: Any, predicted: Any) -> float:
        return float(((predicted[:, 0] > 0) == target).mean())

    assert validate(good, data=(X, labels), score=hits).passed
    wrong = validate(lambda x: good(x) - SCALES, data=(X, labels), score=hits, max_drift=1.0)
    assert wrong.reasons[0].startswith("hits of output 'output' falls by")
    (change,) = wrong.outputs[0].scores
    assert change.channel == ""
    error = Score(name="misses", function=lambda t, p: 1 - hits(t, p), larger_is_better=False)
    assert (
        "misses of output 'output' grows by"
        in validate(
            lambda x: good(x) - SCALES, data=(X, labels), score=error, max_drift=1.0
        ).reasons[0]
    )


def test_score_that_is_nan_fails_for_the_model_and_is_refused_for_the_baseline() -> None:
    def flaky(target: Any, predicted: Any) -> float:
        return 1.0 if predicted[0, 0] == X[0, 0] else float("nan")

    shifted = lambda x: good(x) + np.float32(1e-3) * SCALES  # noqa: E731
    assert "falls by nan" in validate(shifted, score=flaky).reasons[0]
    with pytest.raises(UsageError, match="flaky of output 'output' is nan for the baseline"):
        validate(good, shifted, score=flaky)


def test_constant_target_is_refused_for_r2_but_not_for_rmse() -> None:
    flat = np.stack([np.full(200, 3.0), Y[:, 1]], axis=1)
    with pytest.raises(
        UsageError, match="channel '0' is undefined: its target is constant over 200"
    ):
        validate(good, data=(X, flat))
    assert validate(good, data=(X, flat), score="rmse").passed


def test_one_row_defines_no_r2() -> None:
    with pytest.raises(UsageError, match="constant over 1 samples"):
        validate(good, data=(X[:1], Y[:1]))
    assert validate(good, data=(X[:1], Y[:1]), score="rmse").passed


def test_integer_outputs_are_compared_and_scored() -> None:
    count = lambda x: np.rint(3 * x).astype(np.int32)  # noqa: E731
    target = np.rint(3 * X).astype(np.int64)
    assert validate(count, count, (X, target)).passed
    off = validate(lambda x: count(x) + np.int32(2), count, (X, target))
    assert "drifts by" in off.reasons[0]


@pytest.mark.parametrize("tolerance", [-0.01, float("nan"), float("inf")])
def test_tolerance_that_is_no_tolerance_is_refused(tolerance: float) -> None:
    for options in ({"tolerance": tolerance}, {"max_drift": tolerance}):
        with pytest.raises(UsageError, match="expected a finite number of at least 0"):
            AccuracyValidator(good, good, **options)  # type: ignore[arg-type]
    with pytest.raises(UsageError):
        validate_optimization(good, good, (X, Y), tolerance=tolerance)


def test_tolerance_of_zero_allows_equality_only() -> None:
    assert validate_optimization(good, good, (X, Y), tolerance=0.0)
    assert not validate_optimization(good, changed(3, 1, 1e-9), (X, Y), tolerance=0.0)


def test_targets_pair_by_name_or_order_and_others_are_refused() -> None:
    two = lambda x: {"a": x, "b": 2 * x}  # noqa: E731
    half = validate(two, two, (X, {"b": 2 * Y}))
    assert [bool(output.scores) for output in half.outputs] == [False, True]
    assert validate(two, two, (X, (X, 2 * Y))).passed
    assert validate(good, data=(X, {"labels": Y})).passed  # one output, one target
    for targets in ({"a": Y, "c": Y}, Y, {"c": Y}):
        with pytest.raises(UsageError, match=r"the baseline model outputs \['a', 'b'\]"):
            validate(two, two, (X, targets))


def test_targets_of_another_shape_are_refused() -> None:
    with pytest.raises(UsageError, match=r"targets of shape \[200, 1\] do not fit"):
        validate(good, data=(X, Y[:, :1]))


def test_failing_model_is_an_error_and_no_verdict() -> None:
    with pytest.raises(InferenceError, match="the optimized model fails on samples 0 to 199"):
        validate(lambda x: x @ np.ones((5, 1)))


def test_modules_and_exported_programs_on_a_data_loader() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        dense, other = (
            nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2)) for _ in range(2)
        )
        with torch.no_grad():
            target = dense(torch.from_numpy(X)) + 0.01 * torch.randn(200, 2)
        samples = TensorDataset(torch.from_numpy(X), target)
        loader = DataLoader(samples, batch_size=64, shuffle=True)
        batch = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
        program = torch.export.export(dense, (torch.ones(2, 2),), **batch).module()  # type: ignore[arg-type]
        assert validate_optimization(dense, program, loader)
        assert not validate_optimization(dense, other, loader)


def test_images_are_scored_and_have_ssim() -> None:
    images = RANDOM.random((4, 2, 12, 12)).astype(np.float32)
    noisy = lambda x: x + np.float32(0.01)  # noqa: E731
    result = validate(noisy, lambda x: x, (images, images), tolerance=0.1)
    assert result.passed
    assert result.outputs[0].drift is not None
    assert result.outputs[0].drift.overall.ssim is not None
    assert result.outputs[0].notes == ()


def test_nothing_judged_is_not_passed() -> None:
    assert not replace(validate(good), outputs=()).passed


def test_json_holds_everything_but_arrays() -> None:
    result = validate(changed(3, 1, 0.5))
    document = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert document["passed"] is False
    assert document["reasons"] == list(result.reasons)
    (output,) = document["outputs"]
    assert output["drift"]["channels"][1]["worst_sample"] == 3
    assert output["drift"]["overall"]["channel"] == "overall"
    assert output["scores"][1]["passed"] is False
    assert result.comparison.outputs[0].first.shape == (200, 2)


def test_models_without_a_table_need_columns(write_csv: WriteCsv) -> None:
    with pytest.raises(UsageError, match="which columns are features"):
        validate(good, data=write_csv(["a,b", "1,2"]))


def test_folder_that_is_no_bundle_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is no bundle"):
        validate(tmp_path, data=(X, Y))
