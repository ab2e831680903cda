"""The whole way on real signals, where they are: train, prune, export, verify, bench."""

import json
import os
from pathlib import Path

import pytest

from tests.e2e.commands import run

FOLDER = os.environ.get("SPINN_EDGE_MILLING_DIR")
pytestmark = pytest.mark.skipif(
    FOLDER is None, reason="SPINN_EDGE_MILLING_DIR names no folder with the NASA milling data"
)


def test_nasa_milling_goes_the_whole_way(tmp_path: Path) -> None:
    data = str(Path(FOLDER or "") / "train.csv")
    dense, pruned, exported = (str(tmp_path / name) for name in ("dense", "pruned", "exported"))
    trained = run(
        *("train", "--data", data, "--targets", "tool_wear,thermal_displacement"),
        *("--group", "experiment_id", "--hidden", "64,64,32", "--epochs", "3", "--out", dense),
    )
    run(
        *("prune", dense, "--target", "0.5", "--rounds", "2", "--finetune-epochs", "2"),
        *("--data", data, "--out", pruned),
    )
    run("export", pruned, "--format", "onnx", "--out", exported)
    verified = run("verify", exported, "--runtime", "ort-cpu", "--json", "-")
    timed = run(
        *(
            "bench",
            exported,
            "--runtime",
            "ort-cpu",
            "--batch",
            "1",
            "--seconds",
            "0.05",
            "--launches",
            "1",
        ),
        *("--json", "-"),
    )

    assert "linear regression" in trained.stdout
    assert json.loads(verified.stdout)["passed"] is True
    assert [row["status"] for row in json.loads(timed.stdout)["rows"]] == ["ok"]
    manifest = json.loads((Path(exported) / "manifest.json").read_text())
    scores = manifest["training"]["scores"]
    assert "3 of 11 values of 'experiment_id'" in scores["source"]
    # spindle_speed is constant and three columns repeat others: none of that may make a NaN
    assert all(-1e6 < value <= 1 for value in scores["r2"].values())
    # the thermal target is computed from an input: a linear regression is exact there
    assert scores["linear_r2"]["thermal_displacement"] == pytest.approx(1, abs=1e-3)
