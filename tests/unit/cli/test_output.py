from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from spinn_edge.cli.output import EpochProgress, Printer
from spinn_edge.core.errors import UsageError
from spinn_edge.training.fitting import Epoch

EPOCH = Epoch(number=1, train_loss=0.5, validation_loss=0.25, best=True)


@pytest.fixture
def terminal() -> Printer:
    """Return a printer whose notes go to a terminal of 100 columns."""
    printer = Printer()
    printer.notes = Console(file=StringIO(), force_terminal=True, width=100, color_system=None)
    return printer


def written(printer: Printer) -> str:
    assert isinstance(printer.notes.file, StringIO)
    return printer.notes.file.getvalue()


def test_bar_shows_epochs_losses_and_the_best_one(terminal: Printer) -> None:
    with EpochProgress(terminal) as progress:
        progress.begin("training", 2)
        progress.advance(EPOCH)
    shown = written(terminal)
    for words in ("training", "1/2", "loss 0.50000, held out 0.25000 (best)"):
        assert words in shown


def test_bar_has_ended_before_a_step_is_announced(terminal: Printer) -> None:
    with EpochProgress(terminal) as progress:
        progress.begin("training", 2)
        progress.say("timing dense on eager")
        before = written(terminal)
        progress.begin("pruning", 1)
        assert "timing dense on eager\n" in before
        assert written(terminal) != before


def test_status_in_a_terminal_changes_its_words(terminal: Printer) -> None:
    with terminal.status("loading") as say:
        say("proving")
    assert "proving" in written(terminal)


def test_piped_progress_is_one_line_an_epoch(capsys: pytest.CaptureFixture[str]) -> None:
    with EpochProgress(Printer()) as progress:
        progress.begin("training", 2)
        progress.advance(EPOCH)
    err = capsys.readouterr().err
    assert err == "training: epoch 1, loss 0.50000, held out 0.25000 (best)\n"


def test_table_leaves_standard_output_to_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer("-")
    printer.show(Table(title="beside"), "words [not markup]")
    printer.write('{"only": "this"}\n', "-")
    captured = capsys.readouterr()
    assert captured.out == '{"only": "this"}\n'
    assert "words [not markup]" in captured.err


def test_document_in_a_new_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "results.json"
    printer = Printer(str(path))
    printer.write("{}\n", str(path))
    assert path.read_text() == "{}\n"
    assert f"wrote {path}" in capsys.readouterr().err


def test_destination_that_vanishes_is_a_clear_error(tmp_path: Path) -> None:
    printer = Printer(None)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match=r"cannot write .*; name another file"):
        printer.write("{}", str(tmp_path / "file" / "results.json"))
