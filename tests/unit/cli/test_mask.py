import contextlib
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spinn_edge.cli.app import main
from spinn_edge.core.bundle import Bundle
from spinn_edge.pruning.staged.stages import StageStore
from spinn_edge.training import fitting
from spinn_edge.training.fitting import evaluate
from tests.unit.cli.conftest import Cli, Done

WEIGHTS = 4 * 24 + 24 * 24 + 24 * 2
FAST = ("--schedule", "0.3:1:1e-3", "--no-bench")


@pytest.fixture(scope="module")
def folder(table: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one whole run leaves: bundles, report, what it printed."""
    out = tmp_path_factory.mktemp("masked")
    arguments = ["mask", trained, "--data", table, "--out", out / "b", "--scope", "layer"]
    arguments += ["--schedule", "70%:2:1e-3,0.75:1:5e-4", "--target", "0.925", "--compact"]
    arguments += ["--test", table, "--launches", "1", "--markdown", out / "r.md"]
    arguments += ["--json", out / "r.json"]
    argv, printed = sys.argv, io.StringIO()
    sys.argv = ["spinn-edge", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(printed), pytest.raises(SystemExit) as done:
            main()
    finally:
        sys.argv = argv
    assert not done.value.code
    (out / "printed").write_text(printed.getvalue())
    return out


def test_bundle_has_permanent_zeros_masks_and_onnx(folder: Path, trained: Path) -> None:
    bundle = Bundle.load(folder / "b")
    weights, masks = (load_file(folder / "b" / f"{n}.safetensors") for n in ("model", "masks"))
    assert set(masks) == {"0.weight", "2.weight", "4.weight"}
    zeros = sum(int((~mask).sum()) for mask in masks.values())
    assert zeros / WEIGHTS == pytest.approx(0.925, abs=0.001)
    assert all(not weights[name][~mask].any() for name, mask in masks.items())
    assert bundle.manifest.architecture.widths == (4, 24, 24, 2)
    assert bundle.manifest.nonzero_parameters == WEIGHTS - zeros + 50
    assert bundle.manifest.files_of("onnx")[0].proof
    dense = Bundle.load(trained).manifest.training
    training = bundle.manifest.training
    assert dense is not None
    assert training is not None
    assert training.recipe == dense.recipe
    assert training.scaling == dense.scaling
    assert training.epochs == 3
    assert training.duration_s > 0


def test_masks_file_keeps_how_they_came_to_be(folder: Path) -> None:
    (entry,) = Bundle.load(folder / "b").manifest.files_of("masks")
    stages = entry.details["stages"]
    assert [stage["requested"] for stage in stages] == pytest.approx([0.7, 0.925])
    assert [stage["regrown"] for stage in stages] == [0, 0]
    assert stages[0]["nonzero_weights"] > stages[1]["nonzero_weights"]
    assert entry.details["scope"] == "layer"


def test_compacted_bundle_is_smaller_and_computes_the_same(folder: Path) -> None:
    big, small = (Bundle.load(folder / name) for name in ("b", "b-compact"))
    assert small.manifest.parameters is not None
    assert big.manifest.parameters is not None
    assert small.manifest.parameters < big.manifest.parameters
    assert big.manifest.training is not None
    assert small.manifest.training is not None
    for name, value in big.manifest.training.scores.rmse.items():
        assert small.manifest.training.scores.rmse[name] == pytest.approx(value, rel=1e-4)
    masks = load_file(folder / "b-compact" / "masks.safetensors")
    weights = load_file(folder / "b-compact" / "model.safetensors")
    assert all(torch.equal(weights[name] != 0, mask) for name, mask in masks.items())


def test_cumulative_table_comes_before_training_and_layers_after_each_stage(folder: Path) -> None:
    printed = (folder / "printed").read_text()
    assert printed.index("Schedule: each ratio is a share") < printed.index("Stage 1: 70.00%")
    assert printed.index("92.50%") < printed.index("Stage 1: 70.00%") < printed.index("Stage 2: 92")
    for words in ("R², linear regression", "training took", "Gate", "Before masking"):
        assert words in printed


def test_report_says_that_zeros_buy_no_speed_and_shows_what_was_measured(folder: Path) -> None:
    printed = (folder / "printed").read_text()
    for text in (printed, (folder / "r.md").read_text()):
        assert "Zeros alone buy no speed here" in text
        for batch in (1, 1000):
            assert f"b on ort-cpu, batch {batch}: " in text
            assert f"b-compact on ort-cpu, batch {batch}: " in text.replace("\\", "")
    document = json.loads((folder / "r.json").read_text())
    assert [row["status"] for row in document["bench"][0]["rows"]] == ["ok"] * 4
    assert {row["bundle"] for row in document["bench"][1]["rows"]} == {"dense", "b-compact"}
    assert document["training_s"] > 0
    assert {line["name"] for line in document["gate"]} == {
        "R² overall",
        "R² of wear",
        "R² of heat",
    }


def test_masked_bundle_is_verified_inspected_and_masked_further(
    cli: Cli, folder: Path, table: Path, tmp_path: Path
) -> None:
    assert cli("verify", folder / "b", "--runtime", "eager,ort-cpu").code == 0
    assert cli("inspect", folder / "b").code == 0

    more: tuple[object, ...] = (
        "mask",
        folder / "b",
        "--data",
        table,
        "--out",
        tmp_path / "b",
        "--no-bench",
    )
    more += ("--scope", "layer")
    refused = cli(*more, "--schedule", "0.3:1:1e-3", "--target", "0.3")
    assert refused.code == 4
    assert "92.50% are gone before the last stage already" in refused.err

    done = cli(*more, "--schedule", "0.2:1:1e-3", "--target", "0.94", "--gate-r2", "0.99")
    assert done.code == 4, done.err
    assert "the network is written, but it missed the gate: R² overall is" in done.err
    assert "R² of" not in done.err  # a limit that was not typed is only shown
    assert "92.50% were masked before" in done.out
    old, new = (load_file(path / "b" / "masks.safetensors") for path in (folder, tmp_path))
    assert all(not (new[name] & ~old[name]).any() for name in old)
    assert "not measured: nothing was timed" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--schedule", "0.3:1:1e-3", "--target", "0.685"), 4, "a last ratio of 0.685 would reach"),
        (("--schedule", "30:1:1e-3"), 4, "got 30; for 30 % write 0.3 or 30%"),
        (("--schedule", "nan:1:1e-3"), 4, "above 0 and below 1; got nan"),
        (("--schedule", "0:1:1e-3"), 4, "above 0 and below 1; got 0"),
        (("--schedule", "1:1:1e-3"), 4, "above 0 and below 1; got 1"),
        (("--schedule", "0.3"), 4, "expected RATIO:EPOCHS:LEARNING_RATE"),
        (("--schedule", ""), 4, "has no stage"),
        ((*FAST, "--target", "1.5"), 4, "the target is a share to be gone"),
        ((*FAST, "--scope", "row"), 4, "unknown scope 'row'; known: global, layer"),
        ((*FAST, "--pattern", "2:4"), 4, "give one stage of ratio 0.5"),
        ((*FAST, "--pattern", "1:2"), 4, "unknown pattern '1:2'"),
        ((*FAST, "--gate-r2", "75"), 2, "R² is at most 1; name a limit below 1"),
        ((*FAST, "--targets", "wear"), 2, "knows its columns from training"),
        ((*FAST, "--data", "missing.csv"), 2, "missing.csv cannot be read"),
        (("--schedule", "0.9999:1:1e-3"), 4, "ask for a smaller ratio"),
    ],
)
def test_bad_input_is_refused_before_training_and_nothing_is_written(
    cli: Cli,
    table: Path,
    trained: Path,
    tmp_path: Path,
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    done: Done = cli("mask", trained, "--data", table, "--out", tmp_path / "b", *arguments)
    assert done.code == code, done.err
    assert message in done.err
    assert "epoch 1" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_existing_output_is_refused_also_that_of_the_compacted_network(
    cli: Cli, table: Path, trained: Path, tmp_path: Path
) -> None:
    (tmp_path / "b-compact").mkdir()
    (tmp_path / "b-compact" / "mine.txt").write_text("mine")
    done = cli("mask", trained, "--data", table, "--out", tmp_path / "b", *FAST, "--compact")
    assert done.code == 5
    assert "b-compact exists" in done.err
    assert [path.name for path in tmp_path.iterdir()] == ["b-compact"]


def test_onnx_file_cannot_be_masked(cli: Cli, table: Path, exported: Path, tmp_path: Path) -> None:
    done = cli(
        *("mask", exported / "model.onnx", "--data", table, "--targets", "wear,heat"),
        *("--ignore", "tool", "--out", tmp_path / "b", *FAST),
    )
    assert done.code == 4
    assert "is an exported file" in done.err


# Stages


@pytest.fixture
def staged(folder: Path, trained: Path, table: Path, tmp_path: Path) -> tuple[object, ...]:
    """Return a command whose stages 0 to 2 are there, without its bundle."""
    shutil.copytree(folder / "b.stages", tmp_path / "b.stages")
    command = ("mask", trained, "--data", table, "--out", tmp_path / "b", "--scope", "layer")
    return (*command, "--target", "0.925", "--test", table, "--no-bench")


SCHEDULE = ("--schedule", "0.7:2:1e-3,75%:1:5e-4")


def numbers(folder: Path) -> list[int]:
    return [record.number for record in StageStore(folder / "b.stages").stages()]


def weights_sha256(bundle: Path) -> list[str]:
    files = Bundle.load(bundle).manifest.files
    return [file.sha256 for file in files if file.format in ("weights", "masks")]


def test_run_rolled_back_and_resumed_ends_with_the_same_bits(
    cli: Cli, folder: Path, staged: tuple[object, ...], tmp_path: Path
) -> None:
    back = cli(*staged, *SCHEDULE, "--rollback", "1")
    assert back.code == 0, back.err
    assert numbers(tmp_path) == [0, 1]
    (entry,) = Bundle.load(tmp_path / "b").manifest.files_of("masks")
    assert entry.details["requested"] == pytest.approx(0.7)
    assert entry.details["achieved"] == pytest.approx(0.7, abs=0.003)
    assert len(entry.details["stages"]) == 1
    assert "epoch 1" not in back.err

    on = cli(*staged, *SCHEDULE, "--resume", "--force")
    assert on.code == 0, on.err
    assert "stages 0 to 1 are in" in on.err
    assert "stage 2/2" in on.err
    assert "stage 1/2" not in on.err
    assert weights_sha256(tmp_path / "b") == weights_sha256(folder / "b")
    assert Bundle.load(tmp_path / "b").manifest.training is not None


def test_rollback_to_0_writes_the_given_network(
    cli: Cli, staged: tuple[object, ...], trained: Path, tmp_path: Path
) -> None:
    done = cli(*staged, *SCHEDULE, "--rollback", "0", "--json", tmp_path / "r.json", "--compact")
    assert done.code == 0, done.err
    given, back = (load_file(path / "model.safetensors") for path in (trained, tmp_path / "b"))
    assert all(torch.equal(given[name], back[name]) for name in given)
    assert all(mask.all() for mask in load_file(tmp_path / "b" / "masks.safetensors").values())
    masking = json.loads((tmp_path / "r.json").read_text())["masking"]
    assert (masking["requested"], masking["achieved"], masking["stages"]) == (0, 0, [])
    assert numbers(tmp_path) == [0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((*SCHEDULE, "--rollback", "9"), "has no stage 9; it has stages 0, 1, 2"),
        ((*SCHEDULE, "--rollback", "-1"), "has no stage -1; it has stages 0, 1, 2"),
        ((*SCHEDULE, "--rollback", "1", "--resume"), "name one of them"),
        ((*SCHEDULE, "--resume", "--seed", "5"), "seed was 0 and is 5 now"),
        ((*SCHEDULE, "--rollback", "1", "--seed", "5"), "seed was 0 and is 5 now"),
        ((*SCHEDULE, "--resume", "--scope", "global"), 'scope was "layer" and is "global" now'),
        (
            ("--schedule", "0.7:2:1e-3,0.75:2:5e-4", "--resume"),
            'schedule was "0.7:2:0.001,0.75:1:0.0005" and is "0.7:2:0.001,0.75:2:0.0005" now',
        ),
    ],
)
def test_what_cannot_be_continued_is_refused_and_the_stages_stay(
    cli: Cli,
    staged: tuple[object, ...],
    tmp_path: Path,
    arguments: tuple[str, ...],
    message: str,
) -> None:
    done = cli(*staged, *arguments)
    assert done.code == 2, done.err
    assert message in done.err
    assert numbers(tmp_path) == [0, 1, 2]
    assert not (tmp_path / "b").exists()


def test_stages_of_other_data_are_refused(
    cli: Cli, staged: tuple[object, ...], table: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.csv"
    other.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    done = cli(*staged, *SCHEDULE, "--resume", "--data", other)
    assert done.code == 2
    assert "data_sha256 was" in done.err


def test_ctrl_c_in_the_second_stage_keeps_the_first_and_says_how_to_go_on(
    cli: Cli,
    staged: tuple[object, ...],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shutil.rmtree(tmp_path / "b.stages")
    ended = list[int]()

    def press(*arguments: Any, **options: Any) -> float:
        ended.append(1)
        if len(ended) == 3:
            raise KeyboardInterrupt
        return evaluate(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(fitting, "evaluate", press)
        stopped = cli(*staged, *SCHEDULE)

    assert stopped.code == 130
    assert "the same command with --resume" in stopped.err
    assert "no bundle was written" in stopped.err
    assert not (tmp_path / "b").exists()
    assert numbers(tmp_path) == [0, 1]

    on = cli(*staged, *SCHEDULE, "--resume")
    assert on.code == 0, on.err
    assert weights_sha256(tmp_path / "b") == weights_sha256(folder / "b")
