from pathlib import Path

import pytest
from rich.table import Table

from spinn_edge.cli.output import Printer
from spinn_edge.core.errors import UsageError


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
