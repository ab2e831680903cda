import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from spinn_edge.core.bundle import Bundle
from tests.unit.cli.conftest import Cli

TRAIN = ("--targets", "wear,heat", "--hidden", "16,16", "--epochs", "2")


def test_train_writes_a_bundle_of_the_widths_asked_for(trained: Path) -> None:
    manifest = Bundle.load(trained).manifest
    assert manifest.architecture.widths == (4, 24, 24, 2)  # the group column is no feature
    assert manifest.training is not None
    assert manifest.training.recipe.features == ("a", "b", "c", "d")
    assert manifest.training.recipe.group == "tool"


def test_train_prints_the_linear_regression_beside_the_network(
    cli: Cli, table: Path, tmp_path: Path
) -> None:
    done = cli("train", "--data", table, *TRAIN, "--ignore", "tool", "--out", tmp_path / "b")
    assert done.code == 0, done.err
    assert "R², linear regression" in done.out
    assert "also chose the best epoch" in done.out.replace("\n", " ")


def test_train_scores_test_rows_when_there_are_some(cli: Cli, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    done = cli("train", "--data", table, *TRAIN, "--group", "tool", "--test", table, "--out", out)
    assert done.code == 0, done.err
    training = Bundle.load(out).manifest.training
    assert training is not None
    assert training.scores.source == "240 rows of data.csv, used for nothing else"
    assert training.scores.rows == 240


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--targets", "nope"), 2, "has no column 'nope'; its columns are: tool, a, b"),
        (("--targets", ""), 2, "name the columns to predict with --targets"),
        (("--targets", "wear"), 2, "column 'tool' holds text, 'T0' in data row 1"),
        (("--activation", "step"), 2, "unknown activation 'step'; known: tanh, relu"),
        (("--hidden", "16,many"), 2, "--hidden 16,many: expected whole numbers above 0"),
        (("--epochs", "0"), 2, "epochs must be at least 1, got 0"),
        (("--lr", "0"), 2, "the learning rate must be above 0"),
        (("--held-out", "1.5"), 2, "the held-out fraction must lie in (0, 1), got 1.5"),
        (("--data", "missing.csv"), 2, "missing.csv cannot be read as CSV"),
        (("--group", "nope"), 2, "has no column 'nope'"),
    ],
)
def test_bad_training_input_is_refused_and_nothing_is_written(
    cli: Cli, table: Path, tmp_path: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    out = tmp_path / "b"
    done = cli("train", "--data", table, *TRAIN, *arguments, "--out", out)
    assert done.code == code, done.err
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_rows_with_missing_values_are_counted_and_dropped_only_when_told(
    cli: Cli, table: Path, tmp_path: Path
) -> None:
    header, first, second, *rest = table.read_text().splitlines()
    cells = first.split(",")
    holes = [",".join([*cells[:2], "", *cells[3:]]), ",".join([*cells[:6], "nan"])]
    holed = tmp_path / "holed.csv"
    holed.write_text("\n".join([header, *holes, second, *rest]))
    arguments = ("train", "--data", holed, *TRAIN, "--group", "tool", "--out", tmp_path / "b")

    refused = cli(*arguments)
    assert refused.code == 2
    assert "2 of 241 rows hold missing or infinite values" in refused.err
    assert "--drop-na" in refused.err

    dropped = cli(*arguments, "--drop-na")
    assert dropped.code == 0, dropped.err
    assert "dropped 2 rows" in dropped.out


def test_existing_output_is_refused_before_training_and_kept(
    cli: Cli, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("mine")
    for force, hint in (((), "--force"), (("--force",), "so nothing of yours is lost")):
        done = cli(
            "train", "--data", table, *TRAIN, "--group", "tool", "--out", tmp_path / "b", *force
        )
        assert done.code == 5
        assert hint in done.err
        assert "epoch" not in done.err
    assert (tmp_path / "b" / "mine.txt").read_text() == "mine"


def test_output_that_cannot_be_written_is_refused_before_training(
    cli: Cli, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    done = cli(
        *("train", "--data", table, *TRAIN, "--group", "tool"),
        *("--out", tmp_path / "file" / "b"),
    )
    assert done.code == 5
    assert "choose another --out" in done.err
    assert "epoch" not in done.err


def test_prune_takes_columns_and_split_from_the_bundle(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "pruned"
    done = cli(
        *("prune", trained, "--target", "0.5", "--rounds", "2", "--finetune-epochs", "2"),
        *("--data", table, "--out", out, "--tolerance", "0.01"),
    )
    assert done.code == 0, done.err
    before, after = Bundle.load(trained).manifest, Bundle.load(out).manifest
    assert before.training is not None
    assert after.training is not None
    assert after.training.recipe == before.training.recipe
    assert after.training.scaling == before.training.scaling
    assert after.pruning is not None
    assert after.parameters is not None
    assert before.parameters is not None
    assert after.pruning.achieved == pytest.approx(1 - after.parameters / before.parameters)
    assert abs(after.pruning.achieved - 0.5) <= 0.01
    assert "Before pruning" in done.out
    assert "After pruning" in done.out


def test_prune_rounded_says_that_it_is_the_nearest_reachable(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    done = cli(
        *("prune", trained, "--target", "0.5", "--rounds", "1", "--finetune-epochs", "1"),
        *("--data", table, "--out", tmp_path / "b", "--round-to", "8"),
    )
    assert done.code == 0, done.err
    assert "is the nearest to 50.00% that widths in multiples of 8" in done.out.replace("\n", " ")
    assert Bundle.load(tmp_path / "b").manifest.architecture.widths == (4, 16, 16, 2)


def test_foreign_checkpoint_is_pruned_with_columns_named(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    weights = trained / "model.safetensors"
    common = [*("--target", "0.5", "--rounds", "1", "--finetune-epochs", "1")]
    common += ["--data", str(table), "--out", str(tmp_path / "b"), "--tolerance", "0.01"]

    unnamed = cli("prune", weights, *common, "--activation", "tanh")
    assert unnamed.code == 2
    assert "--targets" in unnamed.err

    named = ("--targets", "wear,heat", "--ignore", "tool")
    assert cli("prune", weights, *common, *named, "--activation", "tanh").code == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--target", "0"), 4, "above 0 and below 1; got 0"),
        (("--target", "1"), 4, "above 0 and below 1; got 1"),
        (("--target", "1.2"), 4, "above 0 and below 1; got 1.2"),
        (("--rounds", "1000"), 4, "1000 rounds asked for"),
        (("--targets", "wear"), 2, "knows its columns from training"),
        (("--data", "missing.csv"), 2, "missing.csv cannot be read"),
        (("--validation", "missing.csv"), 2, "--validation FILE"),
    ],
)
def test_bad_pruning_input_is_refused_and_nothing_is_written(
    cli: Cli,
    table: Path,
    trained: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    done = cli("prune", trained, "--data", table, "--out", tmp_path / "b", *arguments)
    assert done.code == code, done.err
    assert message in done.err
    assert list(tmp_path.iterdir()) == []


def test_model_and_columns_that_do_not_fit_are_named(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    weights = trained / "model.safetensors"
    done = cli(
        *("prune", weights, "--activation", "tanh", "--data", table, "--targets", "wear"),
        *("--ignore", "tool", "--out", tmp_path / "b"),
    )
    assert done.code == 2
    assert "the model takes 4 features and gives 2 outputs" in done.err
    assert "5 features (a, b, c, d, heat) for 1 targets" in done.err


def test_ctrl_c_in_training_saves_the_best_weights_so_far(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "b"
    command = [sys.executable, "-m", "spinn_edge", "train", "--data", str(table), "--targets"]
    command += ["wear,heat", "--group", "tool", "--hidden", "16", "--epochs", "1000000"]
    process = subprocess.Popen(
        [*command, "--out", str(out)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "epoch 3 of" in line:
            process.send_signal(signal.SIGINT)
            break
    _stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "holds the best weights so far" in stderr
    assert "Traceback" not in stderr
    training = json.loads((out / "manifest.json").read_text())["training"]
    assert training["interrupted"] is True
    assert 1 <= training["best_epoch"] <= training["epochs"] < 1_000_000
    assert os.listdir(tmp_path) == ["b"]
