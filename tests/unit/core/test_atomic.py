import os
from pathlib import Path

import pytest

from spinn_edge.core.atomic import append_whole, write_atomically, write_whole
from tests.unit.core.full_disk import room_for

LONG = "x" * 100_000


@pytest.mark.parametrize("write", [write_whole, append_whole])
def test_disk_that_is_full_leaves_a_file_as_it_was(tmp_path, write):
    path = tmp_path / "x"
    path.write_text("before")
    with room_for(50_000), pytest.raises(OSError, match="File too large"):
        write(path, LONG)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupt(*names):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", b"content")
    assert list(tmp_path.iterdir()) == []


def test_text_is_written_into_a_new_folder_with_the_permissions_of_any_new_file(tmp_path):
    path = tmp_path / "a" / "b" / "x"
    old = os.umask(0o027)
    try:
        write_whole(path, "é\n")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(old)
    assert path.read_bytes() == "é\n".encode()
    assert path.stat().st_mode & 0o777 == 0o640


def test_link_and_permissions_stay(tmp_path):
    path, link = tmp_path / "x", tmp_path / "link"
    path.write_text("before")
    path.chmod(0o604)
    link.symlink_to(path)
    write_whole(link, "after")
    assert link.is_symlink()
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("after", 0o604)


def test_link_to_nothing_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "x")
    write_whole(tmp_path / "link", "text")
    assert (tmp_path / "x").read_text() == "text"


@pytest.mark.parametrize("write", [write_whole, append_whole])
def test_pipe_without_a_path_is_written_to(write):
    reader, writer = os.pipe()
    write(Path(f"/dev/fd/{writer}"), "text")
    assert os.read(reader, 10) == b"text"
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize("write", [write_whole, append_whole])
def test_pipe_is_written_to_and_stays_one(tmp_path, write):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write(path, "text")
        assert os.read(reader, 10) == b"text"
    finally:
        os.close(reader)
    assert path.is_fifo()


@pytest.mark.parametrize("write", [write_whole, append_whole])
def test_folder_refuses(tmp_path, write):
    with pytest.raises(OSError, match="directory"):
        write(tmp_path, "text")


def test_text_is_appended(tmp_path):
    path = tmp_path / "x"
    for text in ("é\n", "b\n"):
        append_whole(path, text)
    assert path.read_bytes() == "é\nb\n".encode()


def test_part_that_cannot_be_taken_away_again_is_said(tmp_path, monkeypatch):
    def refuse(*arguments):
        raise OSError("device is gone")

    path = tmp_path / "x"
    monkeypatch.setattr(os, "ftruncate", refuse)
    with room_for(50_000), pytest.raises(OSError, match="File too large") as raised:
        append_whole(path, LONG)
    assert raised.value.__notes__ == ["a part of the text stays at its end: device is gone"]
