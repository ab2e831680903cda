import contextlib

import numpy as np
import pytest

from spinn_edge.accuracy.search.worst_input import SearchPlan, SearchRequest
from spinn_edge.core.errors import ExportError, InferenceError, RuntimeUnavailableError
from spinn_edge.export.proof import prove
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import RuntimeFacts
from tests.fakes.runtime import ENTRY, FakeRuntime, double, doubling_bundle

CORNER = 0.6  # golden inputs are normal noise: not one of eight has all three above it
SCALE = 1.0  # of the bundle's outputs, so 1e-5 is allowed


@pytest.fixture
def opened():
    """The runtimes that were opened."""
    return []


@pytest.fixture
def prove_with(tmp_path, monkeypatch, opened):
    """Prove the doubling bundle on a runtime that computes what it is told to."""
    bundle = doubling_bundle(tmp_path / "bundle")
    golden = bundle.golden()

    def prove_with(compute, precision="fp32", search=None, **facts):
        monkeypatch.setitem(registry.RUNTIMES, "fake", ENTRY)

        def open_fake(bundle, options):
            assert options.precision == precision
            assert options.on_mismatch == "error"  # a stand-in would prove nothing
            assert options.trust_engine_code  # it was built a moment ago
            opened.append(FakeRuntime(compute))
            opened[-1].facts = RuntimeFacts(**facts)
            return opened[-1]

        monkeypatch.setattr("tests.fakes.runtime.open_fake", open_fake)
        eager = double({"x": golden.inputs["x"]})
        return prove(bundle, "fake", golden, eager, precision, search)

    return prove_with


def test_every_size_is_proved(prove_with):
    points = prove_with(double).points
    assert [point.batch for point in points] == [1, 2, 7, 8]
    assert all((point.max_abs, point.output) == (0, "y") for point in points)
    assert all(point.tolerance == pytest.approx(1e-5 * SCALE) for point in points)


def test_what_was_measured_is_written_down(prove_with):
    points = prove_with(lambda feeds: {"y": 2 * feeds["x"].astype(np.float64) + 5e-6}).points
    assert all(point.max_abs == pytest.approx(5e-6, rel=1e-3) for point in points)


def off_by(amount):
    return lambda feeds: {"y": 2 * feeds["x"].astype(np.float64) + amount}


def test_fp16_may_differ_by_its_own_share_of_the_scale(prove_with):
    points = prove_with(off_by(4e-3), "fp16").points
    assert all(point.tolerance == pytest.approx(5e-3 * SCALE) for point in points)
    with pytest.raises(ExportError, match="fake in fp16 was exported but differs"):
        prove_with(off_by(6e-3), "fp16")


def test_tf32_is_as_coarse_as_fp16(prove_with):
    assert prove_with(off_by(4e-3), tf32=True)
    with pytest.raises(ExportError):
        prove_with(off_by(4e-3), tf32=False)


def test_a_file_that_serves_fewer_sizes_is_proved_at_those(prove_with):
    def up_to_five(feeds):
        if len(feeds["x"]) > 5:
            raise InferenceError("batch 6 is outside the profile 2 to 5")
        return double(feeds)

    proof = prove_with(up_to_five, min_batch=2, max_batch=5)
    assert [point.batch for point in proof.points] == [2, 5]
    assert (proof.batch.beyond, proof.batch.beyond_refused) == (6, True)


def test_a_bounded_file_that_takes_one_sample_more_is_refused(prove_with):
    with pytest.raises(ExportError, match="batch 6 was taken though the largest is 5"):
        prove_with(double, min_batch=2, max_batch=5)


def test_a_file_without_bounds_must_be_right_beyond_the_largest_batch(prove_with):
    def off(feeds):
        y = double(feeds)["y"]
        return {"y": y + (len(y) == 9)}

    with pytest.raises(ExportError, match=r"fake was exported but batch 9: .* differs by 1"):
        prove_with(off)


def test_a_row_that_depends_on_its_batch_is_refused_though_each_is_within_its_limit(prove_with):
    def off(feeds):
        y = 2 * feeds["x"].astype(np.float64)
        return {"y": y + (6e-6 if len(y) == 7 else -6e-6)}

    with pytest.raises(ExportError, match="row 0 comes out differently in a batch of 7 than alone"):
        prove_with(off)


def search_of(exact):
    plan = SearchPlan(random=64, corners=64, steps=64)
    return SearchRequest(exact=exact, eager=exact, plan=plan)


def twice(inputs):
    return {"y": 2 * inputs["x"].astype(np.float64)}


def wrong_in_a_corner(feeds):
    y, x = 2 * feeds["x"], feeds["x"]
    corner = (x > CORNER).all(axis=1)
    return {"y": np.where(corner[:, None], -y, y)}


def test_a_corner_that_golden_inputs_do_not_reach_is_refused(prove_with):
    assert prove_with(wrong_in_a_corner).search is None
    words = "beyond the golden inputs: output 'y' .*, 1 of 8 corners"
    with pytest.raises(ExportError, match=words) as got:
        prove_with(wrong_in_a_corner, search=search_of(twice))
    assert "x = [" in str(got.value)
    found = prove_with(double, search=search_of(twice)).search
    assert (found.passed, found.random, found.steps) == (True, 64, 64)


def test_the_corners_of_int8_are_for_verify(prove_with):
    assert prove_with(wrong_in_a_corner, "int8", search=search_of(twice)).search is None


def test_more_than_the_limit_is_refused_with_the_channel_and_both_numbers(prove_with):
    def off(feeds):
        y = 2 * feeds["x"].astype(np.float64)
        y[:, 1] += 2e-5
        return {"y": y}

    with pytest.raises(ExportError) as caught:
        prove_with(off)
    message = str(caught.value)
    assert "fake was exported but differs from eager at batch 1" in message
    assert "channel 1 differs by 2e-05, allowed 1e-05" in message


def test_a_sample_that_is_wrong_only_in_large_batches_is_found(prove_with):
    def off(feeds):
        y = 2 * feeds["x"].astype(np.float64)
        if len(y) == 8:
            y[7] += 1
        return {"y": y}

    with pytest.raises(ExportError, match="at batch 8"):
        prove_with(off)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(prove_with, value):
    with pytest.raises(ExportError, match="NaN or Inf"):
        prove_with(lambda feeds: {"y": np.full_like(feeds["x"], value)})


def test_a_missing_output_is_refused(prove_with):
    with pytest.raises(ExportError, match=r"output 'y' is missing; got \['z'\]"):
        prove_with(lambda feeds: {"z": feeds["x"]})


def test_outputs_of_another_shape_are_refused(prove_with):
    with pytest.raises(ExportError, match="has shape"):
        prove_with(lambda feeds: {"y": 2 * feeds["x"][:1, :2]})


def test_a_size_that_is_refused_is_named(prove_with):
    def only_two(feeds):
        if len(feeds["x"]) != 2:
            raise InferenceError("expected 2 samples")
        return double(feeds)

    with pytest.raises(ExportError, match="does not run at batch 1: expected 2 samples") as caught:
        prove_with(only_two)
    assert "became a constant in the graph" in str(caught.value)


@pytest.mark.parametrize("compute", [double, lambda feeds: {"y": feeds["x"]}], ids=["ok", "off"])
def test_the_runtime_is_closed_whatever_comes_out(prove_with, opened, compute):
    with contextlib.suppress(ExportError):
        prove_with(compute)
    assert opened[-1].calls[-1] == "close"


def test_a_runtime_that_cannot_work_here_proves_nothing(tmp_path):
    bundle = doubling_bundle(tmp_path / "bundle")
    with pytest.raises(RuntimeUnavailableError):
        prove(bundle, "ort-cpu", bundle.golden(), {"y": bundle.golden().outputs["y"]})
