"""validate, on bundles that the command line wrote."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from spinn_edge.accuracy import AccuracyValidator, validate_optimization
from spinn_edge.core.bundle import Bundle, describe_file, finish
from spinn_edge.core.errors import UsageError
from tests.conftest import WriteCsv
from tests.unit.cli.conftest import Cli

RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def damaged(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported bundle, its second output destroyed."""
    root = tmp_path_factory.mktemp("damaged") / "damaged"
    shutil.copytree(exported, root)
    path = root / "model.onnx"
    graph = onnx.load(path)
    for tensor in graph.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).copy()
        if values.shape in ((2,), (2, 24), (24, 2)):
            values[(slice(None), 1) if values.shape == (24, 2) else 1] = 0
            tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    onnx.save(graph, path)
    manifest = Bundle.load(exported).manifest
    entry = describe_file(root, "model.onnx", "onnx")
    files = tuple(entry if old.path == entry.path else old for old in manifest.files)
    finish(root, replace(manifest, files=files))
    return root


def test_bundle_that_keeps_its_score_passes(
    cli: Cli, table: Path, exported: Path, tmp_path: Path
) -> None:
    done = cli(
        *("validate", exported, "--baseline", exported, "--data", table),
        *("--runtime", "torchscript", "--baseline-runtime", "ort-cpu"),
        *("--json", tmp_path / "v.json", "--figure", tmp_path / "v.png"),
    )
    assert done.code == 0, done.err
    assert "passed: drift and loss of R² are within tolerance on 240 rows of data.csv" in done.out
    assert all(name in done.out for name in ("wear", "heat"))
    document = json.loads((tmp_path / "v.json").read_text())
    assert document["passed"] is True
    assert document["optimized"]["runtime"] == "torchscript"
    assert document["baseline"] == {
        "name": "dense",
        "runtime": "ort-cpu",
        "precision": "fp32",
        "file": "model.onnx",
    }
    assert [change["channel"] for change in document["outputs"][0]["scores"]] == ["wear", "heat"]
    assert (tmp_path / "v.png").read_bytes().startswith(b"\x89PNG")


def test_destroyed_output_leaves_with_8_and_is_named(
    cli: Cli, table: Path, exported: Path, damaged: Path, tmp_path: Path
) -> None:
    done = cli(
        *("validate", damaged, "--baseline", exported, "--data", table),
        *("--json", "-", "--figure", tmp_path / "v.png"),
    )
    assert done.code == 8
    assert "channel 'heat' drifts by 1 of its scale, allowed 0.1" in done.err
    document = json.loads(done.out)
    assert document["passed"] is False
    shares = [channel["over_scale"] for channel in document["outputs"][0]["drift"]["channels"]]
    assert shares == [pytest.approx(0, abs=1e-5), 1.0]
    assert (tmp_path / "v.png").exists()


def test_limits_can_be_set_by_name(cli: Cli, table: Path, exported: Path, damaged: Path) -> None:
    arguments = ("validate", damaged, "--baseline", exported, "--data", table)
    loose = cli(*arguments, "--tolerance", "heat=5", "--max-drift", "heat=5, wear=0.01")
    assert loose.code == 0, loose.err
    strict = cli(*arguments, "--tolerance", "heat=5", "--max-drift", "heat=0.5")
    assert strict.code == 8
    assert "allowed 0.5" in strict.err
    assert "R² of" not in strict.err


def save(path: Path, arrays: Mapping[str, Any]) -> None:
    np.savez(path, **arrays)


def test_data_may_be_npz(cli: Cli, exported: Path, tmp_path: Path) -> None:
    x, y = RANDOM.random((30, 4)).astype(np.float32), RANDOM.random((30, 2))
    save(tmp_path / "d.npz", {"input/input": x, "target/output": y})
    arguments = ("validate", exported, "--baseline", exported, "--data")
    assert cli(*arguments, tmp_path / "d.npz", "--score", "rmse").code == 0
    save(tmp_path / "e.npz", {"input/input": x})
    without = cli(*arguments, tmp_path / "e.npz")
    assert without.code == 2
    assert "has no array target/NAME" in without.err
    save(tmp_path / "f.npz", {"input/input": x[:, :3], "target/output": y})
    assert cli(*arguments, tmp_path / "f.npz").code == 7


@pytest.mark.parametrize(
    ("lines", "options", "code", "words"),
    [
        (["a,b,c,d,wear"], (), 2, "has a header but no rows"),
        ([], (), 2, "is empty"),
        (["a,b,c,d,wear", "1,2,3,4,5"], (), 2, "has no column 'heat'"),
        (["a,b,c,d,wear,heat", "1,2,3,4,5,6"], (), 2, "constant over 1 samples"),
        (["a,b,c,d,wear,heat", "1,2,3,4,5,6"], ("--score", "rmse"), 0, ""),
        (["a,b,c,d,wear,heat", "1,2,3,4,5,6", "1,,3,4,5,6"], (), 2, "column 'b' in data row 2"),
        (
            ["a,b,c,d,wear,heat", "1,2,3,4,5,6", "1,,3,4,5,6", "2,1,3,4,6,7"],
            ("--drop-na",),
            0,
            "",
        ),
        (
            ["a,b,c,d,wear,heat", "1,2,3,4,5,6", "2,1,3,4,5,7"],
            (),
            2,
            "channel 'wear' is undefined: its target is constant over 2 samples",
        ),
        (["p,q", "1,2"], ("--features", "p", "--target", "q"), 2, "1 feature columns were given"),
    ],
)
def test_bad_tables_are_refused(
    cli: Cli,
    exported: Path,
    write_csv: WriteCsv,
    lines: list[str],
    options: tuple[str, ...],
    code: int,
    words: str,
) -> None:
    path = write_csv(lines or [""])
    done = cli("validate", exported, "--baseline", exported, "--data", path, *options)
    assert done.code == code, done.err
    assert words in done.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--tolerance", "-0.1"), "tolerance=-0.1: expected a finite number of at least 0"),
        (("--tolerance", "nan"), "tolerance=nan"),
        (("--tolerance", "little"), "--tolerance little: expected a number, or numbers by name"),
        (("--max-drift", "wear=x"), "--max-drift wear=x: expected a number"),
        (("--max-drift", "speed=1"), "given for 'speed'; the outputs and channels are"),
        (("--score", "f1"), "unknown score 'f1'"),
        (("--runtime", "abacus"), "unknown runtime 'abacus'"),
        (("--figure", "v.jpeg2"), "a figure is written as one of .png, .svg, .pdf"),
        (("--figure", "-"), "a figure is written as one of"),
        (("--precision", "fp7"), "expected one of fp32"),
    ],
)
def test_bad_options_are_refused(
    cli: Cli, table: Path, exported: Path, options: tuple[str, ...], words: str
) -> None:
    done = cli("validate", exported, "--baseline", exported, "--data", table, *options)
    assert done.code == 2, done.err
    assert words in done.err
    assert done.out == ""


def test_bundle_knows_its_columns(table: Path, trained: Path, exported: Path) -> None:
    validator = AccuracyValidator(
        trained, exported, runtime="ort-cpu", baseline_runtime="eager", tolerance=1e-6
    )
    assert validator.validate(table).passed
    assert validate_optimization(exported, exported, table) is True


def test_bundles_of_other_columns_need_them_named(
    table: Path, exported: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    shutil.copytree(exported, other)
    manifest = Bundle.load(other).manifest
    assert manifest.training is not None
    recipe = replace(manifest.training.recipe, features=("d", "c", "b", "a"))
    finish(other, replace(manifest, training=replace(manifest.training, recipe=recipe)))
    with pytest.raises(UsageError, match="different features: a, b, c, d and d, c, b, a"):
        validate_optimization(exported, other, table)
    named = AccuracyValidator(exported, other, features=("a", "b", "c", "d"))
    assert named.validate(table).passed


def test_columns_can_be_given(exported: Path, write_csv: WriteCsv) -> None:
    lines = ["w,x,y,z,p,q"] + [",".join(map(repr, row)) for row in RANDOM.random((20, 6)).tolist()]
    path = write_csv(lines)
    columns: Mapping[str, Any] = {"features": ("w", "x", "y", "z"), "targets": ("p", "q")}
    assert AccuracyValidator(exported, exported, **columns).validate(path).passed
    few = AccuracyValidator(exported, exported, features=("w", "x", "y", "z"), targets=("p",))
    with pytest.raises(UsageError, match="do not fit an output"):
        few.validate(path)
