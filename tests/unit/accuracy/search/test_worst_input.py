"""The worst input in the range of the data."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy.parity import derive_tolerance
from spinn_edge.accuracy.search.space import draw_corners, range_of
from spinn_edge.accuracy.search.worst_input import (
    MARGIN,
    SearchPlan,
    SearchRequest,
    cost_of,
    search_shares,
    search_worst,
    shorten,
)
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import PRECISIONS, OutputTolerance
from spinn_edge.core.proofs import SearchProof
from spinn_edge.core.tensors import TensorSpec
from tests.fakes.runtime import FakeRuntime

PLAN = SearchPlan(random=200, corners=64, steps=400)
SHARES = {"y": np.full(2, 1e-5)}


def model(inputs):
    """Two outputs of three inputs whose ranges lie far apart."""
    a, b, c = inputs["x"].astype(np.float64).T
    return {"y": np.stack([a + b / 100 - c, a * c], axis=1)}


def in_float32(inputs):
    return {"y": model(inputs)["y"].astype(np.float32)}


@pytest.fixture
def golden():
    generator = np.random.default_rng(0)
    x = (generator.uniform(0, 1, (40, 3)) * [1, 100, 2] + [0, -50, 0]).astype(np.float32)
    return Golden(inputs={"x": x}, outputs=model({"x": x}))


def search(golden, compute, plan=PLAN, exact=model, eager=in_float32, batch=32, shares=SHARES):
    runtime = FakeRuntime(compute)
    limits = derive_tolerance(golden.outputs, eager(golden.inputs))
    request = SearchRequest(exact=exact, eager=eager, plan=plan)
    return search_worst(runtime, request, golden, limits, shares, batch)


def flipped_where(condition):
    def compute(inputs):
        y = in_float32(inputs)["y"]
        return {"y": np.where(condition(inputs["x"])[:, None], -y, y)}

    return compute


# Ranges and corners


def test_samples_of_the_range_stay_in_it_and_reach_its_ends(golden):
    space = range_of(golden.inputs)
    points = np.random.default_rng(0).random((500, 3))
    points[0], points[1] = 0.0, 1.0
    x = space.samples(points)["x"]
    low, high = golden.inputs["x"].min(axis=0), golden.inputs["x"].max(axis=0)
    assert x.dtype == np.float32
    assert (x >= low).all()
    assert (x <= high).all()
    np.testing.assert_array_equal(x[:2], [low, high])
    assert np.ptp(x, axis=0) == pytest.approx(high - low)


def test_samples_and_points_are_each_others_inverse_over_several_inputs():
    inputs: dict[str, Any] = {
        "a": np.array([[[0.0, 10.0]], [[4.0, 30.0]], [[1.0, 20.0]]], np.float32),
        "n": np.array([0, 10, 5], np.int64),
    }
    space = range_of(inputs)
    assert space.features == 3
    back = space.samples(space.points(inputs))
    for name, array in inputs.items():
        assert back[name].dtype == array.dtype
        np.testing.assert_allclose(back[name], array)
    whole = space.samples(np.full((1, 3), 0.34))["n"]
    assert whole.tolist() == [3]


def test_a_feature_that_never_varies_stays_where_it_is():
    inputs = {"x": np.array([[1.0, 7.0], [2.0, 7.0]], np.float32)}
    space = range_of(inputs)
    assert space.free.tolist() == [0]
    corners = draw_corners(space, inputs, 100, np.random.default_rng(0))
    assert space.samples(corners)["x"].tolist() == [[1.0, 7.0], [2.0, 7.0]]


def test_few_features_have_every_corner(golden):
    corners = draw_corners(range_of(golden.inputs), golden.inputs, 1024, np.random.default_rng(0))
    assert sorted(map(tuple, corners)) == sorted(
        (float(a), float(b), float(c)) for a in (0, 1) for b in (0, 1) for c in (0, 1)
    )


def test_many_features_have_both_ends_the_corners_near_data_and_no_corner_twice():
    inputs = {"x": np.random.default_rng(1).standard_normal((20, 30)).astype(np.float32)}
    space = range_of(inputs)
    corners = draw_corners(space, inputs, 100, np.random.default_rng(0))
    assert corners.shape == (100, 30)
    assert set(np.unique(corners)) == {0.0, 1.0}
    rows = {tuple(row) for row in corners}
    assert len(rows) == 100
    assert {(0.0,) * 30, (1.0,) * 30} <= rows
    assert {tuple(row) for row in np.rint(space.points(inputs))} <= rows


# The search


def test_a_right_form_passes_and_the_worst_input_is_told(golden):
    found = search(golden, in_float32)
    assert found.passed
    assert (found.random, found.corners, found.steps) == (200, 8, 400)
    assert found.evaluations == 608
    assert found.left_out == 0
    assert 0 < found.max_abs < found.tolerance
    assert len(found.sample["x"]) == 3


def test_the_same_seed_finds_the_same_input_and_another_one_others(golden):
    first, second = search(golden, in_float32), search(golden, in_float32)
    assert first == second
    other = SearchPlan(random=200, corners=64, steps=400, seed=1)
    assert search(golden, in_float32, other).sample != first.sample


@pytest.mark.parametrize("signs", [(1, 1, 1), (0, 0, 0), (1, 0, 1)])
def test_a_sign_flip_in_one_corner_is_found_there(golden, signs):
    low, high = golden.inputs["x"].min(axis=0), golden.inputs["x"].max(axis=0)
    width = high - low

    def in_corner(x):
        near = np.where(np.array(signs, bool), x > high - 0.02 * width, x < low + 0.02 * width)
        return near.all(axis=1)

    assert not in_corner(golden.inputs["x"]).any()
    found = search(golden, flipped_where(in_corner))
    assert not found.passed
    assert in_corner(np.array([found.sample["x"]], np.float32)).all()
    assert "differs by" in found.reason
    assert "of the data's range: x = [" in found.reason


def test_the_search_goes_uphill_where_neither_chance_nor_corners_hit(golden):
    """A bump that grows towards a point inside, and breaks the limit only right at its top."""
    low, high = golden.inputs["x"].min(axis=0), golden.inputs["x"].max(axis=0)
    top = low + (high - low) * np.array([0.31, 0.77, 0.52])

    def bump(inputs):
        away = np.abs((inputs["x"] - top) / (high - low)).max(axis=1)
        y = model(inputs)["y"]
        return {"y": y + np.maximum(0, 0.3 - away)[:, None] * 5.5e-5}

    assert search(golden, bump, SearchPlan(random=200, corners=64, steps=0)).passed
    found = search(golden, bump, SearchPlan(random=200, corners=64, steps=2000))
    assert not found.passed
    assert found.found_by == "search"
    np.testing.assert_allclose(
        (np.array(found.sample["x"]) - low) / (high - low), [0.31, 0.77, 0.52], atol=0.05
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_nan_and_inf_outweigh_any_difference(golden, value):
    def compute(inputs):
        y = in_float32(inputs)["y"] + 1.0
        y[(inputs["x"][:, 0] > 0.9), 1] = value
        return {"y": y}

    found = search(golden, compute)
    assert not found.passed
    assert "holds NaN or Inf where the model does not" in found.reason
    assert (found.output, found.channel, found.max_abs) == ("y", 1, None)
    assert found.sample["x"][0] > 0.9


def test_samples_for_which_the_model_itself_is_undefined_are_left_out_and_counted(golden):
    def undefined(inputs):
        y = model(inputs)["y"]
        y[inputs["x"][:, 0] > 0.5] = np.nan
        return {"y": y}

    golden = Golden(inputs=golden.inputs, outputs=model(golden.inputs))
    limits = derive_tolerance(golden.outputs, golden.outputs)
    request = SearchRequest(exact=undefined, eager=undefined, plan=PLAN)
    found = search_worst(FakeRuntime(in_float32), request, golden, limits, SHARES, 32)
    assert found.passed
    assert 100 < found.left_out < found.evaluations
    nowhere = SearchRequest(
        exact=lambda inputs: {"y": model(inputs)["y"] * np.nan}, eager=model, plan=PLAN
    )
    found = search_worst(FakeRuntime(in_float32), nowhere, golden, limits, SHARES, 32)
    assert found.reason is not None
    assert "the model itself gives NaN or Inf on every sample" in found.reason


def test_eagers_own_error_at_an_input_is_allowed_there(golden):
    """Where float32 itself is off, a form may be off as far."""

    def off(inputs):
        y = model(inputs)["y"]
        return {"y": y + 1e-2 * (inputs["x"][:, :1] > 0.95)}

    inside = golden.inputs["x"][:, 0] <= 0.95
    golden = Golden(
        inputs={"x": golden.inputs["x"][inside]},
        outputs={"y": golden.outputs["y"][inside]},
    )
    golden.inputs["x"][0, 0] = 1.0  # the range reaches where eager is off
    golden.outputs["y"][0] = model({"x": golden.inputs["x"][:1]})["y"][0]
    limits = derive_tolerance(golden.outputs, golden.outputs)
    request = SearchRequest(exact=model, eager=off, plan=PLAN)
    assert search_worst(FakeRuntime(off), request, golden, limits, SHARES, 32).passed
    strict = SearchRequest(exact=model, eager=in_float32, plan=PLAN)
    assert not search_worst(FakeRuntime(off), strict, golden, limits, SHARES, 32).passed


def test_a_limit_is_a_share_of_the_larger_of_golden_scale_and_the_output_itself():
    x = np.array([[0.0], [1.0], [2.0], [10.0]], np.float32)
    golden = Golden(inputs={"x": x}, outputs={"y": np.ones((4, 1))})  # scale 1

    def steep(inputs):
        return {"y": inputs["x"].astype(np.float64) * 1000}

    limits = derive_tolerance(golden.outputs, golden.outputs)
    request = SearchRequest(exact=steep, eager=steep, plan=PLAN)

    def off(inputs):
        return {"y": steep(inputs)["y"] * (1 + 1e-3)}

    shares = {"y": np.array([2e-3])}
    assert search_worst(FakeRuntime(off), request, golden, limits, shares, 8).passed
    shares = {"y": np.array([0.5e-3])}
    found = search_worst(FakeRuntime(off), request, golden, limits, shares, 8)
    assert not found.passed
    assert found.sample["x"][0] > 1


def test_every_call_has_the_size_that_was_asked_for(golden):
    sizes = set()

    def compute(inputs):
        sizes.add(len(inputs["x"]))
        return in_float32(inputs)

    assert search(golden, compute, SearchPlan(random=50, corners=8, steps=70), batch=16).passed
    assert sizes == {16}


def test_data_of_one_sample_spans_no_range_and_is_searched_once():
    x = np.ones((1, 3), np.float32)
    golden = Golden(inputs={"x": x}, outputs=model({"x": x}))
    found = search(golden, in_float32)
    assert found.passed
    assert (found.corners, found.steps) == (1, 0)


# Plans and reports


def test_a_large_model_gets_fewer_samples_of_every_kind():
    plan = SearchPlan(random=1000, corners=1000, steps=2000, most_flops=1e9)
    assert plan.for_model(None) == plan
    assert plan.for_model(1000) == plan
    few = plan.for_model(10**6)
    assert (few.random, few.corners, few.steps) == (250, 250, 500)
    least = plan.for_model(10**12)
    assert (least.random, least.corners, least.steps) == (32, 32, 32)
    none = SearchPlan(random=8, corners=8, steps=0).for_model(10**15)
    assert (none.random, none.corners, none.steps) == (8, 8, 0)


def test_what_was_found_is_json_and_comes_back(golden):
    found = search(golden, flipped_where(lambda x: x[:, 0] > 0.5))
    text = json.dumps(encode(found), allow_nan=False)
    assert decode(SearchProof, json.loads(text), where="test") == found


def test_a_long_sample_is_left_out_of_a_report_and_cut_in_words():
    x = np.random.default_rng(0).standard_normal((4, 5000)).astype(np.float32)

    def first(inputs):
        return {"y": inputs["x"][:, :2].astype(np.float64)}

    golden = Golden(inputs={"x": x}, outputs=first({"x": x}))
    plan = SearchPlan(random=4, corners=4, steps=4)
    found = search(golden, first, plan, exact=first, eager=first)
    assert found.sample == {}
    assert shorten({"x": [1.0, 2.0, 3.0], "n": 4}, most=2) == "x = [1, 2, …], n = [4]"


def test_low_precisions_get_room_for_rounding_that_adds_up_and_limits_by_hand_none():
    limit = OutputTolerance(scale=(1.0, 2.0), eager_error=(0.0, 0.0), tolerance=(1e-5, 2e-5))
    none, second = {"y": np.full(2, np.nan)}, {"y": np.array([np.nan, 1e-3])}
    for precision, expected in (("fp32", 1e-5), ("fp16", 1e-2)):
        shares = search_shares({"y": limit}, precision, none)["y"]
        np.testing.assert_allclose(shares, [expected, expected])
        shares = search_shares({"y": limit}, precision, second)["y"]
        np.testing.assert_allclose(shares, [expected, 1e-3])
    assert set(MARGIN) == set(PRECISIONS)


def test_what_a_sample_costs_is_bounded_where_it_was_not_counted(tiny_bundle):
    manifest = tiny_bundle.manifest
    assert cost_of(manifest) == manifest.flops_per_sample
    uncounted = replace(manifest, flops_per_sample=None, parameters=1000)
    assert cost_of(uncounted) == 2000
    images = (TensorSpec("x", (None, 3, 8, 4), np.dtype(np.float32)),)
    assert cost_of(replace(uncounted, inputs=images)) == 64000
    assert cost_of(replace(uncounted, parameters=None)) is None
