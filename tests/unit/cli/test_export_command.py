"""``spinn-edge export`` with precisions and engine options."""

import json
from pathlib import Path
from typing import Any

import pytest

from spinn_edge.core.bundle import describe_file
from spinn_edge.export import registry
from tests.unit.cli.conftest import Cli


def manifest(root: Path) -> Any:
    return json.loads((root / "manifest.json").read_text())


def test_both_precisions_are_written_and_proved(cli: Cli, trained: Path, tmp_path: Path) -> None:
    done = cli(
        *("export", trained, "--format", "pt2,onnx", "--precision", "fp32,fp16"),
        *("--max-batch", "16", "--out", tmp_path / "b"),
    )
    assert done.code == 0, done.err
    assert "left out" not in done.out
    assert "written too" not in done.out
    files = {file["path"]: file for file in manifest(tmp_path / "b")["files"]}
    assert files["model.onnx"]["precision"] == "fp32"
    for name in ("model.fp16.onnx", "model.fp16.pt2"):
        assert files[name]["precision"] == "fp16"
        assert [point["batch"] for point in files[name]["proof"]] == [1, 2, 7, 16]


def test_fp16_alone_says_what_it_is_made_from(cli: Cli, trained: Path, tmp_path: Path) -> None:
    done = cli(
        "export", trained, "--format", "onnx", "--precision", "fp16", "--out", tmp_path / "b"
    )
    assert done.code == 0, done.err
    assert "onnx is written too: an asked-for file is made from it" in done.out


def test_every_engine_option_reaches_the_manifest(cli: Cli, trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    done = cli(
        *("export", trained, "--format", "trt", "--out", tmp_path / "b", "--max-batch", "64"),
        *("--compute-capability", "SM86,SM120", "--min-batch", "2", "--opt-batch", "8"),
        *("--workspace-mib", "512", "--builder-level", "2", "--tf32"),
    )
    assert done.code == 0, done.err
    engines = [file for file in manifest(tmp_path / "b")["files"] if file["format"] == "trt"]
    assert [engine["path"] for engine in engines] == ["model.sm86.engine", "model.sm120.engine"]
    for engine in engines:
        details = engine["details"]
        assert {name: shape[0] for name, shape in details["profile"]["input"].items()} == {
            "min": 2,
            "opt": 8,
            "max": 64,
        }
        assert details["workspace_bytes"] == 512 * 2**20
        assert details["builder_level"] == 2
        assert details["tf32"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--precision", "fp8"), "--precision fp8: unknown, expected one of fp32, fp16"),
        (("--precision", ""), "--precision names nothing"),
        (("--format", "pt2", "--precision", "int8"), "formats that do: onnx, trt"),
        (("--format", "onnx", "--int8", "static"), "add int8 to --precision"),
        (
            ("--format", "onnx", "--precision", "int8", "--int8", "4 bits"),
            "--int8 4 bits: expected one of static, dynamic, weight-only",
        ),
        (("--format", "trt", "--min-batch", "0"), "--min-batch 0"),
        (("--format", "trt", "--min-batch", "9", "--max-batch", "8"), "at most --max-batch 8"),
        (("--format", "trt", "--opt-batch", "9", "--max-batch", "8"), "at most --max-batch 8"),
        (("--format", "trt", "--min-batch", "4", "--opt-batch", "2"), "--opt-batch 2"),
        (("--format", "trt", "--workspace-mib", "0"), "--workspace-mib 0"),
        (("--format", "trt", "--builder-level", "6"), "--builder-level 6: expected 0 to 5"),
        (("--format", "onnx", "--tf32"), "add trt to --format"),
        (("--format", "onnx", "--min-batch", "2"), "add trt to --format"),
    ],
)
def test_choices_that_make_no_sense_are_refused_and_nothing_is_written(
    cli: Cli, trained: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = cli("export", trained, "--out", tmp_path / "b", *arguments)
    assert done.code == 2
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--hardware-compatible", "--version-compatible"])
def test_engines_that_only_tensorrt_has_are_refused_with_what_rtx_has(
    cli: Cli, trained: Path, tmp_path: Path, option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    pytest.importorskip("tensorrt_rtx")
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    done = cli("export", trained, "--format", "trt", option, "--out", tmp_path / "b")
    assert done.code == 2
    assert f"{option}: tensorrt_rtx" in done.err
    assert "--compute-capability" in done.err


def test_what_builders_and_converters_remark_is_printed_at_the_end(
    cli: Cli, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def remarked(job: Any) -> Any:
        (job.folder / "model.engine").write_bytes(b"plan")
        details = {"builder_messages": ["WARNING: [layer] is slow"]}
        return (
            describe_file(
                job.folder, "model.engine", "trt", precision=job.precision, details=details,
                unproved="no GPU",
            ),
        )  # fmt: skip

    real = registry.load
    monkeypatch.setattr(
        registry, "load", lambda entry: remarked if entry.runtime == "trt" else real(entry)
    )
    done = cli("export", trained, "--format", "trt", "--out", tmp_path / "b", "--max-batch", "4")
    assert done.code == 0, done.err
    said = done.out.index("model.engine: WARNING: [layer] is slow")
    assert done.out.index("Files") < said < done.out.index("wrote")
