"""Faults in real ONNX files of real bundles, for tests and for ``benchmarks/accuracy_check.py``."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.core.golden import GOLDEN_NAME, Golden
from spinn_edge.core.manifest import MANIFEST_NAME, Architecture, Manifest
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import rows_as_golden
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP, linear_layers
from tests.fakes.networks import load_factory, make_named

MAX_BATCH = 64
NAN_ROW = 17
SMALL_SCALE = 1e-4


@dataclass(frozen=True)
class Fault:
    """A fault, and what ``spinn-edge verify`` must do about it.

    Attributes:
        name: in a table.
        plant: changes the bundle in a folder.
        named: words that its message must hold.
        exit_code: of ``spinn-edge verify``.
    """

    name: str
    plant: Callable[[Path], None]
    named: tuple[str, ...]
    exit_code: int = 8


def write_sound_bundles(folder: Path) -> None:
    """Write ``mlp`` (4-24-24-2, its first output of scale 1e-4) and ``heads`` (outputs z and a)."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = MLP((4, 24, 24, 2), "tanh").eval()
    with torch.no_grad():
        for parameter in linear_layers(mlp)[-1].parameters():
            parameter[0] *= SMALL_SCALE
    rows = np.random.default_rng(0).uniform(-2, 3, (MAX_BATCH, 4))
    write_bundle(
        LoadedModel(
            origin="an MLP",
            architecture=Architecture(kind="mlp", widths=mlp.widths, activation="tanh"),
            module=mlp,
        ),
        folder / "mlp",
        ExportRequest(formats=("onnx",), max_batch=MAX_BATCH),
        golden=rows_as_golden(rows, "a table"),
    )
    write_bundle(
        load_factory(make_named, folder),
        folder / "heads",
        ExportRequest(
            formats=("onnx",), max_batch=MAX_BATCH, input_shapes=parse_input_shapes(["3"])
        ),
    )


def rewrite_onnx(root: Path, change: Callable[[Any], None]) -> None:
    """Change the bundle's ONNX file and write size and hash of the new one into its manifest."""
    path = root / "model.onnx"
    model = onnx.load(path)
    change(model)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    describe_again(root, "model.onnx")


def describe_again(root: Path, *names: str) -> None:
    """Write size and hash of changed files into the manifest, as somebody who hides it would."""
    manifest = Manifest.from_text((root / MANIFEST_NAME).read_text(encoding="utf-8"))
    files = []
    for entry in manifest.files:
        if entry.path in names:
            now = describe_file(root, entry.path, entry.format)
            entry = replace(entry, bytes=now.bytes, sha256=now.sha256)
        files.append(entry)
    finish(root, replace(manifest, files=tuple(files)))


def nan_in_one_row(root: Path) -> None:
    row = Bundle.load(root).golden().inputs["input"][NAN_ROW : NAN_ROW + 1]

    def change(model: Any) -> None:
        _constant(model, "planted.row", row)
        _where_all(model, "Equal", "planted.row", "planted.nan")
        _constant(model, "planted.nan", np.array(np.nan, np.float32))

    rewrite_onnx(root, change)


def small_channel_zeroed(root: Path) -> None:
    def change(model: Any) -> None:
        for name in ("4.weight", "4.bias"):
            _edit(model, name, lambda array: array.__setitem__(0, 0.0))

    rewrite_onnx(root, change)


def outputs_swapped(root: Path) -> None:
    def change(model: Any) -> None:
        other = {"z": "a", "a": "z"}
        for node in model.graph.node:
            names = [other.get(name, name) for name in node.output]
            del node.output[:]
            node.output.extend(names)

    rewrite_onnx(root, change)


def layer_scaled(root: Path) -> None:
    def scale(array: Any) -> None:
        array *= np.float32(1.001)

    rewrite_onnx(root, lambda model: _edit(model, "2.weight", scale))


def fp32_claims_fp16(root: Path) -> None:
    manifest = Bundle.load(root).manifest
    shutil.copyfile(root / "model.onnx", root / "model.fp16.onnx")
    entry = describe_file(root, "model.fp16.onnx", "onnx", precision="fp16")
    finish(root, replace(manifest, files=(*manifest.files, entry)))


def batch_baked(root: Path) -> None:
    def change(model: Any) -> None:
        before = _rename_output(model)
        _constant(model, "planted.shape", np.array([6, 2], np.int64))
        model.graph.node.append(helper.make_node("Reshape", [before, "planted.shape"], ["output"]))

    rewrite_onnx(root, change)


def golden_of_another_model(root: Path) -> None:
    golden = Bundle.load(root).golden()
    other = np.random.default_rng(5).standard_normal(golden.outputs["output"].shape)
    scale = np.abs(golden.outputs["output"]).max(axis=0)
    Golden(inputs=golden.inputs, outputs={"output": other * scale}).save(root / GOLDEN_NAME)


def golden_of_another_model_with_its_hash(root: Path) -> None:
    golden_of_another_model(root)
    describe_again(root, GOLDEN_NAME)


def sign_flipped_in_a_corner(root: Path) -> None:
    x = Bundle.load(root).golden().inputs["input"]
    low, high = x.min(axis=0, keepdims=True), x.max(axis=0, keepdims=True)

    def change(model: Any) -> None:
        _constant(model, "planted.edge", (high - 0.02 * (high - low)).astype(np.float32))
        before = _where_all(model, "Greater", "planted.edge", "planted.flipped")
        flip = helper.make_node("Neg", [before], ["planted.flipped"])
        model.graph.node.insert(len(model.graph.node) - 1, flip)

    rewrite_onnx(root, change)


FAULTS = {
    "mlp": (
        Fault("NaN in one row", nan_in_one_row, (f"NaN or Inf, first in sample {NAN_ROW}",)),
        Fault(
            "one channel of scale 1e-4 zeroed",
            small_channel_zeroed,
            ("channel 0 of output 'output' is 0 in every sample",),
        ),
        Fault(
            "weights of one layer scaled by 1.001",
            layer_scaled,
            ("weights '2.weight' in model.onnx are 1.001 times those in model.safetensors",),
        ),
        Fault(
            "fp32 file claiming fp16",
            fp32_claims_fp16,
            ("model.fp16.onnx is written down as fp16, but",),
        ),
        Fault("batch baked to 6", batch_baked, ("it holds a fixed batch of 6 inside",)),
        Fault(
            "stale golden file",
            golden_of_another_model,
            ("golden.npz is not the file that the manifest describes", "sha256 differs"),
            5,
        ),
        Fault(
            "stale golden file, its hash written down anew",
            golden_of_another_model_with_its_hash,
            ("golden.npz is stale", "another model"),
        ),
        Fault(
            "sign flip in one corner of the range",
            sign_flipped_in_a_corner,
            ("differs by", "of the data's range: input = [2.9", "samples, 1 of 16 corners"),
        ),
    ),
    "heads": (Fault("two outputs swapped", outputs_swapped, ("outputs 'z' and 'a' are swapped",)),),
}
"""By name of the sound bundle that each is planted in."""


def _constant(model: Any, name: str, array: Any) -> None:
    model.graph.initializer.append(numpy_helper.from_array(array, name))


def _edit(model: Any, name: str, change: Callable[[Any], None]) -> None:
    for tensor in model.graph.initializer:
        if tensor.name == name:
            array = numpy_helper.to_array(tensor).copy()
            change(array)
            tensor.CopyFrom(numpy_helper.from_array(array, name))
            return
    raise AssertionError(f"no weights '{name}'")


def _rename_output(model: Any) -> str:
    """Give the output's maker another name, so that something can stand between."""
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == "output":
                node.output[index] = "planted.before"
    return "planted.before"


def _where_all(model: Any, operator: str, other: str, instead: str) -> str:
    """Put ``instead`` out for samples of which every feature compares so with ``other``."""
    before = _rename_output(model)
    _constant(model, "planted.axes", np.array([1], np.int64))
    model.graph.node.extend(
        [
            helper.make_node(operator, ["input", other], ["planted.each"]),
            helper.make_node("Cast", ["planted.each"], ["planted.number"], to=TensorProto.FLOAT),
            helper.make_node(
                "ReduceMin", ["planted.number", "planted.axes"], ["planted.least"], keepdims=1
            ),
            helper.make_node("Cast", ["planted.least"], ["planted.all"], to=TensorProto.BOOL),
            helper.make_node("Where", ["planted.all", instead, before], ["output"]),
        ]
    )
    return before
