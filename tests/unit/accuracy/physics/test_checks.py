"""Physics of a small network through real runtimes, and with faults planted."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.accuracy.physics import form_derivatives
from spinn_edge.accuracy.physics.checks import check_physics
from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions
from spinn_edge.accuracy.physics.result import EXACT
from spinn_edge.core.errors import (
    BundleError,
    InferenceError,
    MissingDependencyError,
    RuntimeUnavailableError,
    UsageError,
)
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.derivatives import differentiated
from spinn_edge.models.loading import load_model
from spinn_edge.runtimes import registry
from tests.fakes.networks import load_mlp, module_in

FORMATS = ExportRequest(formats=("torchscript", "pt2", "onnx"), max_batch=64)
CPU = ("eager", "torchscript", "pt2", "ort-cpu")
FIRST, SECOND, MIXED = "output.0:input.1", "output.1:input.0:input.0", "output.1:input.0:input.2"
ALL = PhysicsQuestions(derivatives=(FIRST, SECOND, MIXED), points=40)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A 3-16-16-2 tanh MLP in every CPU format; never change it."""
    out = tmp_path_factory.mktemp("physics") / "b"
    return write_bundle(load_mlp((3, 16, 16, 2)), out, FORMATS)


@pytest.fixture(scope="module")
def halved(tmp_path_factory):
    """The same network with a float16 file."""
    request = replace(FORMATS, formats=("onnx",), precisions=("fp32", "fp16"))
    return write_bundle(load_mlp((3, 16, 16, 2)), tmp_path_factory.mktemp("half") / "b", request)


def test_float32_forms_are_fit_each_by_its_own_method(bundle):
    report = check_physics(bundle, CPU, ALL)
    assert report.passed
    assert {(check.runtime, check.method) for check in report.derivatives} == {
        ("eager", "autograd"),
        ("torchscript", "autograd"),
        ("pt2", "autograd"),
        ("ort-cpu", "differences"),
    }
    assert len(report.derivatives) == 12
    for check in report.derivatives:
        assert check.error is not None
        if check.method == "autograd":
            assert check.error < 1e-5 * check.scale
            assert check.noise is check.expected is check.step is None
        else:
            assert check.noise is not None
            assert 0 < check.noise < 1e-5
            assert check.expected is not None
            assert check.error <= check.expected


def test_derivatives_that_the_model_gives_are_read_off(tmp_path):
    loaded = differentiated(load_mlp((3, 16, 2)), (FIRST, "output.1:input.2:input.0"))
    bundle = write_bundle(loaded, tmp_path / "b", FORMATS)
    questions = replace(ALL, derivatives=(FIRST, MIXED, "output.0:input.0"))
    report = check_physics(bundle, ("ort-cpu", "eager"), questions)
    assert report.passed
    methods = {(c.runtime, c.derivative): c.method for c in report.derivatives}
    assert methods == {
        ("ort-cpu", FIRST): "output",
        ("ort-cpu", MIXED): "output",  # asked for in the other order
        ("ort-cpu", "output.0:input.0"): "differences",
        ("eager", FIRST): "output",
        ("eager", MIXED): "output",
        ("eager", "output.0:input.0"): "autograd",
    }


def test_every_precision_is_checked_and_says_what_computed_it(halved):
    report = check_physics(halved, ("ort-cpu",), replace(ALL, derivatives=(FIRST,)))
    assert [check.precision for check in report.derivatives] == ["fp32", "fp16"]
    assert "in float32" in report.derivatives[1].notices[0]


def spoiled(change):
    """Return a stand-in for running a form, whose outputs are changed."""
    run = form_derivatives.run_in_batches

    def changed(runtime, bundle, feeds):
        outputs = run(runtime, bundle, feeds)
        return {name: change(array, feeds["input"]) for name, array in outputs.items()}

    return changed


def test_outputs_that_are_too_coarse_are_limited_by_rounding(bundle, monkeypatch):
    def rounded(outputs, feeds):
        return outputs.astype(np.float16).astype(np.float32)

    monkeypatch.setattr(form_derivatives, "run_in_batches", spoiled(rounded))
    report = check_physics(bundle, ("ort-cpu",), replace(ALL, derivatives=(SECOND,)))
    (check,) = report.derivatives
    assert not report.passed
    assert "limited by rounding" in (check.reason or "")
    assert "--derivatives" in (check.reason or "")


def test_another_slope_is_not_taken_for_rounding(bundle, monkeypatch):
    def tilted(outputs, feeds):
        return outputs + 0.01 * feeds[:, 1:2]

    monkeypatch.setattr(form_derivatives, "run_in_batches", spoiled(tilted))
    report = check_physics(bundle, ("ort-cpu",), replace(ALL, derivatives=(FIRST,)))
    assert "the form has another slope" in (report.derivatives[0].reason or "")


def test_nan_is_not_fit_and_names_its_sample(bundle, monkeypatch):
    def broken(outputs, feeds):
        outputs[3] = np.nan
        return outputs

    monkeypatch.setattr(form_derivatives, "run_in_batches", spoiled(broken))
    questions = replace(
        ALL, derivatives=(), monotone=(f"{FIRST}:+",), residual=lambda x, y, d: d[FIRST]
    )
    report = check_physics(bundle, ("ort-cpu",), questions)
    assert report.derivatives[0].error is None
    assert "NaN or Inf, first in sample" in (report.derivatives[0].reason or "")
    assert report.monotone[-1].violations > 0
    assert report.residuals[-1].after is None
    assert not report.residuals[-1].passed


def monotone_bundle(path, *slopes):
    """Write a network of one Linear layer, from 3 inputs to 2 outputs."""
    loaded = load_mlp((3, 2))
    with torch.no_grad():
        module_in(loaded)[0].weight[0] = torch.tensor(slopes)
    return write_bundle(loaded, path, replace(FORMATS, formats=("onnx",)))


def test_slopes_have_their_sign_at_every_sample(tmp_path):
    bundle = monotone_bundle(tmp_path / "b", 1.0, -2.0, 0.5)
    right = PhysicsQuestions(monotone=("output.0:input.0:+", "output.0:input.1:-"))
    report = check_physics(bundle, ("ort-cpu",), right)
    assert report.passed
    assert [(c.runtime, c.violations, c.worst) for c in report.monotone] == [
        (EXACT, 0, 0),
        (EXACT, 0, 0),
        ("ort-cpu", 0, 0),
        ("ort-cpu", 0, 0),
    ]
    wrong = check_physics(bundle, ("ort-cpu",), PhysicsQuestions(monotone=("output.0:input.1:+",)))
    assert not wrong.passed
    assert wrong.monotone[0].violations == 1
    assert wrong.monotone[0].worst == pytest.approx(2)
    assert "wrong sign at 100.00%" in (wrong.monotone[0].reason or "")


def test_a_baseline_allows_as_many_violations_as_it_has(tmp_path):
    falling = monotone_bundle(tmp_path / "falling", -1.0, 1.0, 1.0)
    rising = monotone_bundle(tmp_path / "rising", 1.0, 1.0, 1.0)
    asked = PhysicsQuestions(monotone=("output.0:input.0:+",))
    assert check_physics(rising, ("ort-cpu",), asked, baseline=falling).passed
    worse = check_physics(falling, ("ort-cpu",), asked, baseline=rising)
    assert [(check.bundle, check.passed) for check in worse.monotone] == [
        ("rising", True),
        ("falling", False),
        ("falling", False),
    ]
    assert [check.before for check in worse.monotone] == [0, 0, 0]
    strict = replace(asked, limits=PhysicsLimits(violations=0.0))
    assert not check_physics(falling, ("ort-cpu",), strict, baseline=falling).passed


def test_a_residual_may_grow_by_the_stated_factor_and_no_more(tmp_path):
    before = monotone_bundle(tmp_path / "before", 1.1, 1.0, 1.0)
    after = monotone_bundle(tmp_path / "after", 1.2, 1.0, 1.0)

    def residual(x, y, derivatives):
        assert x.shape == (len(y), 3)
        assert x.dtype == y.dtype == np.float64
        return derivatives["output.0:input.0"] - 1

    asked = PhysicsQuestions(
        derivatives=("output.0:input.0",), residual=residual, residual_name="decay"
    )
    report = check_physics(after, ("ort-cpu",), asked, baseline=before)
    assert not report.passed
    assert [(c.bundle, c.runtime, c.passed) for c in report.residuals] == [
        ("before", EXACT, True),
        ("after", EXACT, False),
        ("after", "ort-cpu", False),
    ]
    last = report.residuals[-1]
    assert last.before == pytest.approx(0.1, rel=1e-5)
    assert last.after == pytest.approx(0.2, rel=1e-3)
    assert last.limit == pytest.approx(0.15, rel=1e-5)
    assert last.residual == "decay"
    more = replace(asked, limits=PhysicsLimits(growth=2.1))
    assert check_physics(after, ("ort-cpu",), more, baseline=before).passed


@pytest.mark.parametrize(
    ("residual", "message"),
    [
        (lambda x, y, d: d["u:t"], r"asks for 'u:t', but these derivatives were named: output.0"),
        (lambda x, y, d: 1 / 0, "fails .ZeroDivisionError"),
        (lambda x, y, d: 0.0, r"returned shape \[\] for 40 samples"),
        (lambda x, y, d: y[:3], r"returned shape \[3, 2\] for 40 samples"),
        (lambda x, y, d: y * np.nan, "gives NaN or Inf for b in float64"),
    ],
)
def test_residuals_that_make_no_sense_are_refused(bundle, residual, message):
    with pytest.raises(UsageError, match=message):
        check_physics(bundle, ("ort-cpu",), replace(ALL, residual=residual))


@pytest.mark.parametrize(
    ("questions", "message"),
    [
        (PhysicsQuestions(), "nothing is asked"),
        (PhysicsQuestions(derivatives=("output.0:wear",)), "no input is called 'wear'"),
        (PhysicsQuestions(monotone=("output.0:input.0",)), r"expected OUTPUT:INPUT:\+"),
        (PhysicsQuestions(monotone=("output.0:input.0:input.1:+",)), "no slope with a sign"),
        (replace(ALL, points=0), "--points must be at least 1"),
    ],
)
def test_questions_that_make_no_sense_are_refused(bundle, questions, message):
    with pytest.raises(UsageError, match=message):
        check_physics(bundle, ("ort-cpu",), questions)


@pytest.mark.parametrize("limits", [{"first": -1.0}, {"growth": float("nan")}])
def test_limits_that_make_no_sense_are_refused(limits):
    with pytest.raises(UsageError, match="expected a number of at least 0"):
        PhysicsLimits(**limits)


def test_a_baseline_of_something_else_is_refused(bundle, tmp_path):
    other = write_bundle(load_mlp((4, 2)), tmp_path / "other", ExportRequest())
    with pytest.raises(UsageError, match="other is no baseline of b: it takes"):
        check_physics(bundle, ("ort-cpu",), ALL, baseline=other)


def test_a_runtime_that_cannot_work_here_is_skipped_or_raised(bundle, monkeypatch):
    def refuse(name, bundle, options):
        raise RuntimeUnavailableError("no device")

    monkeypatch.setattr(registry, "open_backend", refuse)
    report = check_physics(bundle, ("ort-cpu",), ALL)
    assert [skipped.reason for skipped in report.skipped] == ["no device"]
    assert not report.passed
    with pytest.raises(RuntimeUnavailableError):
        check_physics(bundle, ("ort-cpu",), ALL, skip_unavailable=False)


@pytest.mark.parametrize("error", [InferenceError("out of memory"), BundleError("damaged")])
def test_a_form_that_fails_is_not_fit(bundle, monkeypatch, error):
    def fail(*given):
        raise error

    monkeypatch.setattr(form_derivatives, "run_in_batches", fail)
    report = check_physics(bundle, ("ort-cpu",), ALL)
    assert [check.reason for check in report.derivatives] == [str(error)] * 3
    assert not any(check.passed for check in report.derivatives)


def test_a_bundle_of_onnx_alone_has_no_reference(bundle, tmp_path):
    out = tmp_path / "onnx"
    write_bundle(load_model(bundle.root / "model.onnx"), out, ExportRequest())
    with pytest.raises(UsageError, match="no form of its model that PyTorch can run"):
        check_physics(load_bundle(out), ("ort-cpu",), ALL)


def test_a_bundle_of_torchscript_alone_has_one(bundle, tmp_path):
    out = tmp_path / "ts"
    loaded = load_model(bundle.root / "model.ts")
    request = ExportRequest(input_shapes=bundle.manifest.inputs, max_batch=8)
    write_bundle(loaded, out, request)
    assert check_physics(load_bundle(out), ("torchscript",), ALL).passed


def load_bundle(path):
    from spinn_edge.core.bundle import Bundle

    return Bundle.load(path)


def test_without_torch_it_says_what_to_install(bundle, monkeypatch):
    def missing(module, *, extra):
        raise MissingDependencyError(module, extra, "ImportError: no torch")

    monkeypatch.setattr("spinn_edge.models.loading.require", missing)
    with pytest.raises(MissingDependencyError, match="spinn-edge\\[export\\]"):
        check_physics(bundle, ("ort-cpu",), ALL)


def test_calls_have_one_size_within_what_the_runtime_takes(bundle):
    from tests.fakes.runtime import FakeRuntime

    sizes = []

    class Bounded(FakeRuntime):
        def bind(self, feeds):
            sizes.append(len(feeds["input"]))
            super().bind(feeds)

    runtime = Bounded(lambda feeds: {"output": 2 * feeds["input"]})
    runtime.facts = replace(runtime.facts, min_batch=4, max_batch=6)
    x = np.arange(20 * 3, dtype=np.float32).reshape(20, 3)
    outputs = form_derivatives.run_in_batches(runtime, bundle, {"input": x})
    np.testing.assert_array_equal(outputs["output"], 2 * x)
    assert sizes == [6, 6, 6, 6]
