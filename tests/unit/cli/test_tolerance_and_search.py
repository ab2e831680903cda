"""``--tolerance`` and ``--search`` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import MissingDependencyError
from tests.fakes.planted_faults import describe_again, golden_of_another_model, layer_scaled
from tests.unit.cli.conftest import Cli


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("wear=0", "a finite number above 0"),
        ("wear=-1e-4", "a finite number above 0"),
        ("wear=nan", "a finite number above 0"),
        ("*=inf", "a finite number above 0"),
        ("ware=1e-4", "the model has no output 'ware'; known: wear, heat, output[0]"),
        ("wear", "expected OUTPUT=SHARE"),
        ("*@fp8=1e-4", "after @ stands one of fp32, fp16"),
    ],
)
@pytest.mark.parametrize("command", ["verify", "export"])
def test_a_tolerance_that_makes_no_sense_is_refused(
    cli: Cli, exported: Path, tmp_path: Path, command: str, text: str, words: str
) -> None:
    more = ("--out", tmp_path / "out", "--format", "onnx") if command == "export" else ()
    done = cli(command, exported, "--tolerance", text, *more)
    assert done.code == 2
    assert words in done.err
    assert not (tmp_path / "out").exists()


def test_a_tolerance_by_hand_is_shown_in_table_and_document(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    done = cli(
        *("verify", exported, "--runtime", "ort-cpu", "--tolerance", "wear=1e-3,*=2e-5"),
        *("--json", tmp_path / "v.json"),
    )
    assert done.code == 0
    assert " by hand" in done.out
    assert "wear 0.001 (100 times wider than the default of fp32)" in done.out
    document = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert document["tolerances_by_hand"] == {"wear": 1e-3, "*": 2e-5}
    for check in document["checks"]:
        assert check["share_by_hand"] == {0: 1e-3, 1: 2e-5}[check["channel"]]


def test_a_wider_tolerance_lets_pass_what_fails_by_default_and_never_unseen(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = tmp_path / "scaled"
    shutil.copytree(exported, root)
    layer_scaled(root)
    assert cli("verify", root, "--runtime", "ort-cpu").code == 8
    wide = cli("verify", root, "--runtime", "ort-cpu", "--tolerance", "*=0.1")
    assert wide.code == 0
    assert wide.out.count(" by hand") > 4
    assert "1e+04 times wider than the default of fp32" in wide.out
    one = cli("verify", root, "--runtime", "ort-cpu", "--tolerance", "heat=0.1")
    assert one.code == 8


def test_export_writes_the_tolerance_down_and_every_command_says_so(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    done = cli(
        *("export", exported, "--format", "onnx", "--out", out),
        *("--tolerance", "heat=1e-3", "--tolerance", "*@fp16=1e-2"),
    )
    assert done.code == 0
    assert "heat 0.001 (100 times wider" in done.out
    manifest = Bundle.load(out).manifest
    assert manifest.tolerances_by_hand == {"heat": 1e-3, "*@fp16": 1e-2}
    assert "by hand" in cli("inspect", out).out
    inspected = json.loads(cli("inspect", out, "--json", "-").out)
    assert inspected["tolerances_by_hand"] == {"heat": 1e-3, "*@fp16": 1e-2}
    assert "heat 0.001" in cli("verify", out, "--runtime", "ort-cpu").out
    typed = cli("verify", out, "--runtime", "ort-cpu", "--tolerance", "heat=1e-4").out
    assert "heat 0.0001 (10 times wider" in typed


def test_a_tolerance_is_not_carried_over_unseen(cli: Cli, exported: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert (
        cli("export", exported, "--format", "onnx", "--out", first, "--tolerance", "*=1e-3").code
        == 0
    )
    assert cli("export", first, "--format", "onnx", "--out", second).code == 0
    assert Bundle.load(second).manifest.tolerances_by_hand == {}


def test_a_search_shows_the_worst_input_of_each_runtime(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    done = cli(
        *("verify", exported, "--runtime", "ort-cpu,torchscript", "--search"),
        *("--json", tmp_path / "v.json"),
    )
    assert done.code == 0
    assert "Worst input in the range of dense's golden inputs" in done.out
    found = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))["searches"]
    assert [entry["runtime"] for entry in found] == ["ort-cpu", "torchscript"]
    for entry in found:
        assert entry["found"]["max_abs"] <= entry["found"]["tolerance"]
        assert len(entry["found"]["sample"]["input"]) == 4
        assert entry["found"]["corners"] == 16
    assert cli("verify", exported, "--runtime", "ort-cpu").out.count("Worst input") == 0


def test_where_the_reference_cannot_be_computed_golden_inputs_alone_are_checked_and_it_says_so(
    cli: Cli, exported: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(*arguments: object) -> None:
        raise MissingDependencyError("torch", "export", "ImportError: no torch")

    monkeypatch.setattr("spinn_edge.export.bundle_reference.search_request", absent)
    done = cli("verify", exported, "--runtime", "ort-cpu", "--search")
    assert done.code == 0
    assert "not searched: the reference for other inputs" in done.out
    assert "needs torch, which is not here; only the golden inputs were checked" in done.out
    assert "Worst input" not in done.out


def test_a_stale_golden_file_is_named_though_its_hash_was_written_anew(
    cli: Cli, exported: Path, tmp_path: Path
) -> None:
    root = tmp_path / "stale"
    shutil.copytree(exported, root)
    golden_of_another_model(root)
    assert cli("verify", root, "--runtime", "ort-cpu").code == 5
    describe_again(root, "golden.npz")
    done = cli("verify", root, "--runtime", "ort-cpu")
    assert done.code == 8
    assert "golden.npz is stale" in done.err
