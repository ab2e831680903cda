import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from spinn_edge.core.bundle import (
    Bundle,
    check_output_free,
    describe_file,
    finish,
    parameter_bytes,
    sha256_of,
    staged_folder,
)
from spinn_edge.core.errors import BundleError
from spinn_edge.core.manifest import MANIFEST_NAME


@pytest.fixture
def copied(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """Return a copy of the tiny bundle that a test may damage."""
    return Path(shutil.copytree(tiny_bundle.root, tmp_path / "copied"))


def edit_manifest(root: Path, change: Callable[[Any], None]) -> None:
    data = json.loads((root / MANIFEST_NAME).read_text())
    change(data)
    (root / MANIFEST_NAME).write_text(json.dumps(data))


def old_bundle(path: Path) -> Path:
    path.mkdir()
    (path / MANIFEST_NAME).write_text("old")
    return path


# Reading


def test_bundle_is_read_with_its_golden_vectors(tiny_bundle: Bundle) -> None:
    loaded = Bundle.load(tiny_bundle.root)

    assert loaded == tiny_bundle
    assert loaded.name == "tiny"
    assert loaded.golden().rows == 16
    assert all(loaded.path_of(entry).is_file() for entry in loaded.manifest.files)


def test_bundle_may_be_moved(tiny_bundle: Bundle, copied: Path) -> None:
    assert Bundle.load(copied).manifest == tiny_bundle.manifest


def test_folder_without_manifest_is_refused_with_the_command_that_makes_one(
    tmp_path: Path,
) -> None:
    for root in (tmp_path, tmp_path / "absent"):
        with pytest.raises(BundleError, match=r"is no bundle.*spinn-edge export MODEL --out"):
            Bundle.load(root)


def test_manifest_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xff\xfe\x00")

    with pytest.raises(BundleError, match="cannot be read"):
        Bundle.load(tmp_path)


def test_manifest_error_names_the_bundle(copied: Path) -> None:
    edit_manifest(copied, lambda data: data.update(schema_version=99))

    with pytest.raises(BundleError, match=r"copied: manifest\.json has schema version 99"):
        Bundle.load(copied)


@pytest.mark.parametrize("name", ["model.safetensors", "golden.npz", "model.onnx"])
def test_one_changed_byte_is_found(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)

    with pytest.raises(BundleError, match=r"sha256 differs.*export the model again") as caught:
        Bundle.load(copied)
    assert name in str(caught.value)


def test_truncated_file_is_found_with_both_sizes(copied: Path) -> None:
    content = (copied / "model.onnx").read_bytes()
    (copied / "model.onnx").write_bytes(content[:-1])

    with pytest.raises(BundleError) as caught:
        Bundle.load(copied)
    assert f"{len(content) - 1} bytes, expected {len(content)}" in str(caught.value)


@pytest.mark.parametrize("replace_by_folder", [False, True])
def test_missing_file_is_named(copied: Path, replace_by_folder: bool) -> None:
    (copied / "model.onnx").unlink()
    if replace_by_folder:
        (copied / "model.onnx").mkdir()

    with pytest.raises(BundleError, match=r"model\.onnx is missing; export the model again"):
        Bundle.load(copied)


@pytest.mark.parametrize(
    "path", ["../outside", "x/../../outside", "../copied/golden.npz", "/etc/hostname", ""]
)
def test_path_that_leaves_the_bundle_is_refused(copied: Path, path: str) -> None:
    (copied.parent / "outside").write_text("x")
    edit_manifest(copied, lambda data: data["files"][0].update(path=path))

    with pytest.raises(BundleError, match="which leaves the bundle") as caught:
        Bundle.load(copied)
    assert f"'{path}'" in str(caught.value)


def test_path_with_a_null_byte_is_refused(copied: Path) -> None:
    edit_manifest(copied, lambda data: data["files"][0].update(path="a\0b"))

    with pytest.raises(BundleError, match="which leaves the bundle"):
        Bundle.load(copied)


def test_link_that_leads_outside_is_refused_though_its_content_is_right(copied: Path) -> None:
    shutil.move(copied / "model.onnx", copied.parent / "outside.onnx")
    (copied / "model.onnx").symlink_to(copied.parent / "outside.onnx")

    with pytest.raises(BundleError, match="which leaves the bundle"):
        Bundle.load(copied)


def test_link_that_stays_inside_is_read(copied: Path) -> None:
    shutil.move(copied / "model.onnx", copied / "real.onnx")
    (copied / "model.onnx").symlink_to("real.onnx")

    Bundle.load(copied)


def test_missing_golden_vectors_are_reported_when_asked_for(copied: Path) -> None:
    edit_manifest(copied, lambda data: data["files"].pop(0))
    (copied / "golden.npz").unlink()

    with pytest.raises(BundleError, match=r"golden\.npz cannot be read"):
        Bundle.load(copied).golden()


# Describing


def test_describe_file_records_size_and_digest(tmp_path: Path) -> None:
    (tmp_path / "x.bin").write_bytes(b"abc")

    entry = describe_file(tmp_path, "x.bin", "onnx", toolchain={"onnx": "1"})

    assert (entry.path, entry.format, entry.bytes) == ("x.bin", "onnx", 3)
    assert entry.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert entry.toolchain == {"onnx": "1"}
    assert sha256_of(tmp_path / "x.bin") == entry.sha256


def test_parameter_bytes_counts_float32(tiny_bundle: Bundle) -> None:
    assert parameter_bytes(tiny_bundle.manifest) == 4 * (19 * 16 + 17 * 16 + 17 * 2)
    assert parameter_bytes(replace(tiny_bundle.manifest, parameters=None)) is None


# Writing


def test_staged_folder_becomes_the_output(tmp_path: Path) -> None:
    out = tmp_path / "new" / "deep" / "bundle"

    with staged_folder(out, force=False) as folder:
        assert not out.exists()
        assert folder.parent == out.parent
        (folder / "x").write_text("new")

    assert (out / "x").read_text() == "new"
    assert os.listdir(out.parent) == ["bundle"]
    assert out.stat().st_mode & 0o777 == 0o755


def test_finish_writes_the_manifest(tiny_bundle: Bundle, tmp_path: Path) -> None:
    finish(tmp_path, tiny_bundle.manifest)

    assert (tmp_path / MANIFEST_NAME).read_text() == tiny_bundle.manifest.to_text()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_error_in_the_block_leaves_the_old_bundle_and_no_litter(
    tmp_path: Path, error: type[BaseException]
) -> None:
    out = old_bundle(tmp_path / "bundle")

    def write_half() -> None:
        with staged_folder(out, force=True) as folder:
            (folder / "half").write_text("half")
            raise error

    with pytest.raises(error):
        write_half()

    assert os.listdir(tmp_path) == ["bundle"]
    assert os.listdir(out) == [MANIFEST_NAME]


def test_error_in_the_block_leaves_nothing_where_nothing_was(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), staged_folder(tmp_path / "b", force=False):
        raise ValueError("broken")

    assert os.listdir(tmp_path) == []


def test_force_replaces_a_bundle_whole(tmp_path: Path) -> None:
    out = old_bundle(tmp_path / "bundle")
    (out / "old.onnx").write_text("old")

    with staged_folder(out, force=True) as folder:
        (folder / MANIFEST_NAME).write_text("new")

    assert os.listdir(tmp_path) == ["bundle"]
    assert os.listdir(out) == [MANIFEST_NAME]
    assert (out / MANIFEST_NAME).read_text() == "new"


def test_force_replaces_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()

    with staged_folder(tmp_path / "bundle", force=True) as folder:
        (folder / "x").touch()

    assert os.listdir(tmp_path / "bundle") == ["x"]


@pytest.mark.parametrize("check", [check_output_free, lambda out, force: enter(out, force)])
class TestRefusal:
    def test_existing_output_without_force(self, tmp_path: Path, check: Any) -> None:
        out = old_bundle(tmp_path / "bundle")

        with pytest.raises(BundleError, match="exists; choose another --out or replace it with"):
            check(out, force=False)
        assert (out / MANIFEST_NAME).read_text() == "old"

    def test_folder_that_is_no_bundle_despite_force(self, tmp_path: Path, check: Any) -> None:
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "thesis.tex").write_text("years of work")

        with pytest.raises(BundleError, match=r"no manifest\.json; --force replaces bundles only"):
            check(tmp_path / "thesis", force=True)
        assert (tmp_path / "thesis" / "thesis.tex").read_text() == "years of work"

    def test_file_despite_force(self, tmp_path: Path, check: Any) -> None:
        (tmp_path / "file").write_text("mine")

        with pytest.raises(BundleError, match="is not a folder; --force replaces bundles only"):
            check(tmp_path / "file", force=True)
        assert (tmp_path / "file").read_text() == "mine"

    def test_link_to_a_bundle_despite_force(self, tmp_path: Path, check: Any) -> None:
        old_bundle(tmp_path / "bundle")
        (tmp_path / "link").symlink_to("bundle")

        with pytest.raises(BundleError, match="is not a folder"):
            check(tmp_path / "link", force=True)

    def test_dangling_link(self, tmp_path: Path, check: Any) -> None:
        (tmp_path / "link").symlink_to("nowhere")

        with pytest.raises(BundleError, match="exists; choose another --out"):
            check(tmp_path / "link", force=False)

    def test_parent_that_is_a_file(self, tmp_path: Path, check: Any) -> None:
        (tmp_path / "file").write_text("x")

        with pytest.raises(BundleError, match=r"cannot write beside .*choose another --out"):
            check(tmp_path / "file" / "bundle", force=False)


def enter(out: Path, force: bool) -> None:
    with staged_folder(out, force=force):
        pytest.fail("the block must not start")


def test_early_check_passes_a_free_output_and_leaves_nothing_behind(tmp_path: Path) -> None:
    check_output_free(tmp_path / "new" / "free", force=False)

    assert os.listdir(tmp_path) == []


def test_output_that_appeared_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    out = tmp_path / "bundle"

    def write_while_another_does() -> None:
        with staged_folder(out, force=False) as folder:
            (folder / MANIFEST_NAME).write_text("ours")
            old_bundle(out)

    with pytest.raises(BundleError, match="exists"):
        write_while_another_does()

    assert (out / MANIFEST_NAME).read_text() == "old"
    assert os.listdir(tmp_path) == ["bundle"]


@pytest.mark.parametrize("error", [OSError("disk on fire"), KeyboardInterrupt()])
def test_failed_last_rename_brings_the_old_bundle_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    out = old_bundle(tmp_path / "bundle")
    rename = Path.rename

    def fail_on_staging(self: Path, target: Path) -> Path:
        if ".new-" in self.name:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", fail_on_staging)
    expected = BundleError if isinstance(error, OSError) else KeyboardInterrupt

    with pytest.raises(expected), staged_folder(out, force=True) as folder:
        (folder / MANIFEST_NAME).write_text("new")

    assert (out / MANIFEST_NAME).read_text() == "old"
    assert os.listdir(tmp_path) == ["bundle"]


def test_old_bundle_that_cannot_be_moved_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = old_bundle(tmp_path / "bundle")

    def refuse(self: Path, target: Path) -> Path:
        raise PermissionError(f"{self} is in use")

    monkeypatch.setattr(Path, "rename", refuse)

    with (
        pytest.raises(BundleError, match=r"cannot move the new bundle to .*is in use.*--out"),
        staged_folder(out, force=True),
    ):
        pass

    assert (out / MANIFEST_NAME).read_text() == "old"
    assert os.listdir(tmp_path) == ["bundle"]
