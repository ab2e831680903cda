"""``spinn-edge prune`` towards a latency; the clock alone is a fake."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from spinn_edge.bench.understanding.latency_probe import LatencyProbe
from spinn_edge.core.bundle import Bundle
from spinn_edge.pruning.targets.latency_goal import MeasuredLatency, Widths
from tests.unit.cli.conftest import Cli

DENSE = (24, 24)
EAGER = ("--runtime", "eager")  # needs no export: the clock is a fake anyway


def seconds(widths: Widths) -> float:
    """Return a latency of 2 µs and 0.1 µs for each neuron."""
    return 2e-6 + 1e-7 * sum(widths)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return what makes every later final measurement slower by a factor."""
    slow = [1.0]

    def measure(self: LatencyProbe, asked: Sequence[Widths]) -> list[MeasuredLatency]:
        final = self.launches == 10
        for widths in asked:
            bundle = self.bundle_at(widths)  # truly cut, exported and proved
            assert bundle.manifest.architecture.widths[1:-1] == widths
        return [
            MeasuredLatency(
                widths=widths,
                latency_s=(
                    found := seconds(widths) * (slow[0] if final and widths != DENSE else 1)
                ),
                low_s=0.99 * found,
                high_s=1.01 * found,
            )
            for widths in asked
        ]

    monkeypatch.setattr(LatencyProbe, "__call__", measure)
    return lambda factor: slow.__setitem__(0, factor)


def test_widths_are_chosen_by_measurement_and_the_result_is_measured_again(
    cli: Cli, clock: object, trained: Path, table: Path, tmp_path: Path
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--latency-us", "5", *EAGER, "--rounds", "2"),
        *("--finetune-epochs", "1", "--out", tmp_path / "small"),
    )

    assert done.code == 0, done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    widths = tuple(layer.after for layer in audit.layers)
    assert 0.9 * 5e-6 <= seconds(widths) <= 5e-6
    assert len(audit.rounds) == 2
    record = audit.latency
    assert record is not None
    assert (record.runtime, record.batch, record.reached) == ("eager", 1, True)
    assert (record.before_s, record.after_s) == (seconds(DENSE), seconds(widths))
    assert record.goal_s == pytest.approx(5e-6)
    assert "latency reached: " in done.out
    assert "chosen, goal 5.00 µs" in done.out


def test_share_of_the_latency_is_a_target_too(
    cli: Cli, clock: object, trained: Path, table: Path, tmp_path: Path
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.4", "--by", "latency", *EAGER),
        *("--rounds", "1", "--finetune-epochs", "1", "--out", tmp_path / "small"),
    )

    assert done.code == 0, done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert audit.latency is not None
    assert audit.latency.after_s <= 0.6 * audit.latency.before_s


def test_result_that_is_slower_than_the_table_said_leaves_with_4(
    cli: Cli, clock: Callable[[float], None], trained: Path, table: Path, tmp_path: Path
) -> None:
    clock(1.5)

    done = cli(
        *("prune", trained, "--data", table, "--latency-us", "5", *EAGER, "--rounds", "1"),
        *("--finetune-epochs", "1", "--out", tmp_path / "small"),
    )

    assert done.code == 4
    assert "it missed the latency" in done.err
    assert "latency missed: " in done.out
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert audit.latency is not None
    assert audit.latency.reached is False


@pytest.mark.parametrize(
    ("goal", "message"), [("1", "the fastest"), ("1000", "as it is")], ids=["too fast", "too slow"]
)
def test_goal_out_of_reach_is_refused_before_any_training(
    cli: Cli, clock: object, trained: Path, table: Path, tmp_path: Path, goal: str, message: str
) -> None:
    out = tmp_path / "s"
    done = cli("prune", trained, "--data", table, "--latency-us", goal, *EAGER, "--out", out)

    assert (done.code, "epoch" in done.err) == (4, False), done.err
    assert not out.exists()


@pytest.mark.parametrize(("lowest", "code"), [("1.2", 0), ("9", 4)])
def test_speed_up_of_the_gate_is_measured(
    cli: Cli, clock: object, trained: Path, table: Path, tmp_path: Path, lowest: str, code: int
) -> None:
    done = cli(
        *("prune", trained, "--data", table, "--target", "0.6", "--rounds", "1", "--gate-r2", "-9"),
        *("--gate-each", "-9", "--finetune-epochs", "1", "--gate-speedup", lowest, *EAGER),
        *("--out", tmp_path / "small"),
    )

    assert done.code == code, done.err
    audit = Bundle.load(tmp_path / "small").manifest.pruning
    assert audit is not None
    assert audit.latency is not None
    assert audit.latency.goal_s is None
    assert f"{audit.latency.speedup:.2f}×" in done.out
