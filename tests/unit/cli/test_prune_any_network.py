"""``spinn-edge prune`` beyond what `train` wrote: factories, loaders, stages, gates, bad input."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spinn_edge.core.bundle import Bundle
from spinn_edge.models.loading import module_of
from tests.unit.cli.conftest import Cli

MODULE = """
import torch
from torch import nn

class Skip(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.skip, self.head = nn.Linear(4, 32), nn.Linear(32, 32), nn.Linear(32, 2)
        self.gain = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        h = torch.tanh(self.first(x))
        return self.head(self.gain * h + torch.tanh(self.skip(h)))

def make():
    torch.manual_seed(0)
    return Skip()

def loaders():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 4, generator=generator)
    batches = [(x, x[:, :2])]
    return batches, batches, nn.functional.mse_loss

def broken():
    raise RuntimeError("no disk")

def mine(weights, group):
    return torch.arange(group.channels, dtype=torch.float64)

def residual(x, y, derivatives):
    return derivatives["wear:a"] - 1.0
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Return MODEL and options for a network of the user's own, in the current folder."""
    (tmp_path / "own_skip.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    import importlib

    import own_skip  # type: ignore[import-not-found]

    importlib.reload(own_skip)
    save_file(own_skip.make().state_dict(), tmp_path / "own.safetensors")
    return ["own_skip:make", "--weights", tmp_path / "own.safetensors"]


def manifest(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((path / "manifest.json").read_text())
    return found


def test_network_of_the_users_own_is_pruned_and_built_again_from_its_plan(
    cli: Cli, own: list[object], table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    done = cli(
        *("prune", *own, "--data", table, "--targets", "wear,heat", "--ignore", "tool"),
        *("--target", "0.5", "--rounds", "2", "--finetune-epochs", "1", "--tolerance", "0.03"),
        *("--importance", "taylor", "--out", out),
    )

    assert done.code == 0, done.err
    bundle = Bundle.load(out)
    audit = bundle.manifest.pruning
    assert audit is not None
    assert bundle.manifest.architecture.factory == "own_skip:make"
    assert abs(audit.achieved - 0.5) <= 0.03
    assert [layer.name for layer in audit.layers] == ["first+skip"]
    module = module_of(bundle, trust_factory=True)
    assert sum(p.numel() for p in module.parameters()) == audit.parameters_after
    golden = bundle.golden()
    with torch.no_grad():
        (inputs,) = golden.inputs.values()
        (wanted,) = golden.outputs.values()
        got = module(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-4 * np.abs(wanted).max())

    again = cli(
        *("prune", out, "--data", table, "--target", "0.4", "--rounds", "1"),
        *("--finetune-epochs", "1", "--tolerance", "0.02", "--trust-factory"),
        *("--out", tmp_path / "smaller"),
    )
    assert again.code == 0, again.err
    twice = Bundle.load(tmp_path / "smaller")
    assert twice.manifest.pruning is not None
    assert twice.manifest.pruning.earlier == (audit.plan,)
    module = module_of(twice, trust_factory=True)
    assert sum(p.numel() for p in module.parameters()) == twice.manifest.parameters
    exported = cli(
        *("export", tmp_path / "smaller", "--format", "torchscript", "--trust-factory"),
        *("--out", tmp_path / "exported"),
    )
    assert exported.code == 0, exported.err


def test_without_data_channels_go_and_nothing_is_tuned(
    cli: Cli, own: list[object], tmp_path: Path
) -> None:
    done = cli(
        *("prune", *own, "--target", "0.5", "--input-shape", "4", "--tolerance", "0.03"),
        *("--by", "flops", "--importance", "own_skip:mine", "--out", tmp_path / "small"),
    )

    assert done.code == 0, done.err
    assert "nothing is tuned" in done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert audit.by == "flops"
    assert audit.importance == "own_skip:mine"
    (plan,) = audit.plan
    assert plan.kept == tuple(range(32 - len(plan.kept), 32))  # its scores rise with the index


def test_users_own_loaders_tune_every_round(cli: Cli, own: list[object], tmp_path: Path) -> None:
    done = cli(
        *("prune", *own, "--target", "0.5", "--input-shape", "4", "--tolerance", "0.03"),
        *("--loaders", "own_skip:loaders", "--rounds", "2", "--finetune-epochs", "3"),
        *("--allocation", "global", "--importance", "activation", "--out", tmp_path / "small"),
    )

    assert done.code == 0, done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert [one.score is not None for one in audit.rounds] == [True, True]


def test_stages_are_kept_resumed_and_rolled_back_to(
    cli: Cli, trained: Path, table: Path, tmp_path: Path
) -> None:
    common = ("prune", trained, "--data", table, "--schedule", "0.3:1:1e-3,0.3:1:1e-3")
    out = tmp_path / "small"
    whole = cli(*common, "--out", out)
    assert whole.code == 0, whole.err
    assert (tmp_path / "small.stages" / "stage-002").is_dir()
    weights = Bundle.load(out).manifest.files_of("weights")[0].sha256

    back = cli(*common, "--out", out, "--force", "--rollback", "1")
    assert back.code == 0, back.err
    first = Bundle.load(out).manifest
    assert first.pruning is not None
    assert len(first.pruning.rounds) == 1
    assert first.pruning.requested == pytest.approx(0.3)
    assert not (tmp_path / "small.stages" / "stage-002").exists()

    on = cli(*common, "--out", out, "--force", "--resume")
    assert on.code == 0, on.err
    assert "round 1 of" not in on.err
    assert "round 2 of 2" in on.err
    assert Bundle.load(out).manifest.files_of("weights")[0].sha256 == weights

    other = cli(*common, "--out", out, "--force", "--resume", "--seed", "5")
    assert other.code == 2
    assert "seed was 0 and is 5 now" in other.err
    assert Bundle.load(out).manifest.files_of("weights")[0].sha256 == weights

    start = cli(*common, "--out", out, "--force", "--rollback", "0")
    assert start.code == 0, start.err
    begun = Bundle.load(out).manifest
    assert begun.pruning is not None
    assert (begun.pruning.rounds, begun.pruning.achieved) == ((), 0)


def test_same_seed_gives_the_same_weights(
    cli: Cli, trained: Path, table: Path, tmp_path: Path
) -> None:
    digests = set()
    for name in ("a", "b"):
        done = cli(
            *("prune", trained, "--data", table, "--target", "0.5", "--rounds", "2"),
            *("--finetune-epochs", "1", "--importance", "taylor", "--distil", "0.5"),
            *("--monotone", "wear:a:+", "--out", tmp_path / name),
        )
        assert done.code in (0, 4), done.err
        digests.add(Bundle.load(tmp_path / name).manifest.files_of("weights")[0].sha256)

    assert len(digests) == 1


def test_physics_is_learnt_and_checked_after_every_round(
    cli: Cli, own: list[object], trained: Path, table: Path, tmp_path: Path
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.5", "--rounds", "2"),
        *("--finetune-epochs", "1", "--residual", "own_skip:residual"),
        *("--derivatives", "wear:a", "--collocation", "16", "--out", tmp_path / "small"),
    )

    assert done.code in (0, 4), done.err
    assert "physics after round 1: " in done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert all("root mean square" in (one.physics or "") for one in audit.rounds)
    assert (done.code == 4) == ("FAILED" in (audit.rounds[-1].physics or ""))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gate-r2", "0.9999"), "missed the gate: R² overall"),
        (("--gate-each", "0.9999"), "missed the gate: R² of"),
        (("--gate-parameters", "1:10"), "missed the gate"),
    ],
)
def test_missed_gate_leaves_with_4_and_the_network_is_written(
    cli: Cli, trained: Path, table: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.6", "--rounds", "1"),
        *("--finetune-epochs", "1", "--lr", "1e-6", *options, "--out", tmp_path / "small"),
    )

    assert done.code == 4
    assert message in done.err
    assert (tmp_path / "small" / "manifest.json").exists()


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--target", "nan"), 4, "above 0 and below 1"),
        (("--target", "1.5"), 4, "above 0 and below 1"),
        (("--by", "watts"), 2, "unknown quantity 'watts'; known: parameters, flops"),
        (("--allocation", "fair"), 2, "unknown allocation 'fair'; known: uniform, global"),
        (("--importance", "magic"), 2, "unknown importance 'magic'; known: l1-outgoing"),
        (("--importance", "no_such:f"), 2, "--importance no_such:f"),
        (("--schedule", "0.3:1"), 4, "0.3:1"),
        (("--schedule", "0.3:1:1e-3", "--target", "0.685"), 4, "the schedule ends at 30.00%"),
        (("--schedule", "0.3:1:1e-3", "--rounds", "2"), 2, "--schedule says rounds"),
        (("--protect", "nope"), 4, "nope"),
        (("--min-width", "many"), 2, "--min-width many: expected channels"),
        (("--min-width", "1000"), 4, ""),
        (("--keep", "0=2.5"), 2, "--keep 0=2.5: expected LAYER=SHARE"),
        (("--latency-us", "10", "--target", "0.5"), 2, "one target at a time"),
        (("--latency-us", "-1"), 2, "--latency-us must be above 0"),
        (("--latency-us", "10", "--runtime", "gpu9"), 2, "gpu9"),
        (("--by", "latency", "--target", "3"), 2, "above 0 and below 1"),
        (("--loaders", "a:b"), 2, "--data and --loaders both say"),
        (("--rollback", "1"), 2, "has no stage 1"),
        (("--gate-r2", "1"), 2, "R² is at most 1"),
        (("--gate-parameters", "few"), 2, "expected LOW:HIGH"),
        (("--monotone", "wear:nope:+"), 2, "nope"),
        (("--distil", "nan"), 2, "nan"),
        (("--distil", "-1"), 2, "-1"),
        (("--rounds", "0"), 4, "0 rounds"),
    ],
)
def test_bad_pruning_input_is_refused_and_nothing_is_written(
    cli: Cli,
    trained: Path,
    table: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    done = cli("prune", trained, "--data", table, *options, "--out", tmp_path / "small")

    assert (done.code, message in done.err) == (code, True), done.err
    assert not (tmp_path / "small").exists()
    assert "internal error" not in done.err


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (("--test", "x.csv"), 2, "are for the rows of --data"),
        (("--resume",), 2, "stages are kept for runs on the rows of --data"),
        (("--loaders", "own_skip:broken"), 2, "no disk"),
        (("--loaders", "own_skip:nope"), 2, "own_skip:nope"),
        (("--importance", "taylor"), 4, "taylor"),
    ],
)
def test_bad_input_without_rows_is_refused(
    cli: Cli, own: list[object], tmp_path: Path, options: tuple[str, ...], code: int, message: str
) -> None:
    done = cli(
        *("prune", *own, "--input-shape", "4", "--target", "0.5", "--tolerance", "0.03"),
        *(*options, "--out", tmp_path / "small"),
    )

    assert (done.code, message in done.err) == (code, True), done.err
    assert not (tmp_path / "small").exists()


def test_schedule_holds_for_the_users_own_loaders_too(
    cli: Cli, own: list[object], tmp_path: Path
) -> None:
    done = cli(
        *("prune", *own, "--input-shape", "4", "--tolerance", "0.03"),
        *("--loaders", "own_skip:loaders", "--schedule", "0.3:1:1e-3,0.2:2:1e-9"),
        *("--out", tmp_path / "small"),
    )

    assert done.code == 0, done.err
    assert "30.00%" in done.out  # the cumulative table
    assert "44.00%" in done.out
    epochs = [line for line in done.err.splitlines() if ": epoch " in line]
    assert [line.split(",")[0] + line.split(":")[1].split(",")[0] for line in epochs] == [
        "round 1 of 2 epoch 1 of 1",
        "round 2 of 2 epoch 1 of 2",
        "round 2 of 2 epoch 2 of 2",
    ]
    losses = [line.split("held out ")[1].split()[0] for line in epochs[1:]]
    assert losses[0] == losses[1]  # at a rate of 1e-9 nothing moves


def test_untuned_network_of_a_bundle_keeps_columns_and_golden_inputs(
    cli: Cli, trained: Path, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    done = cli("prune", trained, "--target", "0.6", "--rounds", "1", "--out", out)

    assert done.code == 0, done.err
    before, after = Bundle.load(trained), Bundle.load(out)
    np.testing.assert_array_equal(
        next(iter(after.golden().inputs.values())), next(iter(before.golden().inputs.values()))
    )
    assert after.manifest.golden_source == before.manifest.golden_source
    assert after.manifest.training is not None
    assert after.manifest.training.scores.source.startswith("before pruning: ")
    again = cli(
        *("prune", out, "--data", table, "--target", "0.3", "--rounds", "1"),
        *("--finetune-epochs", "1", "--tolerance", "0.02", "--out", tmp_path / "smaller"),
    )
    assert again.code == 0, again.err


def test_residual_in_torch_functions_is_checked_as_it_is_learnt(
    cli: Cli, own: list[object], trained: Path, table: Path, tmp_path: Path
) -> None:
    module = tmp_path / "own_skip.py"
    module.write_text(
        module.read_text() + "\ndef steady(x, y, d):\n    return torch.relu(-d['wear:a'])\n"
    )
    import importlib

    import own_skip

    importlib.reload(own_skip)
    common = ("prune", trained, "--data", table, "--target", "0.5", "--rounds", "1")
    done = cli(
        *(*common, "--finetune-epochs", "1", "--residual", "own_skip:steady"),
        *("--derivatives", "wear:a", "--out", tmp_path / "small"),
    )

    assert done.code in (0, 4), done.err
    assert "root mean square" in done.err


def test_residual_that_fails_does_so_before_the_training(
    cli: Cli, own: list[object], trained: Path, table: Path, tmp_path: Path
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.5", "--rounds", "1"),
        *("--residual", "own_skip:residual", "--monotone", "wear:b:+", "--out", tmp_path / "small"),
    )

    assert done.code == 2
    assert "epoch" not in done.err.split("error:")[0]


def test_inspect_says_what_was_left_alone(cli: Cli, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "small"
    assert cli("prune", trained, "--target", "0.6", "--rounds", "1", "--out", out).code == 0

    done = cli("inspect", out)

    assert "it makes the network's output" in done.out
    assert "Groups of layers" in done.out


def test_stages_know_the_widths_before(
    cli: Cli, trained: Path, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "small"
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.6", "--rounds", "1"),
        *("--finetune-epochs", "1", "--out", out),
    )
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "small.stages" / "stage-001" / "stage.json").read_text())
    first = record["record"]["layers"][0]
    assert first["width_before"] == 24
    assert first["width_after"] < 24

    taken = cli("prune", trained, "--data", table, "--target", "0.6", "--resume", "--out", out)
    assert taken.code == 5
    assert "--force replaces the bundle and keeps the stages" in taken.err


@pytest.mark.parametrize(
    "options",
    [("--schedule", "0.3:1:1e-3"), ("--finetune-epochs", "3"), ("--patience", "2")],
)
def test_tuning_options_are_refused_where_nothing_is_tuned(
    cli: Cli, trained: Path, tmp_path: Path, options: tuple[str, ...]
) -> None:
    done = cli("prune", trained, *options, "--out", tmp_path / "small")

    assert (done.code, "nothing is tuned" in done.err) == (2, True), done.err
