"""Every size, one more, and every row by itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from spinn_edge.accuracy.batch_proof import ROWS_ALONE, describe_served, prove_batches
from spinn_edge.accuracy.golden_check import stale_golden
from spinn_edge.accuracy.runtime_check import check_runtime
from spinn_edge.core.errors import InferenceError
from spinn_edge.core.golden import Golden
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import RuntimeFacts
from tests.fakes.runtime import FakeRuntime, double, doubling_bundle

LIMITS = {"y": np.full(3, 1e-4)}
ALONE = {"y": np.full(3, 1e-5)}
SIZES = (1, 2, 7, 8)


@pytest.fixture
def bundle(tmp_path):
    return doubling_bundle(tmp_path / "bundle")


def prove(bundle, compute, sizes=SIZES, fixed=None, **facts):
    runtime = FakeRuntime(compute)
    runtime.facts = RuntimeFacts(**facts)
    manifest = bundle.manifest
    if fixed:
        inputs = (TensorSpec("x", (fixed, 3), np.dtype(np.float32)),)
        manifest = replace(manifest, inputs=inputs, max_batch=fixed)
    return prove_batches(runtime, bundle.golden(), LIMITS, ALONE, manifest, sizes)


def up_to(most, compute=double):
    def limited(feeds):
        if len(feeds["x"]) > most:
            raise InferenceError(f"batch {len(feeds['x'])} is outside the profile")
        return compute(feeds)

    return limited


def off(by, when):
    """Return a function that is wrong by ``by(batch, row)``."""

    def compute(feeds):
        y = 2 * feeds["x"].astype(np.float64)
        return {"y": y + by * when(len(y))}

    return compute


# One sample more than the largest


def test_a_form_without_bounds_is_right_beyond_the_largest_size(bundle):
    proof = prove(bundle, double)
    assert proof.passed
    assert (proof.batches, proof.beyond, proof.beyond_refused) == ((1, 2, 7, 8, 9), 9, False)
    assert (proof.output, proof.max_abs, proof.tolerance) == ("y", 0.0, 1e-5)


def test_a_form_without_bounds_that_is_wrong_or_fails_beyond_is_found(bundle):
    wrong = prove(bundle, off(1.0, lambda batch: batch == 9))
    assert not wrong.passed
    assert wrong.reason.startswith("batch 9: output 'y' channel 0 differs by 1")
    fails = prove(bundle, up_to(8))
    assert fails.reason == (
        "batch 9, one more than the largest that was proved, does not run: "
        "batch 9 is outside the profile"
    )


def test_a_bounded_form_must_refuse_beyond_its_bound(bundle):
    proof = prove(bundle, up_to(5), (1, 2, 5), max_batch=5)
    assert proof.passed
    assert (proof.batches, proof.beyond, proof.beyond_refused) == ((1, 2, 5), 6, True)
    taken = prove(bundle, double, (1, 2, 5), max_batch=5)
    assert "batch 6 was taken though the largest is 5" in taken.reason


def test_a_file_of_a_fixed_batch_must_refuse_any_other(bundle):
    assert prove(bundle, up_to(4), (4,), fixed=4).passed
    taken = prove(bundle, double, (4,), fixed=4)
    assert "batch 5 was taken though the largest is 4" in taken.reason


def test_refusal_is_an_error_of_ours_and_no_crash(bundle):
    def crash(feeds):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        prove(bundle, crash, (1, 2, 5), max_batch=5)


# Rows alone


@pytest.mark.parametrize("size", [2, 7, 8, 9])
def test_a_row_that_differs_in_one_size_is_found_and_named(bundle, size):
    proof = prove(bundle, off(3e-5, lambda batch: batch == size))
    assert not proof.passed
    assert proof.reason.startswith(f"row 0 comes out differently in a batch of {size} than alone")
    assert "its result depends on the samples beside it" in proof.reason


def test_the_last_row_is_looked_at_and_its_number_said(bundle):
    proof = prove(bundle, off(1.0, lambda batch: (batch == 7) * (np.arange(batch)[:, None] == 6)))
    assert proof.reason.startswith("row 6 comes out differently in a batch of 7 than alone")


def test_the_rounding_of_other_kernels_is_allowed_and_told(bundle):
    proof = prove(bundle, off(4e-6, lambda batch: batch > 1))
    assert proof.passed
    assert proof.max_abs == pytest.approx(4e-6)


def test_a_form_that_takes_no_single_sample_is_compared_with_its_smallest_batch(bundle):
    sizes = []

    def compute(feeds):
        sizes.append(len(feeds["x"]))
        return double(feeds)

    assert prove(bundle, compute, (2, 8), min_batch=2).passed
    assert set(sizes) == {2, 8, 9}


def test_rows_of_a_fixed_batch_are_compared_in_other_places(bundle):
    """A form of one size: a row must come out alike as the first and as the third."""
    proof = prove(bundle, up_to(4), (4,), fixed=4)
    assert (proof.passed, proof.max_abs) == (True, 0.0)

    def by_place(feeds):
        return {"y": double(feeds)["y"] + 3e-5 * (np.arange(len(feeds["x"]))[:, None] == 2)}

    proof = prove(bundle, up_to(4, by_place), (4,), fixed=4)
    assert proof.reason is not None
    assert proof.reason.startswith(
        "row 2 comes out differently in a batch of 4 than as the first of 4"
    )


def test_rows_alone_are_bounded_in_number(bundle):
    golden = bundle.golden().at_batch(200)
    runtime = FakeRuntime(double)
    manifest = replace(bundle.manifest, max_batch=200)
    prove_batches(runtime, golden, LIMITS, ALONE, manifest, (1, 200))
    assert runtime.runs <= 1 + 2 + 2 * ROWS_ALONE


# Which sizes are served


@pytest.mark.parametrize(
    ("served", "words"),
    [
        (lambda n: True, ""),
        (lambda n: n == 6, "it holds a fixed batch of 6 inside"),
        (lambda n: n % 2 == 0, "it serves multiples of 2 only: a batch of 2 is fixed inside"),
        (lambda n: n in (2, 3), "of the batch sizes 1 to 64 it serves only 2, 3"),
        (lambda n: n not in (7, 8), "of the batch sizes 1 to 64 it refuses 7, 8"),
        (lambda n: n < 20, "of the batch sizes 1 to 64 it serves only 1, 2, 3, 4, 5, 6, 7, 8 …"),
        (lambda n: False, "it serves none of the batch sizes 1 to 64"),
    ],
)
def test_the_sizes_that_a_broken_form_serves_are_found_by_trying(bundle, served, words):
    def compute(feeds):
        if not served(len(feeds["x"])):
            raise InferenceError("cannot be reshaped")
        return double(feeds)

    assert describe_served(FakeRuntime(compute), bundle.golden(), bundle.manifest) == words


def test_outputs_of_another_number_of_samples_do_not_count_as_served(bundle):
    def six(feeds):
        return {"y": np.zeros((6, 3), np.float32)}

    words = describe_served(FakeRuntime(six), bundle.golden(), bundle.manifest)
    assert words == "it holds a fixed batch of 6 inside"


def test_a_check_names_the_size_that_is_baked_in(bundle):
    def six(feeds):
        if len(feeds["x"]) != 6:
            raise InferenceError("cannot be reshaped to {6,3}")
        return double(feeds)

    done = check_runtime(bundle.manifest, bundle.golden(), "fake", "fp32", FakeRuntime(six))
    assert [check.passed for check in done.checks] == [False] * 4
    assert done.checks[0].reason == (
        "it holds a fixed batch of 6 inside (cannot be reshaped to {6,3})"
    )
    assert (done.batch, done.search) == (None, None)


# Stale golden vectors


def test_golden_vectors_of_this_manifest_are_not_stale(tiny_bundle):
    assert stale_golden(tiny_bundle.manifest, tiny_bundle.golden()) is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda y: {"output": y * 1.0001}, "the largest magnitude of output 'output' channel 0 is"),
        (lambda y: {"output": y[:, :1]}, "output 'output' has 1 channels in it and 2 in the"),
        (lambda y: {"other": y}, "it holds outputs ['other'], the manifest has limits for"),
    ],
)
def test_golden_vectors_of_another_model_are_stale(tiny_bundle, change, words):
    golden = tiny_bundle.golden()
    other = Golden(inputs=golden.inputs, outputs=change(golden.outputs["output"]))
    reason = stale_golden(tiny_bundle.manifest, other)
    assert reason is not None
    assert reason.startswith("golden.npz is stale: ")
    assert words in reason
    assert "export the model again" in reason
