"""Bundles whose model gives derivatives: every form against float64 autograd of the original."""

import itertools
import json
import shutil
from dataclasses import replace

import numpy as np
import onnx
import pytest
import torch

from spinn_edge.accuracy.verification import verify_bundle
from spinn_edge.core.bundle import Bundle, sha256_of
from spinn_edge.core.errors import BundleError, ExportError, UsageError
from spinn_edge.core.manifest import Manifest
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.derivatives import SHARES, differentiated
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models import tangents
from spinn_edge.models.loading import LoadOptions, load_model
from spinn_edge.models.modules import MLP
from spinn_edge.runtimes import open_runtime
from spinn_edge.runtimes.trt.backend import RTX
from tests.fakes.derivative_networks import (
    ALLOWED,
    OUTPUTS,
    REQUESTS,
    by_autograd,
    derivative_errors,
    random_mlp,
)
from tests.fakes.networks import load_mlp, module_in
from tests.fakes.physics_networks import make_residual

SEEDS = (0, 9, 11, 41)
"""Each activation and each depth once; ``benchmarks/accuracy_check.py`` goes through many more."""


def test_the_random_mlps_differ_in_activation_and_depth():
    chosen = [random_mlp(seed) for seed in SEEDS]
    assert {mlp.activation for mlp in chosen} == {"tanh", "sin", "silu", "gelu"}
    assert {len(mlp.widths) - 2 for mlp in chosen} == {1, 2, 3, 4}


@pytest.mark.parametrize("seed", SEEDS)
def test_onnx_of_random_mlps_equals_float64_autograd_at_every_batch(seed, tmp_path):
    errors = derivative_errors(seed, tmp_path / "b")
    assert {order: error <= ALLOWED[order] for order, error in errors.items()} == {
        1: True,
        2: True,
    }


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    """A 3-16-16-2 tanh MLP with three derivatives in every CPU format; never change it."""
    return write_bundle(
        differentiated(load_mlp((3, 16, 16, 2)), tuple(REQUESTS)),
        tmp_path_factory.mktemp("derivatives") / "b",
        ExportRequest(formats=("torchscript", "pt2", "onnx"), max_batch=16),
    )


def test_every_form_is_proved_and_verified(bundle):
    for name in ("torchscript", "pt2", "onnx"):
        (entry,) = bundle.manifest.files_of(name)
        assert [point.batch for point in entry.proof] == [1, 2, 7, 16]
    checked = verify_bundle(bundle, ["eager", "torchscript", "pt2", "ort-cpu"])
    assert checked.passed
    assert len(checked.checks) == 16


def test_outputs_are_the_originals_then_each_derivative(bundle):
    assert [spec.name for spec in bundle.manifest.outputs] == list(OUTPUTS)
    assert [spec.shape for spec in bundle.manifest.outputs[1:]] == [(None, 1)] * 3
    with open_runtime(bundle, runtime="ort-cpu") as model:
        outputs = model(np.zeros((5, 3), np.float32))
    assert list(outputs) == list(OUTPUTS)


def test_limits_are_a_share_of_scale_and_eagers_own_error(bundle):
    for name, share in zip(OUTPUTS, (1e-5, SHARES[1], SHARES[2], SHARES[2]), strict=True):
        limit = bundle.manifest.parity[name]
        assert limit.share == share
        assert limit.tolerance[0] == pytest.approx(share * limit.scale[0] + limit.eager_error[0])


def test_golden_outputs_are_autograd_of_the_original(bundle):
    golden = bundle.golden()
    mlp = load_mlp((3, 16, 16, 2)).module
    assert mlp is not None
    expected = by_autograd(mlp, golden.inputs["input"], 1, 0, 2)
    np.testing.assert_allclose(golden.outputs[OUTPUTS[3]][:, 0], expected, rtol=1e-12, atol=1e-15)


def test_weights_are_the_original_networks(bundle):
    loaded = load_model(bundle.root / "model.safetensors", LoadOptions(activation="tanh"))
    assert isinstance(loaded.module, MLP)
    assert bundle.manifest.parameters == sum(p.numel() for p in loaded.module.parameters())


def test_exported_again_it_gives_the_same_derivatives(bundle, tmp_path):
    again = write_bundle(
        load_model(bundle.root), tmp_path / "again", ExportRequest(formats=("onnx",))
    )
    assert again.manifest.architecture == bundle.manifest.architecture
    assert again.manifest.outputs == bundle.manifest.outputs
    assert again.manifest.golden_source == bundle.manifest.golden_source


def test_asked_for_again_derivatives_are_replaced(bundle):
    loaded = differentiated(load_model(bundle.root), ("output.1:input.1",))
    assert module_in(loaded).output_names == ("output", "d_output_1_d_input_1")


def test_none_asked_for_is_the_model_itself():
    loaded = load_mlp((3, 4, 2))
    assert differentiated(loaded, ()) is loaded


def test_a_factory_is_rebuilt_with_its_derivatives(tmp_path):
    torch.save(make_residual().state_dict(), tmp_path / "weights.pt")
    loaded = load_model(
        "tests.fakes.physics_networks:make_residual", LoadOptions(weights=tmp_path / "weights.pt")
    )
    shapes = parse_input_shapes(["3"])
    written = write_bundle(
        differentiated(loaded, ("output.0:input.2:input.1",), shapes),
        tmp_path / "b",
        ExportRequest(formats=("onnx",), input_shapes=shapes, max_batch=8),
    )
    module = module_in(load_model(written.root, LoadOptions(trust_factory=True)))
    assert module.output_names == ("output", "d2_output_0_d_input_2_d_input_1")


def test_a_wrong_derivative_is_not_taken_for_rounding(monkeypatch, tmp_path):
    wrong = tangents.Activation(slopes=lambda h, order: (torch.tanh(h), 1 - h * h, -2 * h))
    monkeypatch.setitem(tangents.ACTIVATIONS, "tanh", wrong)
    with pytest.raises(ExportError, match=r"'output.0:input.1' that was built differs"):
        write_bundle(
            differentiated(load_mlp((3, 16, 2)), tuple(REQUESTS)), tmp_path / "b", ExportRequest()
        )
    assert not (tmp_path / "b").exists()


def test_a_derivative_of_the_wrong_sign_in_a_file_fails_verification(bundle, tmp_path):
    root = tmp_path / "flipped"
    shutil.copytree(bundle.root, root)
    model = onnx.load(root / "model.onnx")
    (last,) = (node for node in model.graph.node if OUTPUTS[3] in node.output)
    last.output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Neg", ["before"], [OUTPUTS[3]]))
    onnx.save(model, root / "model.onnx")
    (entry,) = bundle.manifest.files_of("onnx")
    changed = replace(entry, **file_facts(root / "model.onnx"))
    flipped = Bundle(root=root, manifest=replace(bundle.manifest, files=(changed,)))
    checks = verify_bundle(flipped, ["ort-cpu"]).checks
    assert not any(check.passed for check in checks)
    assert OUTPUTS[3] in (checks[0].reason or "")


def file_facts(path):
    return {"bytes": path.stat().st_size, "sha256": sha256_of(path)}


def test_a_pickled_module_gives_derivatives_too(tmp_path):
    torch.save(module_in(load_mlp((3, 8, 2))), tmp_path / "whole.pt")
    loaded = load_model(tmp_path / "whole.pt", LoadOptions(trust_pickle=True))
    shapes = parse_input_shapes(["3"])
    written = write_bundle(
        differentiated(loaded, tuple(REQUESTS), shapes),
        tmp_path / "b",
        ExportRequest(formats=("torchscript", "onnx"), input_shapes=shapes, max_batch=8),
    )
    assert [spec.name for spec in written.manifest.outputs] == list(OUTPUTS)
    assert not written.manifest.files_of("weights")
    again = write_bundle(load_model(written.root), tmp_path / "again", ExportRequest())
    assert verify_bundle(written, ["torchscript", "ort-cpu"]).passed
    assert [spec.name for spec in again.manifest.outputs] == list(OUTPUTS)
    assert again.manifest.parity[OUTPUTS[3]].share == SHARES[2]


@pytest.mark.parametrize("name", ["model.ts", "model.pt2", "model.onnx"])
def test_exported_programs_are_refused(bundle, name):
    with pytest.raises(UsageError, match="is an exported program"):
        differentiated(load_model(bundle.root / name), tuple(REQUESTS))


def test_a_manifest_that_does_not_fit_its_network_is_damaged(bundle, tmp_path):
    root = tmp_path / "damaged"
    shutil.copytree(bundle.root, root)
    data = json.loads((root / "manifest.json").read_text())
    data["architecture"]["derivatives"][0]["inputs"][0]["tensor"] = "other"
    (root / "manifest.json").write_text(json.dumps(data))
    with pytest.raises(BundleError, match="derivatives do not fit its network"):
        load_model(root)


def test_manifests_from_before_derivatives_are_read(tiny_bundle):
    data = json.loads((tiny_bundle.root / "manifest.json").read_text())
    del data["architecture"]["derivatives"]
    for limit in data["parity"].values():
        del limit["share"]
    manifest = Manifest.from_text(json.dumps(data))
    assert manifest == tiny_bundle.manifest


def test_engines_are_built_from_the_derivative_graph(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason=f"{RTX} is not installed")
    written = write_bundle(
        differentiated(load_mlp((3, 16, 16, 2)), tuple(REQUESTS)),
        tmp_path / "b",
        ExportRequest(formats=("trt",), max_batch=16, compute_capabilities=("SM86",)),
    )
    (engine,) = written.manifest.files_of("trt")
    assert engine.bytes > 0
    assert engine.proof or engine.unproved
    graph = onnx.load(written.path_of(written.manifest.files_of("onnx")[0])).graph
    assert [value.name for value in graph.output] == list(OUTPUTS)
    for value in graph.output:
        assert value.type.tensor_type.shape.dim[0].dim_param == "batch"
    assert Bundle.load(written.root).manifest == written.manifest
    assert list(itertools.chain(written.manifest.parity)) == list(OUTPUTS)
