"""``spinn-edge waterfall`` and ``spinn-edge verify --locate``."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.export.bundling import ExportRequest, write_bundle
from tests.fakes.networks import load_mlp
from tests.unit.cli.conftest import Cli

RUN = ("--runtime", "eager,torchscript,ort-cpu,trt")


def plant(exported: Path, root: Path, factor: float = 1.01) -> Path:
    """Return a copy of a bundle whose ONNX file has one layer's weights scaled."""
    shutil.copytree(exported, root)
    manifest = Bundle.load(root).manifest
    graph = onnx.load(root / "model.onnx")
    (tensor,) = (t for t in graph.graph.initializer if t.name == "2.weight")
    values = numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    onnx.save(graph, root / "model.onnx")
    entries = tuple(
        describe_file(root, entry.path, entry.format) if entry.format == "onnx" else entry
        for entry in manifest.files
    )
    finish(root, replace(manifest, files=entries))
    return root


def test_locate_finds_no_layer_in_a_good_file(cli: Cli, exported: Path, tmp_path: Path) -> None:
    done = cli("verify", exported, "--locate", "--json", tmp_path / "found.json")
    assert done.code == 0, done.err
    assert "no layer beyond tolerance" in done.out
    document = json.loads((tmp_path / "found.json").read_text())
    assert document["passed"] is True
    assert [layer["layer"] for layer in document["files"][0]["layers"]] == ["0", "1", "2", "3", "4"]


def test_locate_names_the_layer_and_the_exit_code_says_parity(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = plant(exported, tmp_path / "planted")
    done = cli("verify", root, "--locate", "--runtime", "ort-cpu", "--json", "-")
    assert done.code == 8
    assert "first beyond tolerance: layer '2' (Linear), node node_linear_1: differs by" in done.err
    assert json.loads(done.out)["files"][0]["first"] == "layer '2' (Linear), node node_linear_1"


def test_locate_takes_tolerances_by_hand_for_outputs(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = plant(exported, tmp_path / "planted")
    document = json.loads(
        cli("verify", root, "--locate", "--tolerance", "output=0.5", "--json", "-").out
    )
    last = document["files"][0]["layers"][-1]
    assert last["passed"] is True
    assert last["tolerance"] > 0.4 * last["scale"]


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--runtime", "torchscript"), 2, "leave --runtime out"),
        (("--search",), 2, "give one of the two"),
        (("--precision", "fp16"), 6, "holds no fp16 onnx file"),
    ],
)
def test_locate_says_what_it_cannot_do(
    cli: Cli, exported: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = cli("verify", exported, "--locate", *arguments)
    assert (done.code, words in done.err) == (code, True), done.err


def test_locate_needs_an_onnx_file(cli: Cli, trained: Path) -> None:
    done = cli("verify", trained, "--locate")
    assert done.code == 6
    assert "holds no fp32 onnx file; add it with: spinn-edge export" in done.err


def test_waterfall_of_a_pair_with_scores(
    cli: Cli, exported: Path, trained: Path, table: Path, tmp_path: Path
) -> None:
    files = ("--json", tmp_path / "w.json", "--markdown", tmp_path / "w.md")
    done = cli("waterfall", exported, "--dense", trained, "--data", table, *RUN, *files)
    assert done.code == 0, done.err
    assert "pruning costs 0 % of scale" in done.out, "the same weights on both sides"
    assert "not run" in done.out
    assert "int8" in done.out
    document = json.loads((tmp_path / "w.json").read_text())
    assert document["outputs"] == ["wear", "heat"]
    steps = {step["name"]: step for step in document["steps"]}
    assert steps["ort-cpu fp32"]["after"] == "eager fp32"
    assert steps["trt fp32"]["contribution"] == []
    stored = Bundle.load(trained).manifest.training
    assert stored is not None
    assert steps["eager fp32"]["scores"][0]["r2"] is not None
    assert "| ort-cpu fp32 |" in (tmp_path / "w.md").read_text()


def test_waterfall_without_data_runs_the_golden_inputs(cli: Cli, exported: Path) -> None:
    done = cli("waterfall", exported, *RUN, "--json", "-")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    assert document["source"].startswith("golden inputs: ")
    assert document["outputs"] == ["wear", "heat"]
    assert document["reference"] == "float64"
    assert all(step["scores"] == [] for step in document["steps"])


def test_waterfall_shows_a_planted_fault_in_its_step(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = plant(exported, tmp_path / "planted")
    done = cli("waterfall", root, *RUN)
    assert "the step that costs most: export (ort-cpu fp32)" in done.out


def test_waterfall_refuses_a_model_of_another_shape(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    write_bundle(load_mlp((5, 8, 2)), tmp_path / "other", ExportRequest(max_batch=4))
    done = cli("waterfall", exported, "--dense", tmp_path / "other")
    assert done.code == 2
    assert "expected the model that it was pruned from" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--targets", "wear"), "are for the columns of --data"),
        (("--data", "TABLE", "--features", "a,b,c"), "name the columns that go into it"),
        (("--data", "TABLE", "--targets", "wear"), "1 names of targets were given"),
        (("--runtime", "tflite"), "unknown runtime 'tflite'"),
    ],
)
def test_waterfall_says_what_does_not_fit(
    cli: Cli, exported: Path, table: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = [str(table) if word == "TABLE" else word for word in arguments]
    done = cli("waterfall", exported, *given)
    assert done.code == 2
    assert words in done.err


def test_waterfall_needs_columns_where_the_bundle_was_not_trained_here(
    cli: Cli, table: Path, tmp_path: Path
) -> None:
    write_bundle(load_mlp((4, 8, 2)), tmp_path / "b", ExportRequest(max_batch=64))
    asked = cli("waterfall", tmp_path / "b", "--data", table, "--runtime", "eager")
    assert asked.code == 2
    assert "--features, --targets" in asked.err
    columns = ("--features", "a,b,c,d", "--targets", "wear,heat")
    done = cli("waterfall", tmp_path / "b", "--data", table, "--runtime", "eager", *columns)
    assert done.code == 0, done.err
    assert "R²" in done.out


def test_waterfall_ends_with_parity_where_a_form_is_broken(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = plant(exported, tmp_path / "planted", factor=float("nan"))
    done = cli("waterfall", root, *RUN)
    assert done.code == 8
    assert "ort-cpu fp32: output 'output': " in done.err
    assert "NaN or Inf" in done.err
