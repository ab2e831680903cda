import sys
from dataclasses import replace

import onnx
import pytest
from onnx import numpy_helper

from spinn_edge.accuracy.precision.truth import check_claims
from spinn_edge.accuracy.verification import verify_bundle
from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.export.bundling import ExportRequest, write_bundle
from tests.fakes.networks import load_mlp

FORMATS = ("torchscript", "pt2", "onnx")


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    request = ExportRequest(formats=FORMATS, precisions=("fp32", "fp16", "int8"), max_batch=8)
    return write_bundle(load_mlp((4, 16, 16, 2)), tmp_path_factory.mktemp("honest") / "b", request)


def planted(bundle, folder, path, content):
    """Copy a bundle, put other bytes into one file, and let the manifest agree with them."""
    import shutil

    shutil.copytree(bundle.root, folder)
    (folder / path).write_bytes(content)
    files = [
        replace(
            entry,
            bytes=(new := describe_file(folder, entry.path, entry.format)).bytes,
            sha256=new.sha256,
        )
        for entry in bundle.manifest.files
    ]
    finish(folder, replace(bundle.manifest, files=tuple(files)))
    return Bundle.load(folder)


def test_honest_files_hold_what_they_claim(honest):
    claims = {claim.path: claim for claim in check_claims(honest)}
    assert set(claims) == {"model.fp16.ts", "model.fp16.pt2", "model.fp16.onnx", "model.int8.onnx"}
    assert all(claim.holds and claim.reason is None for claim in claims.values())
    assert claims["model.int8.onnx"].layers["int8"] > 0
    assert claims["model.int8.onnx"].weight_bytes["int8"] > 0
    assert verify_bundle(honest, ["ort-cpu", "torchscript", "pt2"]).passed


@pytest.mark.parametrize(
    ("path", "source", "runtime"),
    [
        ("model.fp16.onnx", "model.onnx", "ort-cpu"),
        ("model.int8.onnx", "model.onnx", "ort-cpu"),
        ("model.int8.onnx", "model.fp16.onnx", "ort-cpu"),
        ("model.fp16.ts", "model.ts", "torchscript"),
        ("model.fp16.pt2", "model.pt2", "pt2"),
    ],
)
def test_a_float32_file_that_claims_more_fails_verify(honest, tmp_path, path, source, runtime):
    liar = planted(honest, tmp_path / "liar", path, (honest.root / source).read_bytes())
    verification = verify_bundle(liar, [runtime])
    assert all(check.passed for check in verification.checks)  # its outputs are better, not worse
    assert not verification.passed
    (claim,) = [claim for claim in verification.claims if not claim.holds]
    assert claim.path == path
    assert f"{path} is written down as {claim.precision}, but" in (claim.reason or "")


def test_one_small_layer_is_not_enough(honest, tmp_path):
    """Most weights float again: the claim is about the file, not about one corner of it."""
    model = onnx.load(honest.root / "model.int8.onnx")
    names = {t.name: t for t in model.graph.initializer}
    biggest = max(
        (t for t in names.values() if t.data_type == onnx.TensorProto.INT8),
        key=lambda t: len(t.raw_data),
    )
    values = numpy_helper.to_array(biggest).astype("float32")
    (node,) = (n for n in model.graph.node if n.input and n.input[0] == biggest.name)
    scale = numpy_helper.to_array(names[node.input[1]])
    biggest.CopyFrom(numpy_helper.from_array(values * scale[:, None], node.output[0]))
    model.graph.node.remove(node)
    liar = planted(honest, tmp_path / "liar", "model.int8.onnx", model.SerializeToString())
    (claim,) = check_claims(liar, ["onnx"], ["int8"])
    assert claim.holds is False
    assert "of its weights are in int8" in (claim.reason or "")


def test_only_files_of_the_runtimes_and_precisions_that_were_asked_for_are_opened(honest):
    verification = verify_bundle(honest, ["ort-cpu"], precisions=["fp16"])
    assert [claim.path for claim in verification.claims] == ["model.fp16.onnx"]


def test_without_onnx_it_is_said_and_nothing_fails(honest, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    verification = verify_bundle(honest, ["ort-cpu"])
    assert verification.passed
    assert {claim.reason for claim in verification.claims} == {"not checked: onnx is not installed"}
    assert all(claim.holds is None for claim in verification.claims)


def test_a_file_that_cannot_be_read_breaks_its_claim(honest, tmp_path):
    liar = planted(honest, tmp_path / "liar", "model.fp16.onnx", b"no graph at all")
    (claim,) = check_claims(liar, ["onnx"], ["fp16"])
    assert claim.holds is False
