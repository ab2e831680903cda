"""Layer by layer, with real exports and planted faults."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from spinn_edge.accuracy.divergence import locating as module
from spinn_edge.accuracy.divergence.layer_pairs import BY_ORDER, BY_PATH, BY_TENSOR
from spinn_edge.accuracy.divergence.locating import (
    EAGER,
    ONNX_REFERENCE,
    Divergence,
    locate_divergence,
)
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, MissingDependencyError, RuntimeUnavailableError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import load_model
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes.networks import load_factory, load_mlp, make_cnn, make_two_by_two

TRUSTED = OpenOptions(trust_factory=True)


class SharedActivation(nn.Module):
    """One activation for two layers, an in-place one, dropout, and a residual add."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third, self.last = (nn.Linear(4, 4) for _ in range(4))
        self.act, self.inplace = nn.Tanh(), nn.ReLU(inplace=True)
        self.dropout = nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.act(self.first(x))
        hidden = self.dropout(self.act(self.second(hidden)) + hidden)
        result: Tensor = self.last(self.inplace(self.third(hidden)))
        return result


def make_shared() -> nn.Module:
    return SharedActivation()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle of a tanh MLP with ONNX in fp32 and fp16."""
    request = ExportRequest(formats=("onnx",), precisions=("fp32", "fp16"), max_batch=16)
    return write_bundle(load_mlp(), tmp_path_factory.mktemp("written") / "mlp", request).root


@pytest.fixture
def mlp(written: Path, tmp_path: Path) -> Bundle:
    """Return a copy of it to spoil."""
    shutil.copytree(written, tmp_path / "mlp")
    return Bundle.load(tmp_path / "mlp")


def mlp_bundle(folder: Path, *precisions: str, activation: str) -> Bundle:
    request = ExportRequest(formats=("onnx",), precisions=precisions or ("fp32",), max_batch=16)
    return write_bundle(load_mlp(activation=activation), folder / "mlp", request)


def factory_bundle(make: Callable[[], nn.Module], shapes: list[str], folder: Path) -> Bundle:
    request = ExportRequest(formats=("onnx",), input_shapes=parse_input_shapes(shapes), max_batch=8)
    return write_bundle(load_factory(make, folder), folder / make.__name__, request)


def change_weight(
    bundle: Bundle, name: str, change: Callable[[np.ndarray], np.ndarray], file: str = "model.onnx"
) -> None:
    graph = onnx.load(bundle.root / file)
    (tensor,) = (t for t in graph.graph.initializer if t.name == name)
    values = change(numpy_helper.to_array(tensor).copy())
    tensor.CopyFrom(numpy_helper.from_array(values, name))
    onnx.save(graph, bundle.root / file)


def names(found: Divergence) -> list[str]:
    return [layer.layer for layer in found.layers]


@pytest.mark.parametrize("activation", ["tanh", "relu", "gelu", "silu", "sin"])
def test_a_good_file_has_no_layer_beyond_tolerance(tmp_path: Path, activation: str) -> None:
    found = locate_divergence(mlp_bundle(tmp_path, activation=activation))
    assert found.passed
    assert found.first is None
    assert names(found) == ["0", "1", "2", "3", "4"]
    assert found.unmatched == ()
    assert (found.matched_by, found.reference) == (BY_PATH, EAGER)
    assert 0 < found.worst.used_share < 1


@pytest.mark.parametrize(
    ("weight", "layer"), [("0.weight", "0"), ("2.weight", "2"), ("4.weight", "4")]
)
@pytest.mark.parametrize("factor", [1.01, 1.001])
def test_the_layer_with_scaled_weights_is_named(
    mlp: Bundle, weight: str, layer: str, factor: float
) -> None:
    change_weight(mlp, weight, lambda w: w * np.float32(factor))
    first = locate_divergence(mlp).first
    assert first is not None
    assert (first.layer, first.kind, first.operator) == (layer, "Linear", "Gemm")
    assert first.name.startswith(f"layer '{layer}' (Linear), node node_linear")
    assert first.max_abs is not None
    assert first.max_abs > first.tolerance
    assert "differs by" in str(first.reason)


def test_where_the_largest_difference_lies_is_that_value(mlp: Bundle) -> None:
    change_weight(mlp, "2.bias", lambda b: b + np.eye(1, 8, 5, dtype=np.float32)[0])
    first = locate_divergence(mlp).first
    assert first is not None
    assert first.layer == "2"
    assert first.where[1] == 5
    assert first.max_abs == pytest.approx(1.0, rel=1e-5)
    assert first.deployed.max != first.reference.max


def test_a_small_output_channel_has_its_own_limit(tmp_path: Path) -> None:
    loaded = load_mlp()
    assert loaded.module is not None
    with torch.no_grad():
        loaded.module[-1].weight[0] *= 1e-4  # type: ignore[index]
        loaded.module[-1].bias[0] *= 1e-4  # type: ignore[index]
    bundle = write_bundle(loaded, tmp_path / "b", ExportRequest(formats=("onnx",), max_batch=16))

    def zero_small_channel(values: np.ndarray) -> np.ndarray:
        values[0] = 0
        return values

    change_weight(bundle, "4.weight", zero_small_channel)
    first = locate_divergence(bundle).first
    assert first is not None
    assert first.layer == "4"
    assert first.where[1] == 0


def test_nan_is_named_with_its_layer_and_share(mlp: Bundle) -> None:
    change_weight(mlp, "2.bias", lambda b: np.where(np.arange(8) == 3, np.nan, b))
    found = locate_divergence(mlp)
    first = found.first
    assert first is not None
    assert first.layer == "2"
    assert first.max_abs is None
    assert first.where == (0, 3)
    assert first.deployed.not_finite_share == pytest.approx(1 / 8)
    assert first.reference.not_finite_share == 0
    assert "NaN or Inf" in str(first.reason)
    assert found.worst.used_share == np.inf


def test_an_fp16_file_says_where_it_is_worst(mlp: Bundle) -> None:
    found = locate_divergence(mlp, "fp16")
    assert found.passed
    assert found.file == "model.fp16.onnx"
    assert names(found) == ["0", "1", "2", "3", "4"]
    single = locate_divergence(mlp)
    for half, full in zip(found.layers, single.layers, strict=True):
        assert half.max_abs is not None
        assert full.max_abs is not None
        assert half.max_abs > 10 * full.max_abs, "the rounding of float16 must be seen"


def test_an_overflow_of_fp16_is_named_where_it_begins(tmp_path: Path) -> None:
    bundle = mlp_bundle(tmp_path, "fp32", "fp16", activation="relu")
    change_weight(bundle, "2.weight", lambda w: w * 0 + np.float16(60000), "model.fp16.onnx")
    first = locate_divergence(bundle, "fp16").first
    assert first is not None
    assert first.layer == "2"
    assert first.deployed.not_finite_share > 0


@pytest.mark.parametrize("form", ["static", "dynamic"])
def test_layers_of_an_int8_file_are_found_behind_its_new_nodes(tmp_path: Path, form: str) -> None:
    from spinn_edge.export.quantization import Quantization

    loaded = load_mlp((4, 32, 32, 2))
    request = ExportRequest(
        formats=("onnx",),
        precisions=("fp32", "int8"),
        max_batch=16,
        quantization=Quantization(form=form),
    )
    bundle = write_bundle(loaded, tmp_path / "b", request)
    found = locate_divergence(bundle, "int8")
    assert found.passed
    assert names(found) == ["0", "1", "2", "3", "4"]
    assert found.unmatched == ()


def test_a_batch_norm_that_was_folded_is_found_and_the_rest_listed(tmp_path: Path) -> None:
    found = locate_divergence(factory_bundle(make_cnn, ["3,8,8"], tmp_path), options=TRUSTED)
    assert found.passed
    assert names(found) == ["1", "2", "3", "4", "5"]
    (convolution,) = found.unmatched
    assert (convolution.name, convolution.kind) == ("0", "Conv2d")
    assert "joined with another layer" in convolution.reason


def test_what_a_forward_computes_itself_is_listed_and_outputs_are_compared(tmp_path: Path) -> None:
    bundle = factory_bundle(make_two_by_two, ["a=3", "b=2"], tmp_path)
    found = locate_divergence(bundle, options=TRUSTED)
    assert found.passed
    assert [layer.name for layer in found.layers][2].startswith("output 'output_0'")
    assert [(item.kind, item.reason.partition(",")[0]) for item in found.unmatched] == [
        ("Tanh", "computed outside of a layer")
    ]


def test_each_call_of_a_shared_module_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = make_shared().eval()
    monkeypatch.setattr(module, "module_of", lambda bundle, trust_factory: network)
    loaded = replace(load_mlp((4, 4)), module=network)
    bundle = write_bundle(loaded, tmp_path / "b", ExportRequest(formats=("onnx",), max_batch=8))
    found = locate_divergence(bundle)
    assert found.passed
    assert names(found) == ["first", "act", "second", "act", "third", "inplace", "last"]
    assert [item.kind for item in found.unmatched] == ["Add"]

    change_weight(bundle, "second.weight", lambda w: w * np.float32(1.01))
    first = locate_divergence(bundle).first
    assert first is not None
    assert first.layer == "second"


def without_scopes(bundle: Bundle) -> None:
    graph = onnx.load(bundle.root / "model.onnx")
    for node in graph.graph.node:
        del node.metadata_props[:]
    onnx.save(graph, bundle.root / "model.onnx")


def test_order_and_shape_tell_where_the_file_names_no_modules(mlp: Bundle) -> None:
    without_scopes(mlp)
    found = locate_divergence(mlp)
    assert (found.matched_by, found.passed) == (BY_ORDER, True)
    assert names(found) == ["0", "1", "2", "3", "4"]
    change_weight(mlp, "2.weight", lambda w: w * np.float32(1.01))
    first = locate_divergence(mlp).first
    assert first is not None
    assert first.layer == "2"


def test_a_bundle_of_a_foreign_onnx_file_is_held_against_its_float64(
    mlp: Bundle, tmp_path: Path
) -> None:
    request = ExportRequest(formats=("onnx",), precisions=("fp32", "fp16"), max_batch=16)
    foreign = write_bundle(load_model(mlp.root / "model.onnx"), tmp_path / "foreign", request)
    for precision in ("fp32", "fp16"):
        found = locate_divergence(foreign, precision)
        assert found.passed
        assert (found.matched_by, found.reference) == (BY_TENSOR, ONNX_REFERENCE)
    change_weight(foreign, "2.weight", lambda w: w * np.float16(1.05), "model.fp16.onnx")
    first = locate_divergence(foreign, "fp16").first
    assert first is not None
    assert first.tensor == "linear_1"


def test_nodes_run_as_the_file_has_them(mlp: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    levels = []
    session = ort.InferenceSession

    def open_session(model: bytes, settings: Any, **others: Any) -> Any:
        levels.append(settings.graph_optimization_level)
        return session(model, settings, **others)

    monkeypatch.setattr(ort, "InferenceSession", open_session)
    locate_divergence(mlp)
    assert set(levels) == {ort.GraphOptimizationLevel.ORT_DISABLE_ALL}


def test_samples_that_do_not_fit_into_memory_are_left_out(
    mlp: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 3 * 8 * (8 * 4 + 2))
    found = locate_divergence(mlp)
    assert (found.rows, found.golden_rows) == (3, 16)


def test_a_bundle_without_onnx_says_what_to_type(tmp_path: Path) -> None:
    bundle = write_bundle(load_mlp(), tmp_path / "b", ExportRequest(max_batch=4))
    with pytest.raises(RuntimeUnavailableError, match="holds no fp32 onnx file; add it with"):
        locate_divergence(bundle)


def test_without_torch_it_says_what_to_install(
    mlp: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(MissingDependencyError, match=r"spinn-edge\[export\]"):
        locate_divergence(mlp)


def test_a_damaged_file_is_told_as_such(mlp: Bundle) -> None:
    (mlp.root / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="no valid ONNX file"):
        locate_divergence(mlp)
