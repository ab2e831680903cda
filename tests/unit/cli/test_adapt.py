import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from spinn_edge.core.bundle import Bundle, sha256_of
from spinn_edge.training.dataset import Rows
from tests.fakes.drifting_streams import learned_bundle, rows_of, write_rows
from tests.unit.cli.conftest import Cli

WIDE = ("--drift-limit", "0.3")


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learned_bundle(tmp_path_factory.mktemp("adapt") / "v1").root


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stream") / "shifted.csv"
    return write_rows(path, rows_of(640, 5, shift=0.5))


def files(root: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in root.iterdir()}


def test_adapt_writes_a_new_version_and_leaves_the_old_one(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path
) -> None:
    before = files(v1)
    out, document = tmp_path / "v2", tmp_path / "adapt.json"
    done = cli(
        *("adapt", v1, "--data", shifted, "--out", out, *WIDE, "--test", shifted),
        *("--json", document, "--batch", "64", "--replay", "0.1", "--memory", "2000"),
    )
    assert done.code == 0, done.err
    assert files(v1) == before
    record = Bundle.load(out).manifest.adaptation
    assert record is not None
    assert (record.settings.batch, record.settings.replay) == (64, 0.1)
    assert (record.settings.memory, record.settings.drift_limit) == (2000, 0.3)
    assert record.source == "shifted.csv"
    said = json.loads(document.read_text())
    assert (said["passed"], said["version"], said["rows_seen"]) == (True, 2, 640)
    assert said["gain"]["low"] > 0
    assert "Every row predicted before it was learnt" in done.out
    assert "to go back: spinn-edge adapt" in done.out
    shown = cli("inspect", out)
    assert "2, adapted from v1" in shown.out


def test_more_layers_and_their_learning_rate_reach_the_record(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path
) -> None:
    done = cli(
        *("adapt", v1, "--data", shifted, "--out", tmp_path / "v2", *WIDE, "--layers", "2"),
        *("--learning-rate", "0.002", "--seed", "4", "--range-factor", "5", "--surprise", "9"),
    )
    assert done.code == 0, done.err
    record = Bundle.load(tmp_path / "v2").manifest.adaptation
    assert record is not None
    assert record.layers == ("2", "4")
    settings = record.settings
    assert (settings.learning_rate, settings.seed) == (0.002, 4)
    assert (settings.range_factor, settings.surprise) == (5, 9)


def test_rows_come_from_standard_input_too(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(shifted.read_text()))
    done = cli("adapt", v1, "--data", "-", "--out", tmp_path / "v2", *WIDE)
    assert done.code == 0, done.err
    record = Bundle.load(tmp_path / "v2").manifest.adaptation
    assert record is not None
    assert (record.source, record.rows_seen) == ("standard input", 640)


def test_rubbish_leaves_with_9_and_the_reasons_and_writes_no_bundle(
    cli: Cli, v1: Path, tmp_path: Path
) -> None:
    rows = rows_of(320, 5)
    order = np.random.default_rng(0).permutation(320)
    data = write_rows(
        tmp_path / "rubbish.csv", Rows(features=rows.features, targets=rows.targets[order])
    )
    done = cli("adapt", v1, "--data", data, "--out", tmp_path / "v2", "--json", "-")
    assert done.code == 9
    assert "nothing was learnt: guards refused 10 batches, 320 of 320 rows" in done.err
    assert not (tmp_path / "v2").exists()
    said = json.loads(done.out)
    assert (said["passed"], said["written"]) == (False, None)
    assert "guards refused" in said["reason"]
    assert said["rejected"][0]["guard"] == "consistency"


def test_a_bad_batch_is_named_and_the_others_are_learnt(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path
) -> None:
    lines = shifted.read_text().splitlines()
    lines[40] = lines[40].rsplit(",", 1)[0] + ",oops"
    lines[80] = lines[80].rsplit(",", 1)[0] + ",1e9"
    lines[120] = lines[120].rsplit(",", 1)[0] + ","
    data = tmp_path / "bad.csv"
    data.write_text("\n".join(lines))
    done = cli("adapt", v1, "--data", data, "--out", tmp_path / "v2", *WIDE, "--drop-na")
    assert done.code == 0, done.err
    words = done.out.replace("\n", " ")
    assert "rejected: rows 33 to 64, values: column 'heat' holds text, 'oops', in row 40" in words
    assert "rejected: rows 65 to 96, values: column 'heat' is 1e+09 in row 80" in words
    assert "1 rows with missing values were left out" in words
    record = Bundle.load(tmp_path / "v2").manifest.adaptation
    assert record is not None
    assert (record.rows_rejected, record.rows_seen, record.rows_left_out) == (64, 639, 1)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--out", "v2"), 2, "name the new rows and the bundle to write"),
        (("--data", "DATA"), 2, "name the new rows and the bundle to write"),
        (("--data", "no.csv", "--out", "v2"), 2, "no.csv cannot be read as CSV"),
        (("--data", "DATA", "--out", "v2", "--layers", "9"), 2, "uses 3 Linear layers"),
        (("--data", "DATA", "--out", "v2", "--replay", "1"), 2, "--replay 1.0: expected"),
        (("--data", "DATA", "--out", "v2", "--features", "a"), 2, "knows its columns"),
        (("--data", "-", "--out", "v2", "--follow"), 2, "standard input is followed anyway"),
        (("--data", "DATA", "--rollback"), 2, "--rollback goes back and learns nothing"),
        (("--data", "DATA", "--out", "v2", "--test", "no.csv"), 2, "no.csv cannot be read"),
        (("--rollback",), 2, "it is version 1"),
        (("--data", "DATA", "--out", "BUNDLE", "--force"), 5, "so that you can go back"),
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(
    cli: Cli,
    v1: Path,
    shifted: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    names = {"DATA": str(shifted), "BUNDLE": str(v1)}
    before = files(v1)
    done = cli("adapt", v1, *(names.get(argument, argument) for argument in arguments))
    assert done.code == code, done.err
    assert message in done.err
    assert list(tmp_path.iterdir()) == []
    assert files(v1) == before


def test_a_stream_with_another_header_is_refused_by_name(
    cli: Cli, v1: Path, tmp_path: Path
) -> None:
    (tmp_path / "other.csv").write_text("force,speed,wear,heat\n1,2,3,4\n")
    done = cli("adapt", v1, "--data", tmp_path / "other.csv", "--out", tmp_path / "v2")
    assert done.code == 2
    assert "other.csv has no column 'power'; its columns are: force, speed, wear" in done.err


def test_rollback_finds_the_parent_and_copies_it_when_told(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path
) -> None:
    made = cli("adapt", v1, "--data", shifted, "--out", tmp_path / "v2", *WIDE)
    assert made.code == 0, made.err
    lost = cli("adapt", tmp_path / "v2", "--rollback")
    assert lost.code == 5
    assert "--look-in" in lost.err
    found = cli("adapt", tmp_path / "v2", "--rollback", "--look-in", v1.parent)
    assert found.code == 0, found.err
    assert found.out.strip() == str(v1.absolute())
    back = cli(
        *("adapt", tmp_path / "v2", "--rollback", "--look-in", v1.parent),
        *("--out", tmp_path / "live"),
    )
    assert back.code == 0, back.err
    assert files(tmp_path / "live") == files(v1)


def test_ctrl_c_while_following_writes_what_was_learnt_and_leaves_with_130(
    v1: Path, shifted: Path, tmp_path: Path
) -> None:
    out = tmp_path / "v2"
    many = shifted.read_text() + "".join(shifted.read_text().splitlines(keepends=True)[1:]) * 2
    data = tmp_path / "grows.csv"
    data.write_text(many)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "spinn_edge", "adapt", str(v1), "--data", str(data)),
            *("--out", str(out), "--follow", *WIDE),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("row "):  # 50 batches are through; the file has 60
            process.send_signal(signal.SIGINT)
            break
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "holds what was learnt so far" in stderr
    assert "Traceback" not in stderr
    record = Bundle.load(out).manifest.adaptation
    assert record is not None
    assert record.interrupted
    assert 1600 <= record.rows_seen <= 1920
    assert sorted(os.listdir(tmp_path)) == ["grows.csv", "v2"]


def test_ctrl_c_before_a_gain_is_sure_writes_nothing_and_leaves_with_130(
    cli: Cli, v1: Path, shifted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = iter(shifted.read_text().splitlines(keepends=True)[:70])

    class Stopped:
        def __iter__(self):
            yield from lines
            raise KeyboardInterrupt

    monkeypatch.setattr(sys, "stdin", Stopped())
    done = cli("adapt", v1, "--data", "-", "--out", tmp_path / "v2", *WIDE)
    assert done.code == 130
    assert "too few to tell" in done.err
    assert list(tmp_path.iterdir()) == []
