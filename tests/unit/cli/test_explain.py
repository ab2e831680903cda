import json
import os
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Cli

QUICK = ("--launches", "1", "--seconds", "0.01")


def test_threads_are_explained_on_onnxruntime(cli: Cli, exported: Path, tmp_path: Path) -> None:
    files = ("--json", tmp_path / "e.json", "--markdown", tmp_path / "e.md")
    done = cli("explain", exported, "--only", "threads", "--batch", "1,8", *QUICK, *files)
    assert done.code == 0, done.err
    document = json.loads((tmp_path / "e.json").read_text(encoding="utf-8"))
    assert [probe["batch"] for probe in document["threads"]] == [1, 8]
    cores = len(os.sched_getaffinity(0))
    for probe in document["threads"]:
        assert probe["cores"] == cores
        assert all(trial["row"]["parity"]["passed"] for trial in probe["trials"])
        assert {trial["threads"] for trial in probe["trials"]} >= (
            {1, cores} if cores > 1 else set()
        )
    assert document["widths"] == document["floor"] == document["left_out"] == []
    if cores > 1:
        assert "threads: launch 1 of 1: dense, 1 thread" in done.err
        assert "no intervals and no verdicts from --launches 1" in done.out
    assert (tmp_path / "e.md").read_text(encoding="utf-8").startswith("# dense on ort-cpu")


@pytest.mark.slow
def test_floor_and_roofline_are_explained_on_onnxruntime(cli: Cli, exported: Path) -> None:
    done = cli("explain", exported, "--only", "floor,roofline", *QUICK, "--json", "-")
    assert done.code == 0, done.err
    document = json.loads(done.out)
    (floor,) = document["floor"]
    assert [point["widths"] for point in floor["points"]] == [
        [4, n, n, 2] for n in (3, 6, 12, 18, 24)
    ]
    assert all(point["row"]["parity"]["passed"] for point in floor["points"])
    assert floor["latency_s"] > 0
    (held,) = document["roofline"]["rows"]
    assert held["roofline"]["dispatch_floor_s"] == floor["floor_s"]
    assert "Dispatch floor, ort-cpu, batch 1" in done.err
    assert "roofline: dense, ort-cpu, batch 1:" in done.err


def test_help_names_the_parts(cli: Cli) -> None:
    words = cli("explain", "--help").out.replace("│", " ").split()
    assert "roofline, floor, threads, widths, separated by commas" in " ".join(words)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--only", "flor"), 2, "--only flor: expected some of roofline, floor, threads, widths"),
        (("--only", ""), 2, "expected some of roofline"),
        (("--batch", "0"), 2, "--batch 0: expected whole numbers above 0"),
        (("--runtime", "ort"), 2, "unknown runtime 'ort'"),
        (("--runtime", "eager,ort-cpu"), 2, "expected one name, such as ort-cpu"),
        (("--runtime", "pt2"), 6, "--format pt2"),
        (("--launches", "0"), 2, "launches"),
        (("--seconds", "0"), 2, "--seconds must be above 0"),
        (("--json", "-", "--markdown", "-"), 2, "only one document fits standard output"),
    ],
)
def test_bad_input_is_refused_before_anything_is_measured(
    cli: Cli, exported: Path, arguments: tuple[str, ...], code: int, words: str
) -> None:
    done = cli("explain", exported, *arguments)
    assert done.code == code
    assert words in done.err
    assert "launch 1" not in done.err
    assert "Traceback" not in done.err


def test_runtime_without_its_device_is_refused(cli: Cli, exported: Path) -> None:
    done = cli("explain", exported, "--runtime", "trt")
    assert done.code == 6
    assert "trt cannot work here" in done.err


def test_model_that_is_no_mlp_is_refused_with_what_works(cli: Cli, exported: Path) -> None:
    done = cli("explain", exported / "model.onnx", "--only", "floor")
    assert done.code == 2
    assert "is no MLP" in done.err
    assert "--only roofline,threads" in done.err


def test_missing_model_is_refused(cli: Cli, tmp_path: Path) -> None:
    done = cli("explain", tmp_path / "none")
    assert done.code == 2
    assert "there is no" in done.err
