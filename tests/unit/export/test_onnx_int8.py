"""int8 files, with the real onnxruntime."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.core.errors import ExportError, MissingDependencyError
from spinn_edge.core.manifest import FileEntry
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import rows_as_golden
from spinn_edge.export.int8_forms import prepare, products_of, quantise
from spinn_edge.export.quantization import DYNAMIC, FORMS, STATIC, WEIGHT_ONLY, Quantization
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.runtimes import open_runtime
from tests.fakes.networks import load_factory, load_mlp, make_cnn, module_in
from tests.fakes.trt import FEATURES, write_graph, write_mlp

MAX_BATCH = 64


def export(loaded, folder, form=STATIC, **options):
    request = ExportRequest(
        formats=("onnx",),
        precisions=("int8",),
        max_batch=MAX_BATCH,
        quantization=Quantization(form=form),
        input_shapes=options.pop("shapes", ()),
    )
    return write_bundle(loaded, folder / "b", request, **options)


def int8_of(bundle) -> FileEntry:
    (entry,) = bundle.manifest.files_of("onnx", "int8")
    return entry


def run(path, x):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"input": x})[0]


def noise(rows, columns=FEATURES, seed=0):
    return np.random.default_rng(seed).standard_normal((rows, columns)).astype("float32")


# --- the file


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_written_proved_and_runs_at_any_batch(form, tmp_path):
    bundle = export(load_mlp((6, 32, 32, 3)), tmp_path, form)
    entry = int8_of(bundle)
    assert entry.path == "model.int8.onnx"
    assert [point.batch for point in entry.proof] == [1, 2, 7, MAX_BATCH]
    assert entry.details["quantization"]["form"] == form
    assert set(entry.toolchain) == {"onnx", "onnxruntime"}
    golden = bundle.golden()
    scale = np.abs(golden.outputs["output"]).max(axis=0)
    with open_runtime(bundle, runtime="ort-cpu", precision="int8") as model:
        told = {
            DYNAMIC: "this int8 file takes its ranges from each batch",
            WEIGHT_ONLY: "this int8 file keeps its weights alone in 8 bits",
        }
        notices = " ".join(model.facts.notices)
        assert notices.startswith(told[form]) if form in told else notices == ""
        for rows in (1, 2, 7, MAX_BATCH):
            sample = golden.at_batch(rows)
            error = np.abs(model(sample.inputs) - sample.outputs["output"]) / scale
            assert error.max() <= 5e-2


def test_factors_of_a_static_file_are_int8_and_inputs_and_outputs_float32(tmp_path):
    bundle = export(load_mlp((6, 32, 32, 3)), tmp_path)
    entry = int8_of(bundle)
    assert entry.details["layers"] == {"fp16": 0, "fp32": 5, "int8": 3}  # 2 tanh, 3 biases
    assert entry.details["weight_bytes"] == {"int8": 6 * 32 + 32 * 32 + 32 * 3}
    graph = onnx.load(bundle.path_of(entry)).graph
    for value in (*graph.input, *graph.output):
        assert value.type.tensor_type.elem_type == TensorProto.FLOAT
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"


def test_weights_of_a_static_file_have_a_scale_for_each_channel(tmp_path):
    bundle = export(load_mlp((6, 32, 32, 3)), tmp_path)
    tensors = {t.name: t for t in onnx.load(bundle.path_of(int8_of(bundle))).graph.initializer}
    assert list(tensors["2.weight_scale"].dims) == [32]
    zeros = numpy_helper.to_array(tensors["2.weight_zero_point"])
    assert not zeros.any()  # symmetric, as TensorRT demands


def test_onnxruntime_computes_the_products_of_a_static_file_in_int8(tmp_path):
    bundle = export(load_mlp((6, 32, 32, 3)), tmp_path)
    settings = onnxruntime.SessionOptions()
    settings.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    settings.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    settings.log_severity_level = 3
    onnxruntime.InferenceSession(
        str(bundle.path_of(int8_of(bundle))), settings, providers=["CPUExecutionProvider"]
    )
    operators = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert operators.count("QGemm") == 3
    assert "Gemm" not in operators


@pytest.mark.parametrize("form", FORMS)
def test_a_large_mlp_shrinks_to_less_than_three_tenths(form, tmp_path):
    bundle = export(load_mlp((18, 512, 512, 512, 256, 2)), tmp_path, form)
    (single,) = bundle.manifest.files_of("onnx", "fp32")
    assert int8_of(bundle).bytes <= 0.30 * single.bytes


def test_equal_models_give_equal_files(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (int8_of(export(load_mlp(), tmp_path / name)) for name in ("one", "two"))
    assert one.sha256 == two.sha256


def test_a_convolution_is_quantised_too(tmp_path):
    loaded = load_factory(make_cnn, tmp_path)
    bundle = export(loaded, tmp_path, shapes=parse_input_shapes(["3,8,8"]))
    assert int8_of(bundle).details["layers"]["int8"] == 2


def test_a_fixed_batch_is_kept(tmp_path):
    from spinn_edge.models.loading import load_model

    weights = np.random.default_rng(0).standard_normal((3, 2)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "fixed",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=10), tmp_path / "f.onnx")
    request = ExportRequest(formats=("onnx",), precisions=("int8",))
    bundle = write_bundle(load_model(tmp_path / "f.onnx"), tmp_path / "b", request)
    assert [point.batch for point in int8_of(bundle).proof] == [4]


# --- what stays float32


def with_planted_layer(widths=(8, 64, 64, 64, 2)):
    """Scale the units between two layers, and back: the same function, another range for each."""
    loaded = load_mlp(widths, "relu")
    module = module_in(loaded)
    factors = torch.logspace(-3, 3, widths[1])
    with torch.no_grad():
        module[0].weight.mul_(factors[:, None])
        module[0].bias.mul_(factors)
        module[2].weight.div_(factors)
    return loaded


@pytest.mark.parametrize("form", FORMS)
def test_a_planted_sensitive_layer_is_found_and_left_in_float32(form, tmp_path):
    bundle = export(with_planted_layer(), tmp_path, form)
    account = int8_of(bundle).details["quantization"]
    assert account["left_in_fp32"] == ["node_linear_1"]
    assert account["quantised"] == ["node_linear", "node_linear_2", "node_linear_3"]
    alone = account["error_over_scale_alone"]
    assert max(alone, key=alone.get) == "node_linear_1"
    assert account["error_over_scale"] < 4e-2 < alone["node_linear_1"]
    assert int8_of(bundle).details["weight_bytes"]["fp32"] == 4 * 64 * 64
    (words,) = (w for w in int8_of(bundle).details["conversion_warnings"] if "left in fp32" in w)
    assert "node_linear_1 (alone " in words


def test_a_model_without_a_good_int8_form_is_refused_and_nothing_is_left_behind(tmp_path):
    loaded = with_planted_layer((8, 64, 64, 2))  # what is left would be too little
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ExportError) as caught:
        export(loaded, folder)
    assert list(folder.iterdir()) == []
    message = str(caught.value)
    assert "of scale, allowed 0.04" in message
    assert "node_linear_1 (alone" in message
    assert "--data CSV" in message


def test_a_channel_of_small_scale_is_judged_by_its_own(tmp_path):
    loaded = load_mlp((6, 32, 32, 3))
    module = module_in(loaded)
    with torch.no_grad():
        module[4].weight[1] *= 1e-4
        module[4].bias[1] *= 1e-4
    bundle = export(loaded, tmp_path)
    golden = bundle.golden()
    scale = np.abs(golden.outputs["output"]).max(axis=0)
    assert scale[1] < 1e-3
    assert int8_of(bundle).details["quantization"]["left_in_fp32"] == []
    error = np.abs(
        run(bundle.path_of(int8_of(bundle)), golden.inputs["input"]) - golden.outputs["output"]
    ).max(axis=0)
    assert (error <= 4e-2 * scale).all()


# --- calibration


def quantised(form, names=("layer0",), scale=1.0, folder=None):
    model = prepare(onnx.load(write_mlp(folder / "model.onnx", (FEATURES, 16, 2))))
    names = [name for name in products_of(model, form) if name in names] or list(
        products_of(model, form)
    )
    return model, quantise(model, form, names, [{"input": scale * noise(32)}])


def scale_of(model, name):
    return next(float(numpy_helper.to_array(t)) for t in model.graph.initializer if t.name == name)


def test_ranges_of_activations_come_from_the_calibration_data(tmp_path):
    one = quantised(STATIC, folder=tmp_path)[1]
    ten = quantised(STATIC, folder=tmp_path, scale=10)[1]
    largest = np.abs(noise(32)).max()
    assert scale_of(one, "input_scale") == pytest.approx(largest / 127, rel=0.01)
    assert scale_of(ten, "input_scale") == pytest.approx(10 * largest / 127, rel=0.01)


def test_the_bundles_golden_inputs_are_the_calibration_data(tmp_path):
    rows = 100.0 * noise(50, 4).astype(np.float64)
    loaded = load_mlp()
    with torch.no_grad():
        module_in(loaded)[0].weight /= 100
    bundle = export(loaded, tmp_path, golden=rows_as_golden(rows, "wear.csv"))
    entry = int8_of(bundle)
    model = onnx.load(bundle.path_of(entry))
    assert scale_of(model, "input_scale") == pytest.approx(np.abs(rows).max() / 127, rel=0.01)
    assert entry.details["quantization"]["calibrated_on"] == "50 rows of wear.csv"
    assert not any("noise" in words for words in entry.details["conversion_warnings"])


def test_calibration_takes_more_rows_than_the_largest_batch(tmp_path):
    rows = noise(500, 4).astype(np.float64)
    request = ExportRequest(formats=("onnx",), precisions=("int8",), max_batch=1)
    maker = rows_as_golden(rows, "wear.csv")
    bundle = write_bundle(load_mlp(), tmp_path / "b", request, golden=maker)
    assert bundle.golden().rows == 1
    assert int8_of(bundle).details["quantization"]["calibrated_on"] == "500 rows of wear.csv"


def test_calibration_on_noise_is_said(tmp_path):
    entry = int8_of(export(load_mlp(), tmp_path))
    assert any("taken from noise" in words for words in entry.details["conversion_warnings"])


@pytest.mark.parametrize("form", [DYNAMIC, WEIGHT_ONLY])
def test_forms_without_calibration_say_none(form, tmp_path):
    entry = int8_of(export(load_mlp(), tmp_path, form))
    assert entry.details["quantization"]["calibrated_on"] is None
    assert not any("noise" in words for words in entry.details["conversion_warnings"])


# --- graphs of other tools


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_either_way_round_computes_the_same(form, transposed, tmp_path):
    weight = np.random.default_rng(1).standard_normal((FEATURES, 5)).astype("float32")
    weight[:, 0] *= 100  # so that scales along the wrong axis show
    held = weight.T.copy() if transposed else weight
    bias = np.arange(5, dtype="float32")
    node = helper.make_node("Gemm", ["input", "w", "b"], ["output"], transB=transposed)
    tensors = [numpy_helper.from_array(held, "w"), numpy_helper.from_array(bias, "b")]
    source = write_graph(tmp_path / "m.onnx", [node], FEATURES, 5, tensors)
    model = prepare(onnx.load(source))
    made = quantise(model, form, list(products_of(model, form)), [{"input": noise(64)}])
    onnx.save(made, tmp_path / "q.onnx")
    x = noise(20)
    exact = x @ weight + bias
    error = np.abs(run(tmp_path / "q.onnx", x) - exact).max(axis=0)
    assert (error <= 0.02 * np.abs(exact).max(axis=0)).all()


def test_nodes_without_names_get_their_own(tmp_path):
    weights = [numpy_helper.from_array(np.ones((3, 3), "float32"), name) for name in "ab"]
    nodes = [
        helper.make_node("MatMul", ["input", "a"], ["h"]),
        helper.make_node("MatMul", ["h", "b"], ["output"]),
    ]
    model = prepare(onnx.load(write_graph(tmp_path / "m.onnx", nodes, 3, 3, weights)))
    assert len(products_of(model, STATIC)) == 2


def test_a_product_of_two_activations_is_left_alone(tmp_path):
    weights = [numpy_helper.from_array(np.eye(3, dtype="float32"), "w")]
    nodes = [
        helper.make_node("MatMul", ["input", "w"], ["h"], name="weights"),
        helper.make_node("Mul", ["h", "input"], ["output"], name="product"),
    ]
    model = prepare(onnx.load(write_graph(tmp_path / "m.onnx", nodes, 3, 3, weights)))
    assert products_of(model, STATIC) == {"weights": 9}


def test_one_weight_of_two_products_is_kept_once(tmp_path):
    weights = [numpy_helper.from_array(np.eye(3, dtype="float32"), "w")]
    nodes = [
        helper.make_node("MatMul", ["input", "w"], ["h"], name="first"),
        helper.make_node("MatMul", ["h", "w"], ["output"], name="second"),
    ]
    model = prepare(onnx.load(write_graph(tmp_path / "m.onnx", nodes, 3, 3, weights)))
    both = quantise(model, WEIGHT_ONLY, ["first", "second"], [])
    assert [n.op_type for n in both.graph.node].count("DequantizeLinear") == 1
    one = quantise(model, WEIGHT_ONLY, ["first"], [])
    kinds = {t.name: t.data_type for t in one.graph.initializer}
    assert kinds["w"] == TensorProto.FLOAT  # the second still reads it
    onnx.checker.check_model(one, full_check=True)


def test_a_channel_of_zeros_stays_zero(tmp_path):
    weight = np.eye(3, dtype="float32")
    weight[:, 1] = 0
    node = helper.make_node("MatMul", ["input", "w"], ["output"], name="product")
    source = write_graph(tmp_path / "m.onnx", [node], 3, 3, [numpy_helper.from_array(weight, "w")])
    made = quantise(prepare(onnx.load(source)), WEIGHT_ONLY, ["product"], [])
    onnx.save(made, tmp_path / "q.onnx")
    np.testing.assert_allclose(run(tmp_path / "q.onnx", np.ones((1, 3), "float32")), [[1, 0, 1]])


def job_for(source, folder) -> Any:
    from spinn_edge.export.registry import ExportJob

    return ExportJob(
        module=None, sample={}, inputs=(), outputs=(), max_batch=4, folder=folder, out=folder,
        files={("onnx", "fp32"): source}, precision="int8",
    )  # fmt: skip


def test_a_graph_with_nothing_to_quantise_is_refused(tmp_path):
    from spinn_edge.export.onnx_int8 import convert_to_int8

    node = helper.make_node("Exp", ["input"], ["output"])
    source = write_graph(tmp_path / "model.onnx", [node], 3, 3)
    with pytest.raises(ExportError, match="no matrix product or convolution"):
        convert_to_int8(job_for(source, tmp_path))


def test_what_is_no_graph_is_refused(tmp_path):
    from spinn_edge.export.onnx_int8 import convert_to_int8

    (tmp_path / "model.onnx").write_bytes(b"no graph at all")
    with pytest.raises(ExportError, match=r"model\.onnx cannot be read"):
        convert_to_int8(job_for(tmp_path / "model.onnx", tmp_path))


def test_a_graph_that_the_quantizer_refuses_is_told_in_its_words(tmp_path):
    model = prepare(onnx.load(write_mlp(tmp_path / "model.onnx")))
    name = next(iter(products_of(model, STATIC)))
    with pytest.raises(ExportError, match=r"cannot be turned into int8 \("):
        quantise(model, STATIC, [name], [{"another": noise(4)}])


def test_without_onnxruntime_the_extra_is_named(tmp_path, monkeypatch):
    import sys

    from spinn_edge.export.onnx_int8 import convert_to_int8

    source = write_mlp(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[ort\]"):
        convert_to_int8(job_for(source, tmp_path))


def test_logging_is_left_as_it_was(tmp_path):
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    quantised(STATIC, folder=tmp_path)
    assert (root.level, list(root.handlers)) == before


# --- engines


def test_engines_are_built_from_a_static_file_and_from_weights_alone(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    for form in (STATIC, WEIGHT_ONLY):
        request = ExportRequest(
            formats=("trt",), precisions=("int8",), max_batch=8,
            compute_capabilities=("SM86",), quantization=Quantization(form=form),
        )  # fmt: skip
        bundle = write_bundle(load_mlp(), tmp_path / form, request)
        (engine,) = bundle.manifest.files_of("trt", "int8")
        assert engine.path == "model.int8.sm86.engine"
        assert engine.details["onnx_sha256"] == int8_of(bundle).sha256
        assert engine.details["layers"] == int8_of(bundle).details["layers"]


def test_an_engine_is_built_from_int8_convolutions(tmp_path):
    pytest.importorskip("tensorrt_rtx")
    request = ExportRequest(
        formats=("trt",),
        precisions=("int8",),
        max_batch=256,
        compute_capabilities=("SM86",),
        input_shapes=parse_input_shapes(["3,8,8"]),
    )
    loaded = load_factory(make_cnn, tmp_path)
    bundle = write_bundle(loaded, tmp_path / "b", request)
    (engine,) = bundle.manifest.files_of("trt", "int8")
    assert engine.details["layers"]["int8"] >= 1


def test_an_engine_of_a_dynamic_file_is_refused_in_words(tmp_path):
    request = ExportRequest(
        formats=("trt",), precisions=("int8",), quantization=Quantization(form=DYNAMIC),
        max_batch=8,
    )  # fmt: skip
    with pytest.raises(ExportError, match="use --int8 static or weight-only"):
        write_bundle(load_mlp(), tmp_path / "b", replace(request))
