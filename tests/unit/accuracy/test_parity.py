from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.accuracy.parity import LIMITS as SHARES
from spinn_edge.accuracy.parity import (
    Parity,
    against_eager,
    against_reference,
    channel_max,
    compare,
    derive_tolerance,
)
from spinn_edge.core.manifest import ProofPoint

REFERENCE = {"y": np.array([[1.0, 1000.0], [-2.0, 500.0], [0.5, -100.0]])}
LIMITS = {"y": np.array([2e-5, 1e-2])}


def outputs(**changes: Any) -> dict[str, Any]:
    return {"y": REFERENCE["y"].astype(np.float32)} | changes


def changed(row: int, channel: int, value: float) -> dict[str, Any]:
    array = REFERENCE["y"].copy()
    array[row, channel] = value
    return {"y": array}


def failed(outputs: dict[str, Any], limits: Any = LIMITS, reference: Any = REFERENCE) -> str:
    verdict = compare(outputs, reference, limits)
    assert not verdict.passed
    assert verdict.reason is not None
    return verdict.reason


# What passes


def test_equal_outputs_pass_and_say_by_how_much() -> None:
    verdict = compare(changed(1, 1, 500.004), REFERENCE, LIMITS)

    assert verdict.passed
    assert verdict.reason is None
    assert verdict.output == "y"
    assert verdict.max_abs == pytest.approx(0.004)
    assert verdict.tolerance == 1e-2
    assert verdict.used_share == pytest.approx(0.4)


def test_bitwise_equal_outputs_use_nothing_of_the_tolerance() -> None:
    verdict = compare(REFERENCE, REFERENCE, LIMITS)

    assert (verdict.passed, verdict.max_abs, verdict.used_share) == (True, 0.0, 0.0)


def test_difference_at_the_limit_passes_and_above_it_fails() -> None:
    reference, limits = {"y": np.array([[4.0]])}, {"y": np.array([0.5])}

    assert compare({"y": np.array([[4.5]])}, reference, limits).passed
    assert not compare({"y": np.array([[np.nextafter(4.5, 9)]])}, reference, limits).passed


def test_output_nobody_asked_for_is_ignored() -> None:
    assert compare(outputs(hidden=np.array([np.nan])), REFERENCE, LIMITS).passed


def test_integer_and_one_dimensional_outputs_are_compared() -> None:
    reference = {"class": np.array([3.0, 1.0, 2.0])}

    assert compare({"class": np.array([3, 1, 2])}, reference, {"class": np.array([0.5])}).passed
    assert not compare({"class": np.array([3, 2, 2])}, reference, {"class": np.array([0.5])}).passed


# What fails


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(("row", "channel"), [(0, 0), (2, 1)])
def test_nan_output_fails_parity(value: float, row: int, channel: int) -> None:
    reason = failed(changed(row, channel, value))

    assert reason == f"output 'y' holds NaN or Inf, first in sample {row}"


@pytest.mark.parametrize("shape", [(3,), (3, 1), (2, 2), (3, 2, 1), (6,)])
def test_wrong_shape_fails_parity_even_where_it_would_broadcast(shape: tuple[int, ...]) -> None:
    reason = failed({"y": np.zeros(shape)})

    assert reason == f"output 'y' has shape {list(shape)}, expected [3, 2]"


def test_missing_output_fails_parity() -> None:
    assert failed({"z": REFERENCE["y"]}) == "output 'y' is missing; got ['z']"


def test_nothing_to_compare_with_fails_parity() -> None:
    assert failed(outputs(), reference={}) == "there is no reference output to compare with"


def test_destroyed_small_channel_fails_though_a_large_one_hides_it_in_any_norm() -> None:
    random = np.random.default_rng(0)
    reference = {"y": random.standard_normal((100, 2)) * [1e-3, 1e3]}
    eager = {"y": reference["y"].astype(np.float32)}
    limits = against_eager(derive_tolerance(reference, eager))
    broken = reference["y"].copy()
    broken[:, 0] = 0.0

    difference = np.linalg.norm(broken - reference["y"])
    assert difference / np.linalg.norm(reference["y"]) < SHARES["fp32"]
    reason = failed({"y": broken}, limits, reference)

    assert "output 'y' channel 0 differs by" in reason
    assert "allowed" in reason


def test_one_broken_output_of_two_fails_wherever_it_stands() -> None:
    reference = {"a": np.ones((2, 1)), "b": np.ones((2, 1))}
    limits = {"a": np.array([0.1]), "b": np.array([0.1])}

    for name in reference:
        broken = reference | {name: np.full((2, 1), 2.0)}
        verdict = compare(broken, reference, limits)
        assert (verdict.passed, verdict.output) == (False, name)


def test_channel_that_may_not_differ_does_not_hide_another_one() -> None:
    reference = {"a": np.zeros((2, 1)), "b": np.ones((2, 2))}
    limits = {"a": np.array([0.0]), "b": np.array([0.0, 0.1])}
    broken = {"a": np.zeros((2, 1)), "b": np.array([[1.0, 1.5], [1.0, 1.0]])}

    assert failed(broken, limits, reference) == "output 'b' channel 1 differs by 0.5, allowed 0.1"


def test_any_difference_fails_where_none_is_allowed() -> None:
    verdict = compare({"y": np.array([[1e-30]])}, {"y": np.array([[0.0]])}, {"y": np.array([0.0])})

    assert not verdict.passed
    assert verdict.used_share == np.inf


@pytest.mark.parametrize("limit", [1e-300, 0.1, 1.0, 1.9999999999999998, 3e7])
def test_channel_at_its_limit_does_not_hide_one_just_above(limit: float) -> None:
    reference = {"y": np.zeros((1, 2))}
    broken = {"y": np.array([[limit, np.nextafter(limit, np.inf)]])}

    assert "channel 1 differs" in failed(broken, {"y": np.full(2, limit)}, reference)


def test_reference_of_nan_proves_nothing() -> None:
    reference = {"a": np.ones((2, 1)), "y": np.array([[np.nan], [1.0]])}
    limits = {"a": np.array([0.1]), "y": np.array([0.1])}

    reason = failed({"a": np.ones((2, 1)), "y": np.ones((2, 1))}, limits, reference)

    assert reason == "the reference of output 'y' holds NaN or Inf; export the model again"


@pytest.mark.parametrize(
    "limits", [{}, {"y": np.array([1.0])}, {"y": np.array([1.0, np.nan])}, {"z": np.ones(2)}]
)
def test_channel_without_a_tolerance_fails_parity(limits: Any) -> None:
    assert "has no tolerance for each channel; export the model" in failed(outputs(), limits)


@given(
    st.lists(st.floats(0, 10), min_size=3, max_size=3),
    st.lists(st.floats(0, 10), min_size=3, max_size=3),
)
def test_verdict_is_that_of_every_channel_by_itself(
    differences: list[float], limits: list[float]
) -> None:
    reference = {"y": np.zeros((1, 3))}

    verdict = compare({"y": np.array([differences])}, reference, {"y": np.array(limits)})

    assert verdict.passed == all(d <= limit for d, limit in zip(differences, limits, strict=True))
    assert (verdict.reason is None) == verdict.passed


# Channels and tolerances


def test_channel_max_reduces_all_axes_but_the_second() -> None:
    values = np.arange(24.0).reshape(2, 3, 4) - 20

    assert channel_max(values).tolist() == [20.0, 16.0, 12.0]
    assert channel_max(np.array([1.0, -7.0])).tolist() == [7.0]


def test_tolerance_is_a_share_of_the_channel_plus_the_error_of_eager() -> None:
    eager = {"y": REFERENCE["y"] + [[0.0, 0.25], [0.0, 0.0], [-0.125, 0.0]]}

    limit = derive_tolerance(REFERENCE, eager)["y"]

    assert limit.scale == (2.0, 1000.0)
    assert limit.eager_error == (0.125, 0.25)
    assert limit.tolerance == pytest.approx((2e-5 + 0.125, 1e-2 + 0.25))
    assert against_eager({"y": limit})["y"].tolist() == pytest.approx([2e-5, 1e-2])
    assert against_reference({"y": limit})["y"].tolist() == list(limit.tolerance)


def test_channel_of_zeros_takes_the_scale_of_the_output() -> None:
    reference = {"y": np.array([[0.0, 50.0]]), "z": np.zeros((1, 2))}

    limits = derive_tolerance(reference, reference)

    assert limits["y"].scale == (50.0, 50.0)
    assert limits["z"].scale == (1.0, 1.0)


def test_eager_itself_always_passes_against_the_reference() -> None:
    random = np.random.default_rng(0)
    reference = {"y": random.standard_normal((64, 5)) * 10.0 ** np.arange(-2, 3)}
    eager = {"y": reference["y"].astype(np.float32) * np.float32(1 + 1e-4)}
    limits = derive_tolerance(reference, eager)

    assert compare(eager, reference, against_reference(limits)).passed
    assert not compare(eager, reference, against_eager(limits)).passed


def test_passed_comparison_becomes_a_proof_point() -> None:
    verdict = Parity(passed=True, output="y", max_abs=0.25, tolerance=0.5)

    assert verdict.as_proof(7) == ProofPoint(batch=7, output="y", max_abs=0.25, tolerance=0.5)
    assert verdict.used_share == 0.5


def test_comparison_that_could_not_be_made_is_no_proof() -> None:
    verdict = Parity(passed=False, output="y", max_abs=None, tolerance=None, reason="missing")

    assert verdict.used_share == 0.0
    with pytest.raises(AssertionError):
        verdict.as_proof(1)


# Precisions


def test_another_precision_gets_its_share_of_each_channels_scale() -> None:
    exact = {"y": np.array([[1.0, 1000.0], [-2.0, 500.0]])}
    tolerances = derive_tolerance(exact, {"y": exact["y"] + [0.25, 0.5]})

    np.testing.assert_allclose(against_eager(tolerances)["y"], [2e-5, 1e-2])
    np.testing.assert_allclose(against_eager(tolerances, "fp16")["y"], [1e-2, 5.0])
    np.testing.assert_allclose(against_reference(tolerances)["y"], [0.25002, 0.51])
    np.testing.assert_allclose(against_reference(tolerances, "fp16")["y"], [0.26, 5.5])
