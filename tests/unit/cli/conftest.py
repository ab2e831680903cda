"""``spinn-edge`` in this process, and small inputs for it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from spinn_edge.cli.app import main


@dataclass(frozen=True)
class Done:
    """What a command line printed and returned."""

    code: int
    out: str
    err: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    def invoke(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["spinn-edge", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = int(exc.code or 0)
        captured = capsys.readouterr()
        return Done(code, captured.out, captured.err)

    return invoke


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a CSV of 240 rows: tool (12 of them), four features, two targets."""
    path = tmp_path_factory.mktemp("table") / "data.csv"
    generator = np.random.default_rng(0)
    x = generator.normal(size=(240, 4))
    y = np.stack([x[:, 0] ** 2 + x[:, 1], np.sin(x[:, 2]) + 0.1 * x[:, 3]], axis=1)
    lines = ["tool,a,b,c,d,wear,heat"]
    lines += [
        ",".join([f"T{row // 20}", *(repr(float(value)) for value in (*x[row], *y[row]))])
        for row in range(240)
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a bundle that ``spinn-edge train`` wrote: 4-24-24-2."""
    out = tmp_path_factory.mktemp("trained") / "dense"
    argv = sys.argv
    sys.argv = ["spinn-edge", "train", "--data", str(table), "--targets", "wear,heat"]
    sys.argv += ["--group", "tool", "--hidden", "24,24", "--epochs", "3", "--out", str(out)]
    try:
        with pytest.raises(SystemExit) as done:
            main()
    finally:
        sys.argv = argv
    assert not done.value.code
    return out


@pytest.fixture(scope="session")
def exported(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return that bundle with ONNX and TorchScript beside its weights."""
    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.models.loading import load_model

    out = tmp_path_factory.mktemp("exported") / "dense"
    request = ExportRequest(formats=("onnx", "torchscript"), max_batch=64)
    write_bundle(load_model(trained), out, request)
    return out
