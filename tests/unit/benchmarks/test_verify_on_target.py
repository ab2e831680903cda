"""The program that times verification without torch, on interpreters that are there."""

import importlib.util
import itertools
import sys
from pathlib import Path
from types import ModuleType

import pytest

import spinn_edge
from spinn_edge.core.bundle import Bundle

SCRIPT = Path(spinn_edge.__file__).parent.parent / "benchmarks" / "verify_on_target.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verify_on_target", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_interpreter_with_torch_is_refused(
    program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert program.main(sys.executable, "bundle") == 2
    assert "can import torch and onnx; expected an environment" in capsys.readouterr().err


def test_only_what_is_there_is_importable(program: ModuleType) -> None:
    assert program.importable(sys.executable, ("json", "no_such_module")) == ("json",)


def test_the_table_holds_the_median_of_its_runs(
    program: ModuleType,
    tiny_bundle: Bundle,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(program, "importable", lambda interpreter, modules: ())
    monkeypatch.setattr(program, "verify_times", lambda interpreter, bundle: [0.5, 0.75, 9.0])
    assert program.main("python", str(tiny_bundle.root)) == 0
    assert "| ≤ 2 s | 0.75 s (0.50 to 9.00) |" in capsys.readouterr().out
    monkeypatch.setattr(program, "verify_times", lambda interpreter, bundle: [2.5])
    assert program.main("python", str(tiny_bundle.root)) == 1


def test_a_run_is_a_whole_verification(
    program: ModuleType, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "RUNS", 1)
    ticks = itertools.count(step=3)
    root = str(tiny_bundle.root)
    assert program.verify_times(sys.executable, root, lambda: next(ticks)) == [3]


def test_a_verification_that_fails_stops_it(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        program.verify_times(sys.executable, str(tmp_path / "none"))
    assert stopped.value.code == 2
    assert "there is no" in capsys.readouterr().err
