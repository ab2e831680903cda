from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_edge.accuracy.golden_check import MOST_CALLS, check_golden, golden_limits
from spinn_edge.accuracy.parity import against_reference
from spinn_edge.accuracy.runtime_check import Check, verification_batches
from spinn_edge.accuracy.verification import Skipped, Verification, verify_bundle
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import (
    BundleError,
    IncompatibleBundleError,
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.core.golden import Golden
from spinn_edge.core.manifest import OutputTolerance
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, Runtime, RuntimeEntry, RuntimeFacts

Arrays = Mapping[str, Any]
Compute = Callable[[Any], dict[str, Any]]


class FakeRuntime:
    """Computes with a function; counts its calls."""

    def __init__(self, bundle: Bundle, compute: Compute, facts: RuntimeFacts | None = None) -> None:
        self.inputs, self.outputs = bundle.manifest.inputs, bundle.manifest.outputs
        self.facts = facts or RuntimeFacts()
        self.compute = compute
        self.batches: list[int] = []
        self.closed = False

    def bind(self, feeds: Arrays) -> None:
        self.x = feeds["input"]
        self.batches.append(len(self.x))

    def run(self) -> None:
        self.result = self.compute(self.x)

    def sync(self) -> None:
        pass

    def fetch(self) -> dict[str, Any]:
        return self.result

    def close(self) -> None:
        self.closed = True


class Opened:
    """Stands for the registry; remembers what it opened and how."""

    def __init__(self) -> None:
        self.computes: dict[str, Compute | Exception] = {}
        self.facts: dict[str, RuntimeFacts] = {}
        self.runtimes: list[FakeRuntime] = []
        self.options: list[OpenOptions] = []

    def __call__(self, name: str, bundle: Bundle, options: OpenOptions) -> Runtime:
        self.options.append(options)
        compute = self.computes[name]
        if isinstance(compute, Exception):
            raise compute
        self.runtimes.append(FakeRuntime(bundle, compute, self.facts.get(name)))
        return self.runtimes[-1]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    made = Opened()
    for name in ("fake", "absent"):
        entry = RuntimeEntry(format="onnx", opener="", probe="")
        monkeypatch.setitem(registry.RUNTIMES, name, entry)
    monkeypatch.setattr(registry, "open_backend", made)
    return made


@pytest.fixture
def two_scales(tiny_bundle: Bundle, tmp_path: Path) -> Bundle:
    """A bundle whose first output channel is a millionth of its second."""
    x = np.random.default_rng(0).standard_normal((5, 18)).astype(np.float32)
    golden = Golden(inputs={"input": x}, outputs=exact(x))
    golden.save(tmp_path / "golden.npz")
    scale = np.abs(golden.outputs["output"]).max(axis=0)
    limit = OutputTolerance(
        scale=tuple(scale), eager_error=(0.0, 0.0), tolerance=tuple(1e-5 * scale)
    )
    manifest = replace(tiny_bundle.manifest, parity={"output": limit}, max_batch=16)
    return Bundle(root=tmp_path, manifest=manifest)


def exact(x: Any) -> dict[str, Any]:
    return {"output": x[:, :2].astype(np.float64) * [1e-3, 1e3]}


def in_float32(x: Any) -> dict[str, Any]:
    return {"output": exact(x)["output"].astype(np.float32)}


def without_small_channel(x: Any) -> dict[str, Any]:
    return {"output": exact(x)["output"] * [0.0, 1.0]}


# Real runtimes


def test_every_runtime_of_a_good_bundle_passes(tiny_bundle: Bundle) -> None:
    names = ("eager", "torchscript", "pt2", "ort-cpu")
    started: list[tuple[str, int, int]] = []

    result = verify_bundle(tiny_bundle, names, on_progress=lambda *step: started.append(step))

    assert result.passed
    assert result.bundle == "tiny"
    assert [(check.runtime, check.batch) for check in result.checks] == [
        (name, batch) for name, _, _ in started for batch in (1, 2, 7, 16)
    ]
    assert started == [(name, number, 4) for number, name in enumerate(names)]
    for check in result.checks:
        assert check.max_abs is not None
        assert check.tolerance is not None
        assert check.max_abs <= check.tolerance
        assert check.reason is None


def test_format_that_the_bundle_lacks_is_skipped_with_the_command_that_adds_it(
    tiny_bundle: Bundle,
) -> None:
    files = tuple(entry for entry in tiny_bundle.manifest.files if entry.format != "onnx")
    bundle = replace(tiny_bundle, manifest=replace(tiny_bundle.manifest, files=files))

    result = verify_bundle(bundle, ("eager", "ort-cpu"))

    assert result.passed
    (skipped,) = result.skipped
    assert skipped.runtime == "ort-cpu"
    assert "spinn-edge export" in skipped.reason


def test_wrong_golden_vectors_fail_every_runtime(tiny_bundle: Bundle, tmp_path: Path) -> None:
    golden = tiny_bundle.golden()
    shifted = {name: array + np.array([0.0, 0.01]) for name, array in golden.outputs.items()}
    Golden(inputs=golden.inputs, outputs=shifted).save(tmp_path / "golden.npz")

    for name in ("eager", "ort-cpu"):
        format_name = registry.find(name).format
        for entry in tiny_bundle.manifest.files_of(format_name):
            (tmp_path / entry.path).write_bytes(tiny_bundle.path_of(entry).read_bytes())
    result = verify_bundle(replace(tiny_bundle, root=tmp_path), ("eager", "ort-cpu"))

    assert not result.passed
    assert all(not check.passed for check in result.checks)
    assert "output 'output' channel 1 differs by 0.01" in str(result.checks[0].reason)


def test_missing_golden_vectors_are_an_error_of_the_bundle(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    with pytest.raises(BundleError, match=r"golden\.npz cannot be read"):
        verify_bundle(replace(tiny_bundle, root=tmp_path), ("eager",))


# Fakes


def test_right_outputs_pass_at_every_size_and_the_runtime_is_closed(
    two_scales: Bundle, opened: Opened
) -> None:
    opened.computes = {"fake": in_float32}

    result = verify_bundle(two_scales, ("fake",), OpenOptions(threads=3))

    assert result.passed
    assert [check.batch for check in result.checks] == [1, 2, 7, 16]
    assert opened.options == [OpenOptions(threads=3)]
    assert opened.runtimes[0].closed


def test_destroyed_small_channel_fails_though_the_large_one_hides_it(
    two_scales: Bundle, opened: Opened
) -> None:
    opened.computes = {"fake": without_small_channel}

    result = verify_bundle(two_scales, ("fake",))

    assert not result.passed
    assert not any(check.passed for check in result.checks)
    assert "output 'output' channel 0 differs by" in str(result.checks[0].reason)


@pytest.mark.parametrize(
    ("compute", "reason"),
    [
        (lambda x: {"output": in_float32(x)["output"] * np.nan}, "holds NaN or Inf"),
        (lambda x: {"output": in_float32(x)["output"][:, :1]}, "has shape [1, 1], expected [1, 2]"),
        (lambda x: {"result": in_float32(x)["output"]}, "output 'output' is missing"),
        (lambda x: {}, "output 'output' is missing; got []"),
    ],
    ids=["nan", "shape", "name", "nothing"],
)
def test_outputs_that_cannot_be_compared_fail(
    two_scales: Bundle, opened: Opened, compute: Compute, reason: str
) -> None:
    opened.computes = {"fake": compute}

    result = verify_bundle(two_scales, ("fake",))

    assert not result.passed
    assert reason in str(result.checks[0].reason)
    assert result.checks[0].max_abs is None


def test_one_wrong_sample_is_found_at_batch_one(two_scales: Bundle, opened: Opened) -> None:
    fourth = two_scales.golden().inputs["input"][3]

    def wrong_on_one(x: Any) -> dict[str, Any]:
        right = in_float32(x)
        right["output"][(x == fourth).all(axis=1)] += 1.0
        return right

    opened.computes = {"fake": wrong_on_one}

    result = verify_bundle(two_scales, ("fake",))

    assert [check.passed for check in result.checks] == [False, False, False, False]


def test_size_that_a_runtime_refuses_fails_alone(two_scales: Bundle, opened: Opened) -> None:
    def not_seven(x: Any) -> dict[str, Any]:
        if len(x) == 7:
            raise InferenceError("batch 7 is outside the profile")
        return in_float32(x)

    opened.computes = {"fake": not_seven}

    result = verify_bundle(two_scales, ("fake",))

    assert [(check.batch, check.passed) for check in result.checks] == [
        (1, True),
        (2, True),
        (7, False),
        (16, True),
    ]
    assert result.checks[2].reason == (
        "of the batch sizes 1 to 64 it refuses 7 (batch 7 is outside the profile)"
    )
    assert result.batch_checks == ()
    assert not result.passed
    assert opened.runtimes[0].closed


def test_runtime_is_closed_when_it_crashes(two_scales: Bundle, opened: Opened) -> None:
    def crash(x: Any) -> dict[str, Any]:
        raise ZeroDivisionError

    opened.computes = {"fake": crash}

    with pytest.raises(ZeroDivisionError):
        verify_bundle(two_scales, ("fake",))
    assert opened.runtimes[0].closed


@pytest.mark.parametrize(
    "error",
    [
        MissingDependencyError("tensorrt", "trt", "not there"),
        RuntimeUnavailableError("no GPU here"),
        IncompatibleBundleError("engine for another GPU"),
    ],
)
def test_runtime_that_cannot_run_here_is_skipped_and_the_others_go_on(
    two_scales: Bundle, opened: Opened, error: Exception
) -> None:
    opened.computes = {"absent": error, "fake": in_float32}

    result = verify_bundle(two_scales, ("absent", "fake"))

    assert result.skipped == (Skipped(runtime="absent", reason=str(error)),)
    assert {check.runtime for check in result.checks} == {"fake"}
    assert result.passed


def test_verification_that_checked_nothing_has_not_passed(
    two_scales: Bundle, opened: Opened
) -> None:
    opened.computes = {"absent": RuntimeUnavailableError("no GPU here")}

    assert not verify_bundle(two_scales, ("absent",)).passed
    assert not verify_bundle(two_scales, ()).passed
    assert not Verification(bundle="b", checks=(), skipped=()).passed


@pytest.mark.parametrize("error", [BundleError("engine damaged"), InferenceError("refused")])
def test_runtime_that_refuses_the_bundle_fails(
    two_scales: Bundle, opened: Opened, error: Exception
) -> None:
    opened.computes = {"fake": error}

    result = verify_bundle(two_scales, ("fake",))

    assert not result.passed
    assert result.checks == (
        Check(
            runtime="fake",
            batch=0,
            max_abs=None,
            tolerance=None,
            passed=False,
            reason=str(error),
        ),
    )


# Sizes


@pytest.mark.parametrize(
    ("max_batch", "batches"),
    [(1, (1,)), (2, (1, 2)), (5, (1, 2, 5)), (7, (1, 2, 7)), (1024, (1, 2, 7, 1024))],
)
def test_sizes_are_one_two_a_prime_and_the_maximum(
    tiny_bundle: Bundle, max_batch: int, batches: tuple[int, ...]
) -> None:
    assert verification_batches(replace(tiny_bundle.manifest, max_batch=max_batch)) == batches


def test_fixed_batch_is_checked_alone(tiny_bundle: Bundle) -> None:
    fixed = (TensorSpec("input", (4, 18), np.dtype("float32")),)

    assert verification_batches(replace(tiny_bundle.manifest, inputs=fixed, max_batch=4)) == (4,)


def test_small_batches_are_repeated_over_all_golden_samples(two_scales: Bundle) -> None:
    limits = against_reference(two_scales.manifest.parity)

    for batch, calls in ((1, 5), (2, 3), (5, 1), (16, 1)):
        runtime = FakeRuntime(two_scales, in_float32)
        assert check_golden(runtime, two_scales.golden(), batch, limits).passed
        assert runtime.batches == [batch] * calls


def test_calls_of_one_check_are_bounded(two_scales: Bundle) -> None:
    runtime = FakeRuntime(two_scales, in_float32)
    many = two_scales.golden().at_batch(10 * MOST_CALLS)

    assert check_golden(runtime, many, 1, against_reference(two_scales.manifest.parity)).passed
    assert len(runtime.batches) == MOST_CALLS


def test_least_margin_of_all_calls_is_reported(two_scales: Bundle) -> None:
    limits = against_reference(two_scales.manifest.parity)
    third = two_scales.golden().inputs["input"][2]

    def nearly_wrong_on_one(x: Any) -> dict[str, Any]:
        right = exact(x)
        right["output"][(x == third).all(axis=1), 1] += 0.9 * limits["output"][1]
        return right

    runtime = FakeRuntime(two_scales, nearly_wrong_on_one)
    verdict = check_golden(runtime, two_scales.golden(), 1, limits)

    assert verdict.passed
    assert verdict.used_share == pytest.approx(0.9)


def test_pt2_that_could_run_code_is_skipped_and_the_others_are_checked(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise UsageError("holds Python code; repeat with --trust-pickle")

    monkeypatch.setattr("spinn_edge.runtimes.pytorch.pt2.load_pt2", refuse)
    result = verify_bundle(tiny_bundle, ("pt2", "ort-cpu"))
    assert [skipped.runtime for skipped in result.skipped] == ["pt2"]
    assert "holds Python code" in result.skipped[0].reason
    assert {check.runtime for check in result.checks} == {"ort-cpu"}
    assert result.passed


# Sizes that a runtime takes


@pytest.mark.parametrize(
    ("smallest", "largest", "batches"),
    [
        (1, None, (1, 2, 7, 16)),
        (1, 64, (1, 2, 7, 16)),
        (1, 5, (1, 2, 5)),
        (2, 8, (2, 7, 8)),
        (3, 3, (3,)),
        (4, None, (4, 7, 16)),
        (32, 64, (32,)),
    ],
)
def test_sizes_keep_within_what_the_runtime_takes(
    tiny_bundle: Bundle, smallest: int, largest: int | None, batches: tuple[int, ...]
) -> None:
    facts = RuntimeFacts(min_batch=smallest, max_batch=largest)
    assert verification_batches(tiny_bundle.manifest, facts) == batches


def test_a_runtime_is_not_asked_for_sizes_that_it_does_not_take(
    two_scales: Bundle, opened: Opened
) -> None:
    def up_to_four(x: Any) -> dict[str, Any]:
        if len(x) > 4:
            raise InferenceError("batch 5 is outside the profile 2 to 4")
        return in_float32(x)

    opened.computes = {"fake": up_to_four}
    opened.facts = {"fake": RuntimeFacts(min_batch=2, max_batch=4)}

    result = verify_bundle(two_scales, ("fake",))

    assert [check.batch for check in result.checks] == [2, 4]
    assert set(opened.runtimes[0].batches) == {2, 4, 5}  # 5 must be refused
    (proof,) = [check.proof for check in result.batch_checks]
    assert (proof.batches, proof.beyond, proof.beyond_refused) == ((2, 4), 5, True)
    assert result.passed


# Precisions and what really loaded


def with_both(bundle: Bundle) -> Bundle:
    """Return a bundle whose manifest names an ONNX file of each precision, fp16 first."""
    (entry,) = bundle.manifest.files_of("onnx")
    half = replace(entry, path="model.fp16.onnx", precision="fp16")
    files = (half, *bundle.manifest.files)
    return replace(bundle, manifest=replace(bundle.manifest, files=files))


@pytest.mark.parametrize(
    ("asked", "checked"),
    [(None, ["fp32", "fp16"]), (("fp16",), ["fp16"]), (("fp32",), ["fp32"])],
)
def test_every_precision_that_the_bundle_holds_is_checked_unless_some_are_named(
    two_scales: Bundle, opened: Opened, asked: tuple[str, ...] | None, checked: list[str]
) -> None:
    opened.computes = {"fake": in_float32}

    result = verify_bundle(with_both(two_scales), ("fake",), OpenOptions(threads=2), asked)

    assert opened.options == [OpenOptions(threads=2, precision=name) for name in checked]
    assert [(check.precision, check.batch) for check in result.checks] == [
        (name, batch) for name in checked for batch in (1, 2, 7, 16)
    ]
    assert result.precisions == tuple(checked)


def test_a_bundle_without_the_format_is_asked_once_for_the_first_precision(
    tiny_bundle: Bundle,
) -> None:
    (skipped,) = verify_bundle(tiny_bundle, ("trt",)).skipped
    assert (skipped.runtime, skipped.precision) == ("trt", "fp32")


def test_a_refusal_names_its_precision(two_scales: Bundle, opened: Opened) -> None:
    refusals: list[tuple[str, str]] = []
    opened.computes = {"absent": RuntimeUnavailableError("no GPU here")}

    result = verify_bundle(
        with_both(two_scales),
        ("absent",),
        on_refusal=lambda name, precision, error: refusals.append((name, precision)),
    )

    assert refusals == [("absent", "fp32"), ("absent", "fp16")]
    assert [item.precision for item in result.skipped] == ["fp32", "fp16"]


@pytest.mark.parametrize(
    ("precision", "tf32", "share", "passed"),
    [
        ("fp32", None, 0.9e-5, True),
        ("fp32", False, 2e-5, False),
        ("fp16", None, 4.9e-3, True),
        ("fp16", None, 5.1e-3, False),
        ("fp32", True, 4.9e-3, True),
        ("fp32", True, 5.1e-3, False),
    ],
)
def test_the_limit_is_that_of_the_precision_that_really_computes(
    two_scales: Bundle,
    opened: Opened,
    precision: str,
    tf32: bool | None,
    share: float,
    passed: bool,
) -> None:
    scale = np.asarray(two_scales.manifest.parity["output"].scale)
    opened.computes = {"fake": lambda x: {"output": exact(x)["output"] + share * scale}}
    opened.facts = {"fake": RuntimeFacts(tf32=tf32)}

    result = verify_bundle(with_both(two_scales), ("fake",), precisions=(precision,))

    assert (not result.failed) == passed  # the file itself is none: its claim is not in question
    limits = golden_limits(two_scales.manifest, precision, opened.facts["fake"])
    assert result.checks[0].tolerance in limits["output"]


def test_a_check_says_who_served_and_what_was_noticed(two_scales: Bundle, opened: Opened) -> None:
    opened.computes = {"fake": in_float32}
    opened.facts = {"fake": RuntimeFacts(served_by="ort-cpu", notices=("it stands in",))}

    for check in verify_bundle(two_scales, ("fake",)).checks:
        assert (check.served_by, check.notices) == ("ort-cpu", ("it stands in",))


def test_what_a_runtime_notices_while_it_runs_is_kept(two_scales: Bundle, opened: Opened) -> None:
    def notice(x: Any) -> dict[str, Any]:
        opened.runtimes[0].facts = RuntimeFacts(notices=("no CUDA graph",))
        return in_float32(x)

    opened.computes = {"fake": notice}

    assert verify_bundle(two_scales, ("fake",)).checks[0].notices == ("no CUDA graph",)
