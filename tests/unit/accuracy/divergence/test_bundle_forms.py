"""What a bundle's forms are, in which order, and that they compute what they say."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from spinn_edge.accuracy.divergence.bundle_forms import (
    ALONE,
    DENSE,
    PRUNED,
    bundle_forms,
    first_of_each_format,
)
from spinn_edge.accuracy.divergence.waterfall import Waterfall, WaterfallStep, waterfall
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.loading import load_model
from tests.fakes.networks import load_mlp

CPU = ("eager", "torchscript", "ort-cpu", "trt")


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    request = ExportRequest(
        formats=("torchscript", "onnx"), precisions=("fp32", "fp16"), max_batch=8
    )
    return write_bundle(load_mlp(), tmp_path_factory.mktemp("forms") / "pruned", request)


def by_name(found: Waterfall) -> dict[str, WaterfallStep]:
    return {step.name: step for step in found.steps}


def inputs_of(bundle: Bundle, rows: int = 21) -> dict[str, np.ndarray]:
    return dict(bundle.golden().at_batch(rows).inputs)


def test_one_runtime_stands_for_each_format() -> None:
    chosen = first_of_each_format()
    assert set(CPU) <= set(chosen)
    assert "ort-cuda" not in chosen
    assert "compile" not in chosen


def test_forms_follow_what_they_were_made_from(pruned: Bundle, tmp_path: Path) -> None:
    dense = write_bundle(load_mlp((4, 16, 16, 2)), tmp_path / "dense", ExportRequest(max_batch=8))
    forms = bundle_forms(pruned, dense, CPU)
    assert [(form.name, form.after, form.step) for form in forms] == [
        (DENSE, "", ""),
        (PRUNED, DENSE, "pruning"),
        ("eager fp32", PRUNED, "float32"),
        ("torchscript fp32", "eager fp32", "export"),
        ("ort-cpu fp32", "eager fp32", "export"),
        ("trt fp32", "ort-cpu fp32", "engine"),
        ("torchscript fp16", "torchscript fp32", "fp16"),
        ("ort-cpu fp16", "ort-cpu fp32", "fp16"),
        ("ort-cpu int8", "ort-cpu fp32", "int8"),
    ]
    assert {form.own_reference for form in forms[2:]} == {PRUNED}


def test_a_bundle_that_was_not_pruned_counts_from_its_own_float64(pruned: Bundle) -> None:
    first, second, *_ = bundle_forms(pruned, runtimes=CPU)
    assert (first.name, second.after) == (ALONE, ALONE)


def test_engines_come_behind_their_onnx_file_however_they_were_named(pruned: Bundle) -> None:
    names = [form.name for form in bundle_forms(pruned, runtimes=("trt", "ort-cpu"))]
    assert names.index("trt fp32") > names.index("ort-cpu fp32")


def test_an_unknown_runtime_is_refused(pruned: Bundle) -> None:
    with pytest.raises(UsageError, match="unknown runtime 'tflite'"):
        bundle_forms(pruned, runtimes=("tflite",))


def test_float64_is_the_golden_reference_and_half_precision_shows(pruned: Bundle) -> None:
    golden = pruned.golden()
    forms = bundle_forms(pruned, runtimes=CPU)
    exact = forms[0].predict(golden.inputs)
    np.testing.assert_allclose(exact["output"], golden.outputs["output"], rtol=1e-12)
    steps = by_name(waterfall(forms, golden.inputs))
    assert 0 < steps["eager fp32"].contribution[0].max_share < 1e-5
    assert steps["torchscript fp32"].contribution[0].max_share < 1e-5
    assert 1e-5 < steps["ort-cpu fp16"].contribution[0].max_share < 5e-3
    assert any("float32" in note for note in steps["ort-cpu fp16"].notices)
    assert not steps["ort-cpu fp32"].notices
    assert "holds no int8 onnx file" in str(steps["ort-cpu int8"].reason)
    assert not steps["ort-cpu int8"].failed


def test_more_rows_than_the_largest_batch_are_run_in_parts(pruned: Bundle) -> None:
    inputs = inputs_of(pruned)  # 21 rows, largest batch 8
    found = waterfall(bundle_forms(pruned, runtimes=("eager", "ort-cpu")), inputs)
    assert found.rows == 21
    assert by_name(found)["ort-cpu fp32"].total[0].max_share < 1e-5


def test_pruning_is_the_difference_of_the_two_models_in_float64(
    pruned: Bundle, tmp_path: Path
) -> None:
    dense = write_bundle(load_mlp((4, 16, 16, 2)), tmp_path / "dense", ExportRequest(max_batch=8))
    inputs = inputs_of(pruned)
    forms = bundle_forms(pruned, dense, ("eager",))
    found = waterfall(forms, inputs)
    a, b = (form.predict(inputs)["output"] for form in forms[:2])
    wanted = np.abs(a - b).max(axis=0) / np.abs(a).max(axis=0)
    assert [e.max_share for e in found.steps[1].contribution] == pytest.approx(wanted.tolist())


def test_a_damaged_file_fails_its_row_alone(pruned: Bundle, tmp_path: Path) -> None:
    shutil.copytree(pruned.root, tmp_path / "b")
    (tmp_path / "b" / "model.onnx").write_bytes(b"no graph")
    spoilt = replace(pruned, root=tmp_path / "b")
    steps = by_name(waterfall(bundle_forms(spoilt, runtimes=CPU), inputs_of(pruned)))
    assert steps["ort-cpu fp32"].failed
    assert "cannot be loaded" in str(steps["ort-cpu fp32"].reason)
    assert steps["ort-cpu fp16"].after == "eager fp32"
    assert steps["torchscript fp32"].reason is None


def test_a_foreign_onnx_file_has_a_float64_form_too(pruned: Bundle, tmp_path: Path) -> None:
    loaded = load_model(pruned.root / "model.onnx")
    request = ExportRequest(formats=("onnx",), max_batch=8)
    foreign = write_bundle(loaded, tmp_path / "foreign", request)
    steps = by_name(waterfall(bundle_forms(foreign, runtimes=CPU), inputs_of(pruned)))
    assert "has no eager form" in str(steps["eager fp32"].reason)
    assert steps["ort-cpu fp32"].after == ALONE
    assert 0 < steps["ort-cpu fp32"].own[0].max_share < 1e-5
