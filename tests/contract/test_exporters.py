"""Every registered exporter writes files that are proved; a new registry line is tested too."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from safetensors.numpy import load_file
from scipy.special import erf, expit

from spinn_edge.accuracy.parity import against_reference, compare
from spinn_edge.core.bundle import Bundle, describe_file
from spinn_edge.core.errors import BundleError, ExportError, MissingDependencyError, UsageError
from spinn_edge.export import registry
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import GoldenInputs
from spinn_edge.export.onnx_graph import export_onnx
from spinn_edge.export.pt2 import export_warnings_silenced
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import load_model
from spinn_edge.models.modules import ACTIVATIONS
from spinn_edge.runtimes import open_runtime
from spinn_edge.runtimes.trt.backend import RTX, load_backend
from tests.contract.conftest import MAX_BATCH, PORTABLE
from tests.fakes.networks import (
    load_factory,
    load_mlp,
    make_across_samples,
    make_baked_batch,
    make_cnn,
    make_first_decides,
    make_folded_batch,
    make_named,
    make_rare_branch,
    make_two_by_two,
    module_in,
)

BATCHES = (1, 2, 7, MAX_BATCH)
FORMULAS: dict[str, Callable[[Any], Any]] = {
    "tanh": np.tanh,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": lambda x: x * (1 + erf(x / np.sqrt(2))) / 2,
    "silu": lambda x: x * expit(x),
    "sin": np.sin,
}


@pytest.fixture(scope="module", params=list(registry.entries()))
def format_name(request):
    """Each format that can be written here."""
    if request.param == "trt":
        try:
            backend = load_backend()
        except MissingDependencyError as exc:
            pytest.skip(str(exc))
        if backend.name != RTX:
            pytest.skip("tensorrt builds only for a GPU that is here")
    return request.param


def request_for(*formats, shapes=()):
    return ExportRequest(
        formats=formats,
        max_batch=MAX_BATCH,
        input_shapes=parse_input_shapes(shapes),
        compute_capabilities=("SM86",) if "trt" in formats else None,
    )


def check_files(bundle, format_name):
    """Assert that the files are there, unchanged, and proved at every size or said not to be."""
    entries = bundle.manifest.files_of(format_name)
    assert entries
    for entry in entries:
        content = bundle.path_of(entry).read_bytes()
        assert entry.bytes == len(content) > 0
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.toolchain
        if entry.unproved is not None:
            assert format_name == "trt"
            assert entry.proof == ()
            continue
        assert tuple(point.batch for point in entry.proof) == BATCHES
        for point in entry.proof:
            assert 0 <= point.max_abs <= point.tolerance
            assert point.output in {spec.name for spec in bundle.manifest.outputs}


def check_fresh_inputs(bundle, format_name, expected, **feeds):
    """Assert that the file computes ``expected`` on inputs that it was not proved with."""
    if all(entry.unproved is not None for entry in bundle.manifest.files_of(format_name)):
        return
    runtime = registry.entries()[format_name].runtime
    with open_runtime(bundle, runtime=runtime) as model:
        got = model(feeds)
    outputs = got if isinstance(got, dict) else {bundle.manifest.outputs[0].name: got}
    limits = {name: 3 * limit for name, limit in against_reference(bundle.manifest.parity).items()}
    parity = compare(outputs, expected, limits)
    assert parity.passed, parity.reason


def noise(*shape):
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


# --- what is written


@pytest.mark.parametrize("activation", list(ACTIVATIONS))
def test_an_mlp_is_written_proved_and_computes_its_formula(format_name, activation, tmp_path):
    bundle = write_bundle(
        load_mlp(activation=activation), tmp_path / "out", request_for(format_name)
    )
    check_files(bundle, format_name)
    state = {
        key: array.astype(np.float64)
        for key, array in load_file(bundle.root / "model.safetensors").items()
    }
    x = noise(5, 4)
    hidden = x.astype(np.float64)
    for layer in (0, 2, 4):
        hidden = hidden @ state[f"{layer}.weight"].T + state[f"{layer}.bias"]
        hidden = FORMULAS[activation](hidden) if layer < 4 else hidden
    check_fresh_inputs(bundle, format_name, {"output": hidden}, input=x)


def test_a_cnn_is_written_and_proved(format_name, tmp_path):
    loaded = load_factory(make_cnn, tmp_path)
    bundle = write_bundle(loaded, tmp_path / "out", request_for(format_name, shapes=["3,8,8"]))
    check_files(bundle, format_name)
    assert bundle.manifest.inputs[0].shape == (None, 3, 8, 8)
    assert bundle.manifest.outputs[0].shape == (None, 5)
    assert bundle.manifest.architecture.factory == "tests.fakes.networks:make_cnn"
    assert bundle.manifest.flops_per_sample == 2 * (8 * 8 * 4 * 3 * 3 * 3 + 64 * 5)
    x = noise(3, 3, 8, 8)
    with torch.no_grad():
        expected = module_in(loaded).double()(torch.from_numpy(x).double()).numpy()
    check_fresh_inputs(bundle, format_name, {"output": expected}, input=x)


def test_several_inputs_and_outputs_are_written_and_proved(format_name, tmp_path):
    loaded = load_factory(make_two_by_two, tmp_path)
    request = request_for(format_name, shapes=["a=3", "b=2"])
    bundle = write_bundle(loaded, tmp_path / "out", request)
    check_files(bundle, format_name)
    assert [spec.name for spec in bundle.manifest.inputs] == ["a", "b"]
    assert [(spec.name, spec.shape) for spec in bundle.manifest.outputs] == [
        ("output_0", (None, 4)),
        ("output_1", (None, 2)),
    ]
    a, b = noise(3, 3), noise(3, 2)
    with torch.no_grad():
        results = module_in(loaded).double()(*(torch.from_numpy(x).double() for x in (a, b)))
    expected = {f"output_{index}": value.numpy() for index, value in enumerate(results)}
    check_fresh_inputs(bundle, format_name, expected, a=a, b=b)


@pytest.mark.parametrize("format_name", ["pt2", "onnx"])
def test_a_dict_of_outputs_keeps_its_names(format_name, tmp_path):
    loaded = load_factory(make_named, tmp_path)
    bundle = write_bundle(loaded, tmp_path / "out", request_for(format_name, shapes=["x=3"]))
    check_files(bundle, format_name)
    assert [spec.name for spec in bundle.manifest.outputs] == ["z", "a"]
    x = noise(4, 3)
    with torch.no_grad():
        results = module_in(loaded).double()(torch.from_numpy(x).double())
    expected = {key: value.numpy() for key, value in results.items()}
    check_fresh_inputs(bundle, format_name, expected, x=x)


def test_torchscript_of_a_dict_is_refused(tmp_path):
    loaded = load_factory(make_named, tmp_path)
    with pytest.raises(ExportError, match="TorchScript"):
        write_bundle(loaded, tmp_path / "out", request_for("torchscript", shapes=["3"]))


@pytest.mark.parametrize(
    ("make", "shapes"),
    [(make_cnn, ["3,8,8"]), (make_two_by_two, ["a=3", "b=2"])],
    ids=["cnn", "two inputs"],
)
def test_onnx_is_one_file_whose_first_axes_are_named_batch(make, shapes, tmp_path):
    loaded = load_factory(make, tmp_path)
    bundle = write_bundle(loaded, tmp_path / "out", request_for("onnx", shapes=shapes))
    assert sorted(path.name for path in bundle.root.iterdir()) == [
        "golden.npz",
        "manifest.json",
        "model.onnx",
        "model.safetensors",
    ]
    graph = onnx.load(bundle.root / "model.onnx", load_external_data=False).graph
    axes = [
        [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    ]
    specs = (*bundle.manifest.inputs, *bundle.manifest.outputs)
    assert axes == [["batch", *spec.shape[1:]] for spec in specs]
    assert all(tensor.data_location == onnx.TensorProto.DEFAULT for tensor in graph.initializer)
    (entry,) = bundle.manifest.files_of("onnx")
    assert entry.details["opset"] >= 18


def test_engines_bring_the_onnx_file_that_they_were_made_from(tmp_path):
    assert [step.format for step in registry.in_order(["trt"])] == ["onnx", "trt"]


def test_every_precision_that_a_format_promises_is_written_and_proved(format_name, tmp_path):
    precisions = registry.entries()[format_name].precisions
    request = replace(request_for(format_name), precisions=precisions)
    bundle = write_bundle(load_mlp(), tmp_path / "out", request)
    check_files(bundle, format_name)
    for precision in precisions:
        entries = bundle.manifest.files_of(format_name, precision)
        assert entries
        shares = {"fp32": 1e-5, "fp16": 5e-3, "int8": 5e-2}
        for entry in entries:
            if precision != "fp32":
                assert entry.details["layers"][precision] > 0
            for point in entry.proof:
                scale = max(bundle.manifest.parity[point.output].scale)
                assert point.tolerance <= shares[precision] * scale * (1 + 1e-9)


def test_fp16_alone_brings_the_float32_graph_that_it_is_made_from(tmp_path):
    request = replace(request_for("onnx"), precisions=("fp16",))
    bundle = write_bundle(load_mlp(), tmp_path / "out", request)
    assert [entry.path for entry in bundle.manifest.files_of("onnx")] == [
        "model.onnx",
        "model.fp16.onnx",
    ]


def test_fp16_engine_is_built_from_the_fp16_graph(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    loaded = load_mlp()
    request = replace(request_for("trt"), precisions=("fp32", "fp16"))
    bundle = write_bundle(loaded, tmp_path / "out", request)
    for precision, name in (("fp32", "model.sm86.engine"), ("fp16", "model.fp16.sm86.engine")):
        (onnx_entry,) = bundle.manifest.files_of("onnx", precision)
        (entry,) = bundle.manifest.files_of("trt", precision)
        assert entry.path == name
        assert entry.details["onnx_sha256"] == onnx_entry.sha256
        assert entry.details["layers"] == onnx_entry.details["layers"]


def test_all_formats_together_carry_one_proof_each(mlp_bundle):
    for name in PORTABLE:
        check_files(mlp_bundle, name)
    assert {entry.format for entry in mlp_bundle.manifest.files} >= {*PORTABLE, "weights", "golden"}


# --- what is refused, with nothing left behind


def assert_refused(error, match, loaded, folder, request):
    folder.mkdir()
    with pytest.raises(error, match=match) as caught:
        write_bundle(loaded, folder / "out", request)
    assert list(folder.iterdir()) == []
    return str(caught.value)


@pytest.mark.parametrize("format_name", PORTABLE)
def test_a_graph_that_bakes_in_the_batch_size_is_refused(format_name, tmp_path):
    loaded = load_factory(make_baked_batch, tmp_path)
    request = request_for(format_name, shapes=["3"])
    assert_refused(ExportError, "batch|dynamic|constant", loaded, tmp_path / "empty", request)


def test_a_model_that_folds_the_batch_is_refused(format_name, tmp_path):
    loaded = load_factory(make_folded_batch, tmp_path)
    request = request_for(format_name, shapes=["3"])
    assert_refused(ExportError, "first axis must be the batch", loaded, tmp_path / "empty", request)


@pytest.mark.parametrize("format_name", PORTABLE)
@pytest.mark.parametrize("make", [make_across_samples, make_first_decides])
def test_a_model_whose_samples_depend_on_each_other_is_refused(format_name, make, tmp_path):
    loaded = load_factory(make, tmp_path)
    request = request_for(format_name, shapes=["3"])
    assert_refused(
        ExportError, "another output for [13] samples", loaded, tmp_path / "empty", request
    )


@pytest.mark.parametrize("format_name", ["pt2", "onnx"])
def test_a_model_that_torch_cannot_export_is_refused_with_its_words(format_name, tmp_path):
    loaded = load_factory(make_rare_branch, tmp_path)
    request = request_for(format_name, shapes=["3"])
    assert_refused(ExportError, r"torch\.\w+ failed \(", loaded, tmp_path / "empty", request)


def test_weights_that_do_not_fit_into_one_onnx_file_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("spinn_edge.export.onnx_graph.ONE_FILE_LIMIT_BYTES", 100)
    assert_refused(
        ExportError,
        "do not fit into one ONNX file",
        load_mlp(),
        tmp_path / "empty",
        request_for("onnx"),
    )


def static_onnx(job):
    """Write a graph whose first axis is 2, without saying so."""
    sample = tuple(torch.from_numpy(array) for array in job.sample.values())
    path = job.folder / "model.onnx"
    with export_warnings_silenced():
        torch.onnx.export(
            job.module,
            sample,
            path,
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=["input"],
            output_names=["output"],
        )
    return (describe_file(job.folder, "model.onnx", "onnx"),)


def test_a_file_with_a_fixed_batch_is_refused_at_the_first_size_that_differs(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "load", lambda entry: static_onnx)
    message = assert_refused(
        ExportError, "does not run at batch 1", load_mlp(), tmp_path / "empty", request_for("onnx")
    )
    assert "became a constant" in message


@pytest.mark.parametrize("format_name", PORTABLE)
@pytest.mark.parametrize("share", [1e-4, 1e-2])
def test_a_file_that_computes_something_else_fails_its_proof(
    format_name, share, tmp_path, monkeypatch
):
    real = registry.load
    scale = max_output()
    monkeypatch.setattr(
        registry,
        "load",
        lambda entry: (
            lambda job: real(entry)(replace(job, module=with_bias(job.module, share * scale)))
        ),
    )
    assert_refused(
        ExportError,
        "differs from eager at batch 1",
        load_mlp(),
        tmp_path / "empty",
        request_for(format_name),
    )


def test_a_file_that_is_changed_after_it_was_written_fails_its_proof(tmp_path, monkeypatch):
    def export_and_spoil(job):
        (entry,) = export_onnx(job)
        path = job.folder / entry.path
        graph = onnx.load(path)
        weight = graph.graph.initializer[0]
        values = onnx.numpy_helper.to_array(weight) * np.float32(1.001)
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(graph, path)
        return (entry,)

    monkeypatch.setattr(registry, "load", lambda entry: export_and_spoil)
    assert_refused(
        ExportError, "differs from eager", load_mlp(), tmp_path / "empty", request_for("onnx")
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_that_are_not_finite_are_refused(format_name, value, tmp_path):
    loaded = load_mlp()
    with torch.no_grad():
        module_in(loaded)[-1].bias[1] = value
    message = assert_refused(
        ExportError, "NaN or Inf", loaded, tmp_path / "empty", request_for(format_name)
    )
    assert "--data" in message


def test_an_output_without_a_batch_axis_is_refused(tmp_path):
    class Mean(torch.nn.Module):
        def forward(self, x):
            return x.mean()

    loaded = replace(load_mlp(), module=Mean())
    assert_refused(
        ExportError, "first axis must be the batch", loaded, tmp_path / "empty", request_for("pt2")
    )


def test_a_wrong_input_shape_is_refused_with_a_question(tmp_path):
    loaded = load_factory(make_cnn, tmp_path)
    request = request_for("onnx", shapes=["3,6,6"])
    assert_refused(ExportError, "is --input-shape right", loaded, tmp_path / "empty", request)


def test_a_refused_export_leaves_an_old_bundle_as_it_was(mlp_bundle, tmp_path):
    out = tmp_path / "out"
    before = write_bundle(load_mlp(), out, request_for("torchscript")).manifest
    loaded = load_mlp()
    with torch.no_grad():
        module_in(loaded)[-1].bias[1] = np.nan
    with pytest.raises(ExportError):
        write_bundle(loaded, out, request_for("onnx"), force=True)
    assert Bundle.load(out).manifest == before
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def max_output():
    with torch.no_grad():
        return float(module_in(load_mlp())(torch.randn(64, 4)).abs().max())


def with_bias(module, shift):
    other = module_in(load_mlp())
    other.load_state_dict(module.state_dict())
    with torch.no_grad():
        other[-1].bias += shift
    return other


# --- exported files as sources


def test_onnx_is_exported_again_as_it_is(mlp_bundle, tmp_path):
    source = mlp_bundle.root / "model.onnx"
    bundle = write_bundle(load_model(source), tmp_path / "out", request_for("onnx"))
    (entry,) = bundle.manifest.files_of("onnx")
    assert entry.sha256 == mlp_bundle.manifest.files_of("onnx")[0].sha256
    assert tuple(point.batch for point in entry.proof) == BATCHES
    assert bundle.manifest.architecture.kind == "file"
    assert bundle.manifest.inputs == mlp_bundle.manifest.inputs
    assert bundle.manifest.outputs == mlp_bundle.manifest.outputs
    assert bundle.manifest.parameters == mlp_bundle.manifest.parameters
    assert bundle.manifest.files_of("weights") == ()


def test_fp16_is_made_of_a_foreign_onnx_file(mlp_bundle, tmp_path):
    loaded = load_model(mlp_bundle.root / "model.onnx")
    request = replace(request_for("onnx"), precisions=("fp32", "fp16"))
    bundle = write_bundle(loaded, tmp_path / "out", request)
    fp32, fp16 = bundle.manifest.files_of("onnx")
    assert fp32.sha256 == mlp_bundle.manifest.files_of("onnx")[0].sha256
    assert fp32.details["layers"] == {"fp16": 0, "fp32": fp16.details["layers"]["fp16"]}
    assert tuple(point.batch for point in fp16.proof) == BATCHES


def test_fp16_that_differs_too_much_from_eager_is_refused(tmp_path):
    loaded = load_mlp()
    with torch.no_grad():
        module_in(loaded)[0].weight *= 1e6  # beyond fp16, so clipped
        module_in(loaded)[0].bias *= 1e6
    request = replace(request_for("onnx"), precisions=("fp16",))
    assert_refused(
        ExportError, "ort-cpu in fp16 was exported but differs", loaded, tmp_path / "empty", request
    )


def test_the_reference_of_an_onnx_file_is_that_of_its_source(mlp_bundle, tmp_path):
    again = write_bundle(
        load_model(mlp_bundle.root / "model.onnx"),
        tmp_path / "out",
        request_for("onnx"),
        golden=lambda inputs, rows: GoldenInputs(
            arrays=mlp_bundle.golden().inputs, source="the same"
        ),
    )
    np.testing.assert_allclose(
        again.golden().outputs["output"], mlp_bundle.golden().outputs["output"], rtol=1e-12
    )


def test_pt2_becomes_every_portable_format(mlp_bundle, tmp_path):
    loaded = load_model(mlp_bundle.root / "model.pt2")
    bundle = write_bundle(loaded, tmp_path / "out", request_for(*PORTABLE))
    for name in PORTABLE:
        (entry,) = bundle.manifest.files_of(name)
        assert tuple(point.batch for point in entry.proof) == BATCHES
    assert (bundle.root / "model.pt2").read_bytes() == (mlp_bundle.root / "model.pt2").read_bytes()
    x = noise(3, 18)
    with (
        open_runtime(mlp_bundle, runtime="eager") as before,
        open_runtime(bundle, runtime="ort-cpu") as after,
    ):
        np.testing.assert_allclose(after(x), before(x), rtol=1e-4, atol=1e-5)


def test_torchscript_is_exported_again_as_it_is(mlp_bundle, tmp_path):
    loaded = load_model(mlp_bundle.root / "model.ts")
    bundle = write_bundle(loaded, tmp_path / "out", request_for("torchscript", shapes=["18"]))
    (entry,) = bundle.manifest.files_of("torchscript")
    assert tuple(point.batch for point in entry.proof) == BATCHES
    assert entry.sha256 == mlp_bundle.manifest.files_of("torchscript")[0].sha256
    assert bundle.manifest.parameters == mlp_bundle.manifest.parameters


def test_a_bundle_of_a_foreign_file_is_exported_again(mlp_bundle, tmp_path):
    first = write_bundle(
        load_model(mlp_bundle.root / "model.pt2"), tmp_path / "first", request_for()
    )
    second = write_bundle(load_model(first.root), tmp_path / "second", request_for("onnx"))
    assert {entry.format for entry in second.manifest.files} == {"golden", "pt2", "onnx"}
    np.testing.assert_array_equal(second.golden().inputs["input"], first.golden().inputs["input"])


def test_a_bundle_keeps_its_largest_batch_and_golden_inputs(mlp_bundle, tmp_path):
    again = write_bundle(
        load_model(mlp_bundle.root), tmp_path / "out", ExportRequest(formats=("onnx",))
    )
    assert again.manifest.max_batch == MAX_BATCH
    assert again.manifest.golden_source == mlp_bundle.manifest.golden_source
    np.testing.assert_array_equal(
        again.golden().outputs["output"], mlp_bundle.golden().outputs["output"]
    )


def test_torchscript_without_input_shape_asks_for_it(mlp_bundle, tmp_path):
    assert_refused(
        UsageError,
        "--input-shape 18",
        load_model(mlp_bundle.root / "model.ts"),
        tmp_path / "empty",
        request_for("torchscript"),
    )


@pytest.mark.parametrize(
    ("source", "target", "what"),
    [
        ("model.ts", "onnx", "TorchScript"),
        ("model.ts", "pt2", "TorchScript"),
        ("model.onnx", "pt2", ".onnx"),
        ("model.onnx", "torchscript", ".onnx"),
    ],
)
def test_an_impossible_conversion_names_the_way_out(mlp_bundle, tmp_path, source, target, what):
    shapes = ["18"] if source == "model.ts" else []
    message = assert_refused(
        ExportError,
        "cannot be turned into",
        load_model(mlp_bundle.root / source),
        tmp_path / "empty",
        request_for(target, shapes=shapes),
    )
    assert what in message
    assert "export from its source" in message


def test_a_shape_that_contradicts_the_model_is_refused(mlp_bundle, tmp_path):
    message = assert_refused(
        UsageError,
        "--input-shape",
        load_model(mlp_bundle.root / "model.onnx"),
        tmp_path / "empty",
        request_for("onnx", shapes=["17"]),
    )
    assert "[batch, 17]" in message
    assert "[batch, 18]" in message


# --- damaged sources


@pytest.mark.parametrize("damage", ["truncated", "noise", "empty", "text"])
def test_a_damaged_onnx_file_is_named(mlp_bundle, tmp_path, damage):
    content = (mlp_bundle.root / "model.onnx").read_bytes()
    spoiled = {
        "truncated": content[: len(content) // 2],
        "noise": np.random.default_rng(0).bytes(4096),
        "empty": b"",
        "text": b"version https://git-lfs.github.com/spec/v1\n",
    }[damage]
    source = tmp_path / "damaged.onnx"
    source.write_bytes(spoiled)
    folder = tmp_path / "empty"
    message = assert_refused(
        BundleError, "corrupt or truncated", load_model(source), folder, request_for("onnx")
    )
    assert str(source) in message


def fixed_batch_onnx(path, batch):
    """Write y = x w with the batch fixed, as many tools do."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.arange(6, dtype=np.float32).reshape(3, 2)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "fixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), path)
    return weights


def test_an_onnx_file_with_a_fixed_batch_is_proved_at_that_size_alone(tmp_path):
    weights = fixed_batch_onnx(tmp_path / "fixed.onnx", 4)
    bundle = write_bundle(
        load_model(tmp_path / "fixed.onnx"), tmp_path / "out", ExportRequest(formats=("onnx",))
    )
    (entry,) = bundle.manifest.files_of("onnx")
    assert [point.batch for point in entry.proof] == [4]
    assert bundle.manifest.max_batch == 4
    x = noise(4, 3)
    with open_runtime(bundle, runtime="ort-cpu") as model:
        np.testing.assert_allclose(model(x), x @ weights, rtol=1e-5)


def test_another_batch_for_a_fixed_one_is_refused(tmp_path):
    fixed_batch_onnx(tmp_path / "fixed.onnx", 4)
    assert_refused(
        UsageError,
        "fixed batch of 4",
        load_model(tmp_path / "fixed.onnx"),
        tmp_path / "empty",
        request_for("onnx"),
    )
