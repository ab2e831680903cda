"""int8 and fp16 as a user types them, and a file that lies about its precision."""

import json
import sys
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli
from tests.unit.cli.test_reading_commands import rewritten


def entry_of(folder: Path, name: str) -> dict:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    return next(file for file in files if file["path"] == name)


@pytest.fixture(scope="session")
def precise(trained: Path, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the trained bundle in ONNX of every precision, scored on the table it learnt from."""
    from spinn_edge.cli.app import main

    out = tmp_path_factory.mktemp("precise") / "b"
    argv = sys.argv
    sys.argv = ["spinn-edge", "export", str(trained), "--format", "onnx", "--out", str(out)]
    sys.argv += ["--precision", "fp32,fp16,int8", "--data", str(table), "--max-batch", "64"]
    try:
        with pytest.raises(SystemExit) as done:
            main()
    finally:
        sys.argv = argv
    assert not done.value.code
    return out


def test_rows_with_targets_calibrate_and_score(precise: Path) -> None:
    int8 = entry_of(precise, "model.int8.onnx")
    assert int8["precision"] == "int8"
    assert int8["details"]["quantization"]["calibrated_on"] == "240 rows of data.csv"
    for name in ("model.int8.onnx", "model.fp16.onnx"):
        task = entry_of(precise, name)["details"]["task_score"]
        assert task["rows"] == "240 rows of data.csv"
        assert set(task["r2_loss"]) == {"wear", "heat"}


def test_rows_of_test_are_scored_and_calibrate_nothing(
    cli: Cli, trained: Path, table: Path, tmp_path: Path
) -> None:
    held_out = tmp_path / "held_out.csv"
    lines = table.read_text().splitlines()
    held_out.write_text("\n".join([lines[0], *lines[-40:]]))
    done = cli(
        *("export", trained, "--format", "onnx", "--precision", "int8", "--test", held_out),
        *("--int8", "weight-only", "--out", tmp_path / "b"),
    )
    assert done.code == 0, done.err
    assert "model.int8.onnx: R² lost on 40 rows of held_out.csv: wear" in done.out
    details = entry_of(tmp_path / "b", "model.int8.onnx")["details"]
    assert details["quantization"]["form"] == "weight-only"
    assert details["layers"].get("int8") is None


def test_without_targets_it_is_said_that_parity_alone_was_checked(
    cli: Cli, trained: Path, tmp_path: Path
) -> None:
    done = cli(
        *("export", trained, "--format", "onnx", "--precision", "fp16"),
        *("--out", tmp_path / "b"),
    )
    assert done.code == 0, done.err
    assert "model.fp16.onnx: parity was checked, the task score was not" in done.out


def test_a_test_file_for_a_model_of_unknown_columns_is_refused(
    cli: Cli, exported: Path, table: Path, tmp_path: Path
) -> None:
    done = cli("export", exported / "model.onnx", "--test", table, "--out", tmp_path / "b")
    assert done.code == 2
    assert "leave --test out" in done.err


def test_inspect_shows_the_share_of_each_type(cli: Cli, precise: Path) -> None:
    done = cli("inspect", precise, "--json", "-")
    files = {file["path"]: file for file in json.loads(done.out)["files"]}
    assert files["model.int8.onnx"]["precision"] == "int8"
    assert files["model.int8.onnx"]["details"]["weight_bytes"]["int8"] > 0
    shown = cli("inspect", precise)
    assert shown.code == 0
    assert "100 % fp16" in shown.out


def test_verify_says_what_honest_files_hold(cli: Cli, precise: Path) -> None:
    done = cli("verify", precise, "--runtime", "ort-cpu")
    assert done.code == 0, done.err
    assert "model.fp16.onnx is in fp16: layers 5 fp16; 100 % of weight bytes" in done.out
    assert "model.int8.onnx is in int8" in done.out


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_float32_file_that_claims_another_precision_leaves_verify_with_8(
    cli: Cli, precise: Path, tmp_path: Path, precision: str
) -> None:
    name = f"model.{precision}.onnx"
    liar = rewritten(precise, tmp_path / "b", name, (precise / "model.onnx").read_bytes())
    done = cli("verify", liar, "--runtime", "ort-cpu", "--json", tmp_path / "v.json")
    assert done.code == 8
    assert f"{name} is written down as {precision}, but" in done.err
    document = json.loads((tmp_path / "v.json").read_text())
    assert document["passed"] is False
    (claim,) = [claim for claim in document["claims"] if claim["holds"] is False]
    assert claim["path"] == name
    assert claim["layers"]["fp32"] == 5


def test_without_onnx_verify_says_not_checked_and_passes(
    cli: Cli, precise: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    done = cli("verify", precise, "--runtime", "ort-cpu")
    assert done.code == 0, done.err
    assert "model.fp16.onnx, fp16: not checked: onnx is not installed" in done.out
