"""A checkpoint that this project did not write, through the exact command lines of the README."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.runtimes import open_runtime
from tests.e2e.commands import run


@pytest.fixture(scope="module")
def bundle(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the checkpoint in every portable format."""
    out = tmp_path_factory.mktemp("exported") / "bundle"
    run(
        *("export", str(checkpoint), "--format", "torchscript,pt2,onnx"),
        *("--out", str(out), "--input-shape", "4", "--activation", "tanh"),
    )
    return out


def test_checkpoint_goes_from_file_to_table(bundle: Path, checkpoint: Path, tmp_path: Path) -> None:
    pruned, data = tmp_path / "pruned", tmp_path / "train.csv"
    _write_rows(checkpoint, data)
    run(
        *("prune", str(checkpoint), "--activation", "tanh", "--data", str(data)),
        *("--targets", "wear,heat", "--target", "0.5", "--rounds", "2"),
        *("--finetune-epochs", "2", "--tolerance", "0.01", "--out", str(pruned)),
    )
    verified = run("verify", str(bundle), "--json", "-", "--runtime", "eager,pt2,ort-cpu")
    timed = run(
        *("bench", str(pruned), "--baseline", str(bundle), "--runtime", "eager"),
        *("--batch", "1,10", "--seconds", "0.05", "--launches", "1", "--json", "-"),
    )

    assert json.loads(verified.stdout)["passed"] is True
    rows = json.loads(timed.stdout)["rows"]
    assert [(row["bundle"], row["batch"], row["status"]) for row in rows] == [
        ("bundle", 1, "ok"),
        ("bundle", 10, "ok"),
        ("pruned", 1, "ok"),
        ("pruned", 10, "ok"),
    ]
    assert [row["speedup"] is None for row in rows] == [True, True, False, False]
    document = json.loads(run("inspect", str(pruned), "--json", "-").stdout)
    assert abs(document["pruning"]["achieved"] - 0.5) <= 0.01


def test_embedded_runtime_computes_what_the_checkpoint_computed(
    bundle: Path, checkpoint: Path
) -> None:
    x = np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32)

    with open_runtime(bundle, runtime="ort-cpu") as model:
        y = model(x)

    np.testing.assert_allclose(y, _original(checkpoint, x), atol=1e-6)


def test_factory_goes_the_same_way(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "from torch import nn\n"
        "def small():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(),\n"
        "                         nn.Flatten(), nn.Linear(4 * 36, 2))\n"
    )
    layers = (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 2))
    torch.save(nn.Sequential(*layers).state_dict(), tmp_path / "w.pt")
    run(
        *("export", "nets:small", "--weights", "w.pt", "--input-shape", "3,8,8"),
        *("--format", "onnx", "--out", "b"),
        cwd=tmp_path,
    )
    untrusted = run("verify", "b", "--runtime", "eager", expect=6, cwd=tmp_path)
    assert "--trust-factory" in untrusted.stderr
    run("verify", "b", "--runtime", "eager,ort-cpu", "--trust-factory", cwd=tmp_path)


def _write_rows(checkpoint: Path, path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 4)).astype(np.float32)
    table = np.hstack([x, _original(checkpoint, x)])
    np.savetxt(path, table, delimiter=",", header="a,b,c,d,wear,heat", comments="")


def _original(checkpoint: Path, x: np.ndarray) -> np.ndarray:
    tensors = torch.load(checkpoint, weights_only=True)
    h = torch.from_numpy(x)
    for number in (0, 3, 6):
        h = h @ tensors[f"network.{number}.weight"].T + tensors[f"network.{number}.bias"]
        h = torch.tanh(h) if number < 6 else h
    return h.numpy()
