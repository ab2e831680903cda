"""``spinn-edge demo``: figures of the main job, none of them a time."""

import json
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle
from tests.e2e.commands import run

FORMATS = {"weights", "golden", "torchscript", "pt2", "onnx", "trt"}


def test_demo_writes_two_bundles_with_all_formats(demo: Path) -> None:
    for name in ("dense", "pruned"):
        assert {e.format for e in Bundle.load(demo / name).manifest.files} == FORMATS


def test_pruned_network_has_the_share_of_parameters_that_was_asked_for(demo: Path) -> None:
    dense, pruned = (Bundle.load(demo / name).manifest for name in ("dense", "pruned"))
    assert dense.parameters == 666_882
    assert dense.architecture.widths == (18, 512, 512, 512, 256, 2)
    assert pruned.parameters is not None
    assert 1 - pruned.parameters / dense.parameters == pytest.approx(0.685, abs=0.003)
    assert pruned.pruning is not None
    assert pruned.pruning.achieved == pytest.approx(1 - pruned.parameters / dense.parameters)
    assert len(pruned.pruning.rounds) == 3


def test_scores_are_of_tools_that_training_never_saw(demo: Path) -> None:
    for name in ("dense", "pruned"):
        training = Bundle.load(demo / name).manifest.training
        assert training is not None
        assert "used for nothing else" in training.scores.source
        assert "tool_id" not in training.recipe.features
        for target, score in training.scores.r2.items():
            assert score is not None
            linear = training.scores.linear_r2[target]
            assert linear is not None
            assert linear < 0.9
            assert score > linear


def test_results_hold_every_row_and_agree_with_the_bundles(demo: Path) -> None:
    results = json.loads((demo / "results.json").read_text())
    rows = results["rows"]
    assert {row["status"] for row in rows if row["runtime"] == "ort-cpu"} == {"ok"}
    assert {(row["bundle"], row["batch"]) for row in rows if row["runtime"] == "eager"} == {
        ("dense", 1),
        ("dense", 1000),
        ("pruned", 1),
        ("pruned", 1000),
    }
    for row in rows:
        assert (row["status"] == "ok") == bool(row["samples_s"]) == (row["reason"] is None)
        if row["status"] == "ok":
            assert row["parity"]["passed"] is True
        if row["status"] == "ok" and row["bundle"] == "pruned":
            assert row["speedup"] > 0
    markdown = (demo / "results.md").read_text()
    assert "666,882" in markdown
    pruned = next(b for b in results["bundles"] if b["name"] == "pruned")
    assert f"{pruned['parameters']:,}" in markdown
    assert f"{pruned['parameters'] / 666_882 - 1:+.1%}".replace("%", " %") in markdown


def test_second_demo_is_refused_without_force_and_changes_nothing(demo: Path) -> None:
    before = (demo / "dense" / "manifest.json").read_bytes()
    refused = run("demo", "--out", str(demo), "--quick", expect=5)
    assert "--force" in refused.stderr
    assert (demo / "dense" / "manifest.json").read_bytes() == before


def test_engine_for_three_gpus_was_built_without_one(demo: Path) -> None:
    pytest.importorskip("tensorrt_rtx")
    bundle = Bundle.load(demo / "pruned")
    engines = bundle.manifest.files_of("trt")
    assert [e.details["compute_capability"] for e in engines] == ["SM86", "SM89", "SM120"]
    for entry in engines:
        assert bundle.path_of(entry).read_bytes()[:4] == b"vtrt"


def test_verify_of_the_demo_passes_and_says_what_did_not_run(demo: Path) -> None:
    done = run("verify", str(demo / "pruned"), "--runtime", "ort-cpu,eager", "--json", "-")
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert {check["batch"] for check in document["checks"]} == {1, 2, 7, 1024}
    for check in document["checks"]:
        assert check["max_abs"] <= check["tolerance"]
