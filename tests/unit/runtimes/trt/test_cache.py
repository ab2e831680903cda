import os
import stat
from pathlib import Path

import pytest

from spinn_edge.runtimes.trt.cache import EngineCache
from tests.fakes.trt import fake_backend

BACKEND = fake_backend(None)


@pytest.fixture
def cache(tmp_path):
    (tmp_path / "bundle").mkdir()
    return EngineCache(tmp_path / "bundle")


def test_folder_lies_beside_the_bundle_and_is_made_at_the_first_store(cache, tmp_path):
    assert cache.load("timing", BACKEND, "SM90") == b""
    assert not cache.folder.exists()
    assert cache.store("timing", BACKEND, "SM90", b"kept")
    assert cache.folder == tmp_path / "bundle.trt-cache"
    assert [path.name for path in cache.folder.iterdir()] == ["timing.tensorrt-11.4.0.106.sm90"]
    assert list((tmp_path / "bundle").iterdir()) == []


def test_what_was_stored_is_loaded_by_another_process(cache, tmp_path):
    cache.store("timing", BACKEND, "SM90", b"old")
    cache.store("timing", BACKEND, "SM90", b"new")
    assert EngineCache(tmp_path / "bundle").load("timing", BACKEND, "SM90") == b"new"


def test_relative_bundle_has_the_same_folder(cache, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path / "bundle")
    assert EngineCache(Path()).folder == cache.folder


def test_kind_version_package_and_gpu_are_kept_apart(cache):
    others = [
        ("runtime", BACKEND, "SM90"),
        ("timing", fake_backend(None, version="10.16.1.11"), "SM90"),
        ("timing", fake_backend(None, name="tensorrt_rtx"), "SM90"),
        ("timing", BACKEND, "SM86"),
    ]
    cache.store("timing", BACKEND, "SM90", b"mine")
    for other in others:
        assert cache.load(*other) == b""


def test_nothing_is_left_of_a_write_that_failed(cache, monkeypatch):
    cache.store("timing", BACKEND, "SM90", b"old")

    def refuse(source, target):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    assert cache.store("timing", BACKEND, "SM90", b"new") is False
    assert [path.read_bytes() for path in cache.folder.iterdir()] == [b"old"]


def test_place_that_cannot_be_written_or_read_is_no_error(tmp_path):
    (tmp_path / "bundle.trt-cache").write_bytes(b"a file where the folder would be")
    cache = EngineCache(tmp_path / "bundle")
    assert cache.store("timing", BACKEND, "SM90", b"kept") is False
    assert cache.load("timing", BACKEND, "SM90") == b""


def test_missing_parent_is_no_error(tmp_path):
    cache = EngineCache(tmp_path / "gone" / "bundle")
    assert cache.store("timing", BACKEND, "SM90", b"kept") is False


def test_file_is_for_its_user_alone(cache):
    old = os.umask(0o022)
    try:
        cache.store("timing", BACKEND, "SM90", b"kept")
    finally:
        os.umask(old)
    path = cache.path("timing", BACKEND, "SM90")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
