import io
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from spinn_edge.accuracy import AccuracyValidator
from spinn_edge.accuracy.metrics import outputs as output_metrics
from spinn_edge.accuracy.validation.labelled import LabelledData
from spinn_edge.accuracy.validation.result import ValidationResult
from spinn_edge.core.errors import MissingDependencyError
from spinn_edge.report.validation import (
    validation_remarks,
    validation_summary,
    validation_table,
)

X = np.random.default_rng(0).standard_normal((50, 2))
Y = X + 0.1 * np.random.default_rng(1).standard_normal((50, 2))


def validate(
    optimized: Any, data: Any = (X, Y), baseline: Any = lambda x: x, **options: Any
) -> ValidationResult:
    return AccuracyValidator(baseline, optimized, **options).validate(data)


def shown(result: ValidationResult, width: int = 200) -> str:
    console = Console(width=width, file=io.StringIO())
    console.print(validation_table(result))
    return console.file.getvalue()  # type: ignore[attr-defined]


def lines_of(result: ValidationResult, start: str, title: str) -> list[str]:
    """Return the cells of a line of one table."""
    lines = shown(result).split(f"{title} ", 1)[1].splitlines()
    return next(line.split() for line in lines if line.split()[:1] == [start])


def test_each_channel_has_a_line_with_its_own_verdict_in_both_tables() -> None:
    result = validate(lambda x: x * [1, 0.5])
    assert lines_of(result, "0", "Drift of")[-1] == "passed"
    assert lines_of(result, "0", "R² of")[-1] == "passed"
    drift, score = lines_of(result, "1", "Drift of"), lines_of(result, "1", "R² of")
    assert drift[-1] == score[-1] == "failed"
    assert drift[1:3] == ["0.5", "0.1"]
    before, after, loss, allowed = map(float, score[1:5])
    assert loss == pytest.approx(before - after, abs=1e-3)
    assert allowed == 0.01


def test_each_table_has_the_verdict_of_its_own_limit() -> None:
    drifts = validate(lambda x: 0.9 * x, tolerance=1.0, max_drift=0.05)
    loses = validate(lambda x: 0.9 * x, tolerance=1e-3, max_drift=1.0)
    verdicts = [
        [lines_of(result, "0", title)[-1] for title in ("Drift of", "R² of")]
        for result in (drifts, loses)
    ]
    assert verdicts == [["failed", "passed"], ["passed", "failed"]]


def test_loss_carries_its_sign() -> None:
    worse = validate(lambda x: 0.9 * x, tolerance=0.05)
    better = validate(lambda x: x, baseline=lambda x: 0.9 * x)
    assert lines_of(worse, "0", "R² of")[3].startswith("+0.0")
    assert lines_of(better, "0", "R² of")[3].startswith("-0.0")


def test_output_without_a_target_shows_drift_alone_and_says_so() -> None:
    two = lambda x: {"a": x, "[b]": x}  # noqa: E731
    result = validate(two, (X, {"a": Y}), two)
    text = shown(result)
    assert "R² of a" in text
    assert "R² of [b]" not in text
    assert "Drift of [b]" in text
    assert "- '[b]' has no target: judged by its drift alone" in validation_remarks(result)


def test_score_of_the_whole_output_has_a_line_of_its_own() -> None:
    def share(target: Any, predicted: Any) -> float:
        return 0.75

    result = validate(lambda x: x, score=share)
    assert lines_of(result, "all", "share of")[1:3] == ["0.75", "0.75"]


def test_tables_fit_a_narrow_screen() -> None:
    data = LabelledData(
        inputs={"x": X}, targets={"y": Y}, columns=("tool_wear", "thermal_displacement")
    )
    text = shown(validate(lambda x: 0.987654 * x, data, tolerance=0.05), width=80)
    assert text.count("thermal_displacement") == 2
    heads = [line.split() for line in text.splitlines() if line.split()[:1] == ["channel"]]
    assert heads == [
        ["channel", "drift", "allowed", "max", "abs", "sample", "RMS", "verdict"],
        ["channel", "baseline", "optimized", "loss", "allowed", "verdict"],
    ]


def test_fault_is_a_remark_and_no_table() -> None:
    result = validate(lambda x: x * np.nan)
    assert "no output could be measured" in shown(result)
    failed, summary = validation_remarks(result)
    assert failed.startswith("- failed: output 'output': the optimized model's output holds NaN")
    assert summary == validation_summary(result) == "failed on arrays: 1 reason"


def test_summary_of_what_passed_names_score_and_source() -> None:
    result = validate(lambda x: x, score="rmse")
    assert validation_remarks(result) == [
        "passed: drift and loss of RMSE are within tolerance on arrays"
    ]


def test_missing_scikit_image_is_said_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*arguments: object) -> None:
        raise MissingDependencyError("skimage", "image", "no such module")

    monkeypatch.setattr(output_metrics, "structural_similarity", absent)
    images = np.random.default_rng(0).random((3, 2, 12, 12))
    result = validate(
        lambda x: x, (images, images + 0.1 * np.random.default_rng(1).random(images.shape))
    )
    assert "- no SSIM of 'output': it needs pip install 'spinn-edge[image]'" in validation_remarks(
        result
    )
