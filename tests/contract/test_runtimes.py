"""Every registered runtime obeys one protocol; a new registry line is tested by being there."""

from __future__ import annotations

import numpy as np
import pytest

from spinn_edge.accuracy.parity import against_reference, compare
from spinn_edge.core.errors import (
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.runtimes import open_runtime, registry
from spinn_edge.runtimes.base import OpenOptions, infer
from tests.contract.conftest import MAX_BATCH

SIZES = (1, 2, 7, MAX_BATCH)


def marked(name: str) -> object:
    """Return the name, marked where only a GPU can serve it."""
    on_gpu = "cuda" in name or name.startswith("trt")
    return pytest.param(name, marks=pytest.mark.gpu) if on_gpu else name


@pytest.fixture(scope="module", params=[marked(name) for name in registry.entries()])
def name(request, mlp_bundle):
    """Each runtime that can work here; the others are skipped with their reason."""
    found = registry.probe(request.param)
    if not found.available:
        pytest.skip(f"{request.param}: {found.reason}; {found.install}")
    if not mlp_bundle.manifest.files_of(registry.find(request.param).format):
        pytest.skip(f"{request.param}: no file for the GPU of this machine can be built here")
    return request.param


@pytest.fixture(autouse=True, scope="module")
def fresh_compiler():
    """Compilation limits count over the whole process; start this module without a past."""
    import torch

    torch.compiler.reset()
    yield
    torch.compiler.reset()


@pytest.fixture(scope="module")
def runtime(name, mlp_bundle):
    """One open runtime that the tests of this module share, so that it is compiled once."""
    backend = registry.open_backend(name, mlp_bundle, OpenOptions())
    yield backend
    backend.close()


@pytest.fixture
def fresh(name, mlp_bundle):
    """A runtime that nobody has used."""
    backend = registry.open_backend(name, mlp_bundle, OpenOptions())
    yield backend
    backend.close()


def agrees(runtime, bundle, sample):
    limits = against_reference(bundle.manifest.parity)
    return compare(infer(runtime, sample.inputs), sample.outputs, limits)


# --- right answers


@pytest.mark.parametrize(
    "sizes", [SIZES, SIZES[::-1], (7, 1, MAX_BATCH, 2, 7, 7)], ids=["up", "down", "mixed"]
)
def test_outputs_equal_the_golden_ones_at_any_order_of_batch_sizes(runtime, mlp_bundle, sizes):
    golden = mlp_bundle.golden()
    for batch in sizes:
        parity = agrees(runtime, mlp_bundle, golden.at_batch(batch))
        assert parity.passed, f"batch {batch}: {parity.reason}"


def test_golden_samples_differ_so_that_a_mixed_up_row_would_show(mlp_bundle):
    golden = mlp_bundle.golden()
    rows = golden.outputs["output"]
    limit = max(mlp_bundle.manifest.parity["output"].tolerance)
    for row in range(len(rows)):
        others = np.delete(rows, row, axis=0)
        assert np.abs(others - rows[row]).max(axis=1).min() > 10 * limit


def test_specs_are_those_of_the_manifest(runtime, mlp_bundle):
    assert tuple(runtime.inputs) == mlp_bundle.manifest.inputs
    assert tuple(runtime.outputs) == mlp_bundle.manifest.outputs


def test_outputs_are_float32_arrays_of_the_callers_own(runtime, mlp_bundle):
    outputs = infer(runtime, mlp_bundle.golden().at_batch(2).inputs)
    assert outputs["output"].dtype == np.float32
    assert outputs["output"].flags.owndata
    assert outputs["output"].flags.writeable


def test_the_next_run_does_not_overwrite_fetched_arrays(runtime, mlp_bundle):
    x = mlp_bundle.golden().inputs["input"][:7]
    first = infer(runtime, {"input": x})
    kept = {key: array.copy() for key, array in first.items()}
    second = infer(runtime, {"input": x[::-1].copy()})
    assert not np.array_equal(second["output"], kept["output"])
    np.testing.assert_array_equal(first["output"], kept["output"])


def test_writing_into_fetched_arrays_does_not_change_the_runtime(runtime, mlp_bundle):
    sample = mlp_bundle.golden().at_batch(7)
    infer(runtime, sample.inputs)["output"].fill(np.nan)
    fetched = runtime.fetch()
    limits = against_reference(mlp_bundle.manifest.parity)
    assert compare(fetched, sample.outputs, limits).passed


def test_the_caller_may_change_its_array_after_bind(runtime, mlp_bundle):
    sample = mlp_bundle.golden().at_batch(7)
    mine = {key: array.copy() for key, array in sample.inputs.items()}
    runtime.bind(mine)
    for array in mine.values():
        array.fill(1e6)
    runtime.run()
    runtime.sync()
    limits = against_reference(mlp_bundle.manifest.parity)
    parity = compare(runtime.fetch(), sample.outputs, limits)
    assert parity.passed, parity.reason


def test_inputs_are_left_as_they_were(runtime, mlp_bundle):
    x = mlp_bundle.golden().inputs["input"][:2].copy()
    x.flags.writeable = False
    infer(runtime, {"input": x})  # a write would raise
    np.testing.assert_array_equal(x, mlp_bundle.golden().inputs["input"][:2])


def test_the_last_bind_counts(runtime, mlp_bundle):
    golden = mlp_bundle.golden()
    runtime.bind({"input": golden.inputs["input"][7:9]})
    parity = agrees(runtime, mlp_bundle, golden.at_batch(2))
    assert parity.passed, parity.reason


def test_running_twice_on_one_bind_gives_the_same(runtime, mlp_bundle):
    runtime.bind(mlp_bundle.golden().at_batch(7).inputs)
    results = []
    for _ in range(2):
        runtime.run()
        runtime.sync()
        results.append(runtime.fetch()["output"])
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("layout", ["fortran", "strided", "reversed"])
def test_non_contiguous_input_gives_the_right_answer(runtime, mlp_bundle, layout):
    sample = mlp_bundle.golden().at_batch(7)
    x = sample.inputs["input"]
    if layout == "fortran":
        x = np.asfortranarray(x)
    elif layout == "strided":
        x = np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3]
    else:
        x = x[::-1].copy()[::-1]
    assert not x.flags.c_contiguous
    limits = against_reference(mlp_bundle.manifest.parity)
    parity = compare(infer(runtime, {"input": x}), sample.outputs, limits)
    assert parity.passed, parity.reason


# --- refused feeds


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("feeds", "given", "expected"),
    [
        pytest.param({}, "[]", "'input' missing", id="missing"),
        pytest.param({"inputs": zeros(2, 18)}, "['inputs']", "['input']", id="misnamed"),
        pytest.param({"input": zeros(2, 18), "more": zeros(2)}, "more", "['input']", id="extra"),
        pytest.param({"input": zeros(2, 5)}, "[2, 5]", "[batch, 18]", id="width"),
        pytest.param({"input": zeros(18)}, "[18]", "[batch, 18]", id="rank"),
        pytest.param({"input": zeros(2, 18, 1)}, "[2, 18, 1]", "[batch, 18]", id="high rank"),
        pytest.param({"input": zeros(2, 18, dtype=np.float64)}, "float64", "float32", id="double"),
        pytest.param({"input": zeros(2, 18, dtype=np.int32)}, "int32", "float32", id="int"),
        pytest.param({"input": zeros(0, 18)}, "0 samples", "at least 1", id="empty"),
        pytest.param({"input": [[0.0] * 18]}, "list", "numpy array", id="list"),
    ],
)
def test_feeds_that_do_not_fit_are_refused_with_what_was_given_and_expected(
    runtime, mlp_bundle, feeds, given, expected
):
    with pytest.raises(InferenceError) as caught:
        runtime.bind(feeds)
    assert given in str(caught.value)
    assert expected in str(caught.value)
    assert agrees(runtime, mlp_bundle, mlp_bundle.golden().at_batch(2)).passed


# --- order of calls


def test_run_before_bind_is_refused(fresh):
    with pytest.raises(InferenceError, match="bind"):
        fresh.run()


def test_fetch_before_bind_is_refused(fresh):
    with pytest.raises(InferenceError, match="bind"):
        fresh.fetch()


def test_fetch_between_bind_and_run_is_refused(runtime, mlp_bundle):
    feeds = mlp_bundle.golden().at_batch(2).inputs
    infer(runtime, feeds)
    runtime.bind(feeds)
    with pytest.raises(InferenceError, match="run"):
        runtime.fetch()


def test_trt_on_a_fake_device_refuses_fetch_between_bind_and_run(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    from tests.fakes.trt import FEATURES, Bench

    runtime = Bench(tmp_path).open()
    infer(runtime, {"input": zeros(2, FEATURES)})
    runtime.bind({"input": zeros(2, FEATURES)})
    with pytest.raises(InferenceError, match="nothing has run"):
        runtime.fetch()
    runtime.close()


@pytest.mark.parametrize("call", ["bind", "run", "fetch"])
def test_use_after_close_is_refused(fresh, mlp_bundle, call):
    feeds = mlp_bundle.golden().at_batch(2).inputs
    infer(fresh, feeds)
    fresh.close()
    with pytest.raises(InferenceError, match="close"):
        fresh.bind(feeds) if call == "bind" else getattr(fresh, call)()


def test_closing_twice_does_nothing(fresh, mlp_bundle):
    infer(fresh, mlp_bundle.golden().at_batch(2).inputs)
    fresh.close()
    fresh.close()


def test_closing_an_unused_runtime_does_nothing(fresh):
    fresh.close()


def test_two_open_runtimes_do_not_share_buffers(runtime, fresh, mlp_bundle):
    golden = mlp_bundle.golden()
    runtime.bind(golden.at_batch(2).inputs)
    infer(fresh, {"input": golden.inputs["input"][5:7]})
    runtime.run()
    runtime.sync()
    limits = against_reference(mlp_bundle.manifest.parity)
    assert compare(runtime.fetch(), golden.at_batch(2).outputs, limits).passed


# --- several inputs and outputs


def test_several_inputs_and_outputs_go_by_name(name, two_by_two_bundle):
    sample = two_by_two_bundle.golden().at_batch(7)
    limits = against_reference(two_by_two_bundle.manifest.parity)
    with open_runtime(two_by_two_bundle, runtime=name, trust_factory=True) as model:
        outputs = model({"b": sample.inputs["b"], "a": sample.inputs["a"]})
    assert isinstance(outputs, dict)
    assert {key: array.shape for key, array in outputs.items()} == {
        "output_0": (7, 4),
        "output_1": (7, 2),
    }
    parity = compare(outputs, sample.outputs, limits)
    assert parity.passed, parity.reason


def test_inputs_of_different_batch_sizes_are_refused(name, two_by_two_bundle):
    feeds = {"a": zeros(2, 3), "b": zeros(3, 2)}
    with (
        open_runtime(two_by_two_bundle, runtime=name, trust_factory=True) as model,
        pytest.raises(InferenceError, match="'b' has 3 samples, the inputs before it 2"),
    ):
        model(feeds)


def test_one_of_two_inputs_changing_its_batch_is_noticed(name, two_by_two_bundle):
    golden = two_by_two_bundle.golden()
    limits = against_reference(two_by_two_bundle.manifest.parity)
    with open_runtime(two_by_two_bundle, runtime=name, trust_factory=True) as model:
        model(golden.at_batch(7).inputs)
        sample = golden.at_batch(2)
        assert compare(model(sample.inputs), sample.outputs, limits).passed


def test_named_outputs_keep_their_names(name, named_bundle):
    if registry.find(name).format not in ("weights", "pt2", "onnx"):
        pytest.skip("a dict cannot be traced")
    sample = named_bundle.golden().at_batch(2)
    limits = against_reference(named_bundle.manifest.parity)
    with open_runtime(named_bundle, runtime=name, trust_factory=True) as model:
        parity = compare(model(sample.inputs), sample.outputs, limits)
    assert parity.passed, parity.reason
    assert not np.allclose(sample.outputs["a"], sample.outputs["z"], atol=0.1)


def test_a_factory_is_called_only_when_trusted(name, two_by_two_bundle):
    if registry.find(name).format != "weights":
        open_runtime(two_by_two_bundle, runtime=name).close()  # its file needs no code of theirs
        return
    with pytest.raises(RuntimeUnavailableError, match="--trust-factory"):
        open_runtime(two_by_two_bundle, runtime=name)


# --- opening


def test_fewer_than_one_thread_is_refused(name, mlp_bundle):
    if name.startswith("trt"):
        pytest.skip("a GPU has no CPU threads to choose")
    with pytest.raises(UsageError, match="threads must be at least 1, got 0"):
        open_runtime(mlp_bundle, runtime=name, threads=0)


def test_a_bundle_without_its_file_is_refused_with_the_command_that_adds_it(name, tmp_path):
    from tests.fakes.runtime import doubling_bundle

    bundle = doubling_bundle(tmp_path / "bundle")
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_runtime(bundle, runtime=name)
    wanted = registry.find(name).format
    assert f"holds no fp32 {wanted} file" in str(caught.value)


@pytest.mark.parametrize("name", list(registry.entries()))
def test_a_runtime_that_cannot_work_here_says_what_is_missing_and_what_to_type(name, mlp_bundle):
    found = registry.probe(name)
    if found.available:
        assert (found.reason, found.install) == (None, "")
        assert found.version
        return
    assert found.reason
    assert found.install
    with pytest.raises((RuntimeUnavailableError, MissingDependencyError)) as caught:
        open_runtime(mlp_bundle, runtime=name)  # and never another runtime in its place
    message = str(caught.value)
    assert any(words in message for words in ("pip install", "apt-get", "spinn-edge export"))


def test_ort_cuda_without_a_cuda_build_names_the_package_to_install(mlp_bundle):
    if registry.probe("ort-cuda").available:
        pytest.skip("there is a GPU here")
    reason = str(registry.probe("ort-cuda").reason)
    if "CPU build" not in reason:
        pytest.skip(reason)
    with pytest.raises(RuntimeUnavailableError) as caught:
        open_runtime(mlp_bundle, runtime="ort-cuda")
    assert "is a CPU build" in str(caught.value)
    assert "pip install 'spinn-edge[ort-gpu]'" in str(caught.value)
