"""What kind of fault it is."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_edge.accuracy.diagnosis import LEAST_SAMPLES, explain_difference

GENERATOR = np.random.default_rng(0)
REFERENCE = {
    "a": GENERATOR.standard_normal((20, 3)),
    "b": GENERATOR.standard_normal((20, 3)),
    "c": GENERATOR.standard_normal(20),
}
LIMITS = {"a": np.full(3, 1e-4), "b": np.full(3, 1e-4), "c": np.full(1, 1e-4)}


def explain(reference=REFERENCE, **changed):
    noise = 1e-6 * GENERATOR.standard_normal(reference["a"].shape)
    return explain_difference(
        {**reference, "a": reference["a"] + noise, **changed}, REFERENCE, LIMITS
    )


def channel(number, change):
    a = REFERENCE["a"].copy()
    a[:, number] = change(a[:, number])
    return {"a": a}


def test_nothing_is_said_of_what_is_right():
    assert explain() == ""


def test_swapped_outputs_are_named():
    assert explain(a=REFERENCE["b"], b=REFERENCE["a"]) == "outputs 'a' and 'b' are swapped"


def test_swapped_channels_are_named():
    a = REFERENCE["a"][:, [2, 1, 0]]
    assert explain(a=a) == "channels 0 and 2 of output 'a' are swapped"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda v: 0 * v, "is 0 in every sample"),
        (lambda v: 0 * v + 2.5, "is 2.5 in every sample"),
        (lambda v: -v, "has its sign flipped in every sample"),
        (lambda v: 1.001 * v, "is 1.001 times the reference in every sample"),
        (lambda v: 1.5 * v - 3, "is 1.5 times the reference, plus -3"),
    ],
)
def test_a_channel_that_is_wrong_as_a_whole_is_named_with_what_it_is(change, words):
    assert explain(**channel(1, change)) == f"channel 1 of output 'a' {words}"


def test_a_one_dimensional_output_is_a_channel():
    assert explain(c=-REFERENCE["c"]) == (
        "channel 0 of output 'c' has its sign flipped in every sample"
    )


def test_what_lies_behind_the_second_axis_counts_as_samples():
    reference = {"a": GENERATOR.standard_normal((4, 2, 5))}
    wrong = reference["a"].copy()
    wrong[:, 1] *= 2
    words = explain_difference({"a": wrong}, reference, {"a": np.full(2, 1e-4)})
    assert words == "channel 1 of output 'a' is 2 times the reference in every sample"


@pytest.mark.parametrize(
    "change",
    [
        lambda v: v + GENERATOR.standard_normal(20),
        lambda v: np.where(np.arange(20) == 3, v + 1, v),
        lambda v: v**3,
    ],
    ids=["noise", "one sample", "cubed"],
)
def test_what_no_known_kind_explains_is_left_unsaid(change):
    assert explain(**channel(0, change)) == ""


def test_few_samples_and_flat_channels_explain_nothing():
    few = {name: array[: LEAST_SAMPLES - 1] for name, array in REFERENCE.items()}
    assert explain_difference({**few, "a": -few["a"]}, few, LIMITS) == ""
    flat = {"a": np.full((20, 3), 7.0)}
    assert explain_difference({"a": flat["a"] * 2}, flat, {"a": LIMITS["a"]}) == ""


def test_what_cannot_be_compared_is_left_to_others():
    missing = {name: array for name, array in REFERENCE.items() if name != "a"}
    assert explain_difference(missing, REFERENCE, LIMITS) == ""
    assert explain(a=REFERENCE["a"][:, :2]) == ""
    assert explain(a=REFERENCE["a"] * np.nan) == ""
