import os
from pathlib import Path

import pytest
from rich.table import Table

from spinn_edge.cli.output import Printer
from spinn_edge.core.errors import UsageError
from spinn_edge.report.sources import read_sources
from tests.unit.core.full_disk import room_for


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


def test_disk_that_is_full_leaves_the_old_page(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")
    with room_for(10_000), pytest.raises(UsageError, match="File too large; name another file"):
        Printer(str(path)).write("x" * 100_000, str(path))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_folder_and_place_below_a_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="it is a folder; name a file in it"):
        Printer(str(tmp_path))
    with pytest.raises(UsageError, match="file is a file; name a folder"):
        Printer(str(tmp_path / "file" / "x" / "results.json"))


def test_link_that_leads_in_a_circle_is_a_clear_error(tmp_path: Path) -> None:
    one, other = tmp_path / "one.json", tmp_path / "other.json"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(UsageError, match="its link leads in a circle; name another file"):
        Printer(str(one))
    with pytest.raises(UsageError, match="cannot read"):
        read_sources([one])


@pytest.mark.parametrize("locked", [".", "results.json"])
def test_place_that_is_write_protected_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locked: str
) -> None:
    path, protected = tmp_path / "results.json", tmp_path / locked
    path.write_text("")
    monkeypatch.setattr(os, "access", lambda place, mode: Path(place) != protected)
    with pytest.raises(UsageError, match="is not writable; name another file") as raised:
        Printer(str(path))
    assert f"{protected} is not writable" in str(raised.value)


def test_device_in_a_folder_that_is_write_protected_is_a_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda place, mode: str(place) == os.devnull)
    Printer(os.devnull).write("text", os.devnull)
    assert "wrote /dev/null" in capsys.readouterr().err
    assert Path(os.devnull).is_char_device()


def test_note_of_half_a_surrogate_pair_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer()
    printer.show("half \ud800 a pair")
    printer.say("half \udc00 a pair")
    captured = capsys.readouterr()
    assert captured.out == captured.err == "half \ufffd a pair\n"
