import re
from io import StringIO

import pytest
from rich.console import Console

from spinn_edge.cli.output import Printer
from spinn_edge.cli.progress import EpochProgress, StepProgress
from spinn_edge.cli.time_left import TimeLeft
from spinn_edge.training.fitting import Epoch
from tests.unit.cli.console import left_on_screen

COLUMNS = 80


def epoch(number: int = 1) -> Epoch:
    return Epoch(number=number, train_loss=0.5, validation_loss=0.25, best=True)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return the seconds that every new estimate reads; change the one that is in it."""
    now = [100.0]
    made = TimeLeft.__init__

    def init(self: TimeLeft, rounds: int, *_: object, unlike: int = 0) -> None:
        made(self, rounds, lambda: now[0], unlike=unlike)

    monkeypatch.setattr(TimeLeft, "__init__", init)
    return now


@pytest.fixture
def terminal() -> Printer:
    """Return a printer whose notes go to a terminal."""
    printer = Printer()
    printer.notes = Console(
        file=StringIO(), force_terminal=True, width=COLUMNS, color_system=None, legacy_windows=False
    )
    return printer


def written(printer: Printer) -> str:
    assert isinstance(printer.notes.file, StringIO)
    return printer.notes.file.getvalue()


def test_line_shows_steps_time_so_far_and_time_left(terminal: Printer, clock: list[float]) -> None:
    with StepProgress(terminal, "verifying") as show:
        show.step("verifying eager", 0, 4)
        show._bar._progress.refresh()  # type: ignore[union-attr]
        first = written(terminal)
        clock[0] += 10
        show.step("verifying ort-cpu", 1, 4)
        show._bar._progress.refresh()  # type: ignore[union-attr]
    second = written(terminal).removeprefix(first)
    assert re.search(r"verifying eager +0/4 +0:00:0\d +– left", first)
    assert re.search(r"verifying ort-cpu +1/4 +0:00:0\d +about 30 s left", second)


def test_nothing_is_said_of_time_where_steps_are_not_alike(
    terminal: Printer, clock: list[float]
) -> None:
    with StepProgress(terminal, "exporting", alike=False) as show:
        show.step("golden vectors", 0, 3)
        clock[0] += 10
        show.step("onnx", 1, 3)
        show._bar._progress.refresh()  # type: ignore[union-attr]
    assert re.search(r"onnx +1/3 +0:00:0\d +– left", written(terminal))
    assert "about" not in written(terminal)


def test_steps_that_nobody_counted_show_no_share(terminal: Printer) -> None:
    with StepProgress(terminal, "adapting") as show:
        show.step("row 320", 320)
        show._bar._progress.refresh()  # type: ignore[union-attr]
    assert re.search(r"row 320 +0:00:0\d +– left", written(terminal))


@pytest.mark.parametrize("words", ["short", "verifying " + "long " * 30, "[red]not markup[/red]"])
def test_line_leaves_nothing_behind_and_never_breaks(terminal: Printer, words: str) -> None:
    terminal.say("before")
    with StepProgress(terminal, "beginning") as show:
        show.step(words, 1, 2)
        show._bar._progress.refresh()  # type: ignore[union-attr]
    terminal.say("after")
    assert left_on_screen(written(terminal)) == ["before", "after"]
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written(terminal))
    lines = [line for line in re.split("[\r\n]", plain) if line.strip()]
    assert max(map(len, lines)) <= COLUMNS
    assert all("0:00:0" in line for line in lines[1:-1])  # no second line of words
    assert words[:5] in plain
    assert re.search(r"1/2 +0:00:0\d +– left", plain)


def test_epochs_show_losses_and_leave_nothing_behind(terminal: Printer, clock: list[float]) -> None:
    with EpochProgress(terminal) as progress:
        progress.begin("training", 12)
        clock[0] += 3
        progress.advance(epoch())
        progress._bar._progress.refresh()  # type: ignore[union-attr]
    shown = written(terminal)
    assert re.search(r"training +1/12 +0:00:0\d +about 33 s left +loss 0.5", shown)
    assert left_on_screen(shown) == []


def test_line_has_ended_before_a_step_is_announced(terminal: Printer) -> None:
    with EpochProgress(terminal) as progress:
        progress.begin("training", 2)
        progress.say("timing dense on eager")
        assert left_on_screen(written(terminal)) == ["timing dense on eager"]
        progress.begin("pruning", 1)
        assert "pruning" in written(terminal)


def test_pipe_gets_a_line_for_each_step(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with StepProgress(Printer(), "verifying") as show:
        for done, name in enumerate(("eager", "ort-cpu")):
            show.step(f"verifying {name}", done, 2)
            clock[0] += 5
    assert capsys.readouterr().err.splitlines() == [
        "verifying eager (1 of 2)",
        "verifying ort-cpu (2 of 2), about 5 s left",
    ]


def test_pipe_hears_no_time_where_steps_are_not_alike(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with StepProgress(Printer(), "exporting", alike=False) as show:
        show.step("golden vectors", 0, 2)
        clock[0] += 50
        show.step("onnx", 1, 2)
    assert capsys.readouterr().err == "golden vectors (1 of 2)\nonnx (2 of 2)\n"


def test_pipe_gets_a_line_for_each_epoch_and_later_runs_count(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    with EpochProgress(Printer()) as progress:
        progress.begin("round 1 of 2", 2, later=3)
        clock[0] += 4
        progress.advance(epoch())
    assert capsys.readouterr().err == (
        "round 1 of 2: epoch 1 of 2, loss 0.50000, held out 0.25000 (best), about 16 s left\n"
    )
