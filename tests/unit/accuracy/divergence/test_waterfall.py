"""The waterfall over fake forms, where every figure is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy import waterfall as public_waterfall
from spinn_edge.accuracy.divergence.waterfall import Form, Predict, waterfall
from spinn_edge.core.errors import (
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    SpinnEdgeError,
    UsageError,
)

X = {"input": np.linspace(-1.0, 1.0, 5, dtype=np.float32)[:, None]}
BASE = np.stack([np.linspace(-2.0, 4.0, 5), np.linspace(0.0, 100.0, 5)], axis=1)


def gives(*errors: float) -> Predict:
    """Return a form that is off by a constant in each of two channels."""
    return lambda inputs: {"y": BASE + np.array(errors)}


def refuses(error: SpinnEdgeError) -> Predict:
    def predict(inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        raise error

    return predict


DENSE = Form(name="dense", after="", predict=gives(0, 0))
PRUNED = Form(name="pruned", after="dense", predict=gives(0.4, 0.0), step="pruning")
HALF = Form(name="fp16", after="pruned", predict=gives(0.4, 1.0), own_reference="pruned")


def test_the_public_name_is_the_function() -> None:
    assert public_waterfall is waterfall


def test_each_step_has_its_own_contribution_and_totals() -> None:
    found = waterfall((DENSE, PRUNED, HALF), X, source="five rows")
    assert found.reference == "dense"
    assert found.outputs == ("y[0]", "y[1]")
    assert found.scale == (4.0, 100.0)
    assert (found.rows, found.source) == (5, "five rows")
    dense, pruned, half = found.steps
    assert (dense.contribution, dense.total, dense.own) == ((), (), ())
    assert [e.max_share for e in pruned.contribution] == pytest.approx([0.1, 0])
    assert [e.max_share for e in half.contribution] == pytest.approx([0, 0.01])
    assert [e.max_share for e in half.total] == pytest.approx([0.1, 0.01])
    assert [e.max_share for e in half.own] == pytest.approx([0, 0.01])
    assert [e.max_abs for e in half.total] == pytest.approx([0.4, 1.0])
    assert (half.after, half.reason, half.failed) == ("pruned", None, False)


def test_contributions_that_cancel_are_not_summed() -> None:
    back = Form(name="back", after="pruned", predict=gives(0.0, 0.0))
    *_, step = waterfall((DENSE, PRUNED, back), X).steps
    assert step.contribution[0].max_share == pytest.approx(0.1)
    assert step.total[0].max_share == 0


def test_largest_and_root_mean_square_are_told_apart() -> None:
    off = BASE.copy()
    off[2, 1] += 10
    last = Form(name="last", after="dense", predict=lambda inputs: {"y": off})
    error = waterfall((DENSE, last), X).steps[1].contribution[1]
    assert error.max_share == pytest.approx(0.1)
    assert error.rms_share == pytest.approx(0.1 / np.sqrt(5))


@pytest.mark.parametrize(
    ("error", "failed"),
    [
        (RuntimeUnavailableError("no GPU"), False),
        (MissingDependencyError("torch", "export", "no module"), False),
        (InferenceError("crashed"), True),
    ],
)
def test_a_form_that_cannot_run_is_a_row_with_the_reason(
    error: SpinnEdgeError, failed: bool
) -> None:
    gone = Form(name="engine", after="pruned", predict=refuses(error))
    later = Form(name="engine fp16", after="engine", predict=gives(0.4, 1.0))
    found = waterfall((DENSE, PRUNED, gone, later), X, targets=BASE)
    row, after = found.steps[2:]
    assert str(error) in str(row.reason)
    assert row.failed is failed
    assert (row.contribution, row.total, row.own, row.scores) == ((), (), (), ())
    assert after.after == "pruned", "counts from the nearest form that ran"
    assert [e.max_share for e in after.contribution] == pytest.approx([0, 0.01])


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        ({"y": np.where(BASE == 100, np.nan, BASE)}, "NaN or Inf, first in sample 4"),
        ({"y": BASE[:, :1]}, "shape"),
        ({"z": BASE}, "output 'y' is missing"),
    ],
)
def test_broken_outputs_fail_and_give_no_figures(outputs: dict[str, Any], words: str) -> None:
    broken = Form(name="broken", after="dense", predict=lambda inputs: outputs)
    step = waterfall((DENSE, broken), X).steps[1]
    assert step.failed
    assert words in str(step.reason)
    assert step.total == ()


def test_the_first_form_must_run() -> None:
    error = RuntimeUnavailableError("no torch")
    with pytest.raises(RuntimeUnavailableError, match="no torch"):
        waterfall((Form(name="dense", after="", predict=refuses(error)), PRUNED), X)
    nan = Form(name="dense", after="", predict=lambda inputs: {"y": BASE * np.nan})
    with pytest.raises(UsageError, match="nothing to count from"):
        waterfall((nan, PRUNED), X)


def test_scores_are_those_of_each_form_against_the_targets() -> None:
    targets = BASE + np.array([0.0, 5.0])
    found = waterfall((DENSE, HALF_OF_DENSE), X, targets=targets, names=("wear", "heat"))
    assert found.outputs == ("wear", "heat")
    dense, half = (step.scores for step in found.steps)
    assert dense[0].r2 == 1
    assert dense[1].rmse == pytest.approx(5)
    assert half[1].rmse == pytest.approx(4)
    assert dense[1].r2 == pytest.approx(1 - 25 / np.var(BASE[:, 1]))


HALF_OF_DENSE = Form(name="fp16", after="dense", predict=gives(0, 1))


def test_a_target_that_does_not_vary_has_no_r2() -> None:
    targets = np.ones((5, 2))
    assert waterfall((DENSE,), X, targets=targets).steps[0].scores[0].r2 is None


@pytest.mark.parametrize(
    ("forms", "words"),
    [
        ((), "no form to run"),
        ((DENSE, DENSE), "two forms are called 'dense'"),
        ((DENSE, HALF), "comes after 'pruned', which is not before it"),
        ((DENSE, Form(name="x", after="", predict=gives(0, 0))), "comes after nothing"),
    ],
)
def test_forms_out_of_order_are_refused(forms: tuple[Form, ...], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        waterfall(forms, X)


def test_names_and_targets_must_fit_the_channels() -> None:
    with pytest.raises(
        UsageError, match=r"1 names of targets were given .wear., but the model has"
    ):
        waterfall((DENSE,), X, names=("wear",))
    with pytest.raises(UsageError, match=r"shape \[5, 1\], expected \[5, 2\]"):
        waterfall((DENSE,), X, targets=BASE[:, :1])


def test_notices_stand_beside_the_figures() -> None:
    form = Form(name="x", after="dense", predict=gives(0, 0), notices=lambda: ("in float32",))
    assert waterfall((DENSE, form), X).steps[1].notices == ("in float32",)
