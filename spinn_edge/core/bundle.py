"""A bundle: one folder that says everything about one model, read and written whole."""

from __future__ import annotations

import hashlib
import importlib
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from spinn_edge.core.errors import BundleError
from spinn_edge.core.golden import GOLDEN_NAME, Golden
from spinn_edge.core.manifest import MANIFEST_NAME, FileEntry, Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A folder whose manifest was read and whose files were checked.

    Attributes:
        root: the folder.
        manifest: what it says.
    """

    root: Path
    manifest: Manifest

    @property
    def name(self) -> str:
        """The folder's name, which tables show."""
        return self.root.name

    def path_of(self, entry: FileEntry) -> Path:
        """Return where ``entry`` lies."""
        return self.root / entry.path

    def golden(self) -> Golden:
        """Read the golden vectors.

        Raises:
            BundleError: the bundle has none, or they are damaged.
        """
        return Golden.load(self.root / GOLDEN_NAME)

    @classmethod
    def load(cls, root: Path) -> Bundle:
        """Read a bundle and check every file's presence, size and sha256.

        Raises:
            BundleError: no folder, no manifest, an unknown schema, a path that leaves the folder,
                a file that is missing or differs.
        """
        root = Path(root)
        manifest_path = root / MANIFEST_NAME
        try:
            text = manifest_path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as exc:
            raise BundleError(
                f"{root} is no bundle: {manifest_path.name} cannot be read ({exc}); "
                "make one with: spinn-edge export MODEL --out BUNDLE"
            ) from exc
        try:
            manifest = Manifest.from_text(text)
        except BundleError as exc:
            raise BundleError(f"{root}: {exc}") from exc
        for entry in manifest.files:
            _check_file(root, entry)
        return cls(root=root, manifest=manifest)

    def _repr_html_(self) -> str:
        """Return what a notebook shows, made by the reports above this layer (ADR 0012)."""
        html: str = importlib.import_module("spinn_edge.report.notebook").bundle_html(self)
        return html


def describe_file(root: Path, name: str, format_name: str, **facts: Any) -> FileEntry:
    """Return the entry of a file that was just written under ``root``.

    Args:
        root: folder of the bundle.
        name: path relative to it.
        format_name: see :class:`FileEntry`.
        facts: further fields of :class:`FileEntry`.
    """
    path = root / name
    return FileEntry(
        path=name, format=format_name, bytes=path.stat().st_size, sha256=sha256_of(path), **facts
    )


def sha256_of(path: Path) -> str:
    """Return the hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def staged_folder(out: Path, *, force: bool) -> Iterator[Path]:
    """Give a new empty folder that becomes ``out`` when the block ends without an error.

    The folder lies beside ``out``, so the last step is a rename on one file system: a crash leaves
    the old bundle or none, never half of one. An error in the block removes the new folder.

    Args:
        out: where the bundle shall be.
        force: replace a bundle that is there. Anything else that is there is never replaced.

    Raises:
        BundleError: ``out`` exists and may not be replaced, or cannot be written.
    """
    out = Path(out).absolute()
    _check_replaceable(out, force=force)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=f".{out.name}.new-", dir=out.parent))
        staging.chmod(0o755)
    except OSError as exc:
        raise BundleError(f"cannot write beside {out}: {exc}; choose another --out") from exc
    try:
        yield staging
        _check_replaceable(out, force=force)  # again: hours may have passed
        _replace(out, staging)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def check_output_free(out: Path, *, force: bool) -> None:
    """Refuse early what :func:`staged_folder` would refuse late; leaves nothing behind.

    Raises:
        BundleError: as :func:`staged_folder`.
    """
    out = Path(out).absolute()
    _check_replaceable(out, force=force)
    existing = next(folder for folder in out.parents if folder.exists())
    try:
        tempfile.TemporaryDirectory(prefix=f".{out.name}.try-", dir=existing).cleanup()
    except OSError as exc:
        raise BundleError(f"cannot write beside {out}: {exc}; choose another --out") from exc


def finish(root: Path, manifest: Manifest) -> None:
    """Write ``manifest.json`` into a staged folder: the last file of a bundle."""
    (root / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")


def parameter_bytes(manifest: Manifest) -> int | None:
    """Return 4 bytes a parameter (float32), or None where their number is unknown."""
    return None if manifest.parameters is None else 4 * manifest.parameters


def _check_file(root: Path, entry: FileEntry) -> None:
    pure = PurePosixPath(entry.path)
    path = root / entry.path
    if (
        not entry.path
        or "\0" in entry.path
        or pure.is_absolute()
        or ".." in pure.parts
        or not path.resolve().is_relative_to(root.resolve())  # a link that leads outside
    ):
        raise BundleError(
            f"{MANIFEST_NAME} names '{entry.path}', which leaves the bundle {root}; "
            "do not use it, export the model again"
        )
    if not path.is_file():
        raise BundleError(f"{root}: {entry.path} is missing; export the model again")
    if (size := path.stat().st_size) != entry.bytes or sha256_of(path) != entry.sha256:
        raise BundleError(
            f"{path} is not the file that the manifest describes ({size} bytes, expected "
            f"{entry.bytes}; sha256 differs): it is corrupt or was changed; export the model again"
        )


def _check_replaceable(out: Path, *, force: bool) -> None:
    if not (out.exists() or out.is_symlink()):
        return
    if not force:
        raise BundleError(f"{out} exists; choose another --out or replace it with --force")
    if not out.is_dir() or out.is_symlink():
        raise BundleError(f"{out} is not a folder; --force replaces bundles only")
    if any(out.iterdir()) and not (out / MANIFEST_NAME).is_file():
        raise BundleError(
            f"{out} holds files but no {MANIFEST_NAME}; --force replaces bundles only, "
            "so nothing of yours is lost"
        )


def _replace(out: Path, staging: Path) -> None:
    try:
        if not out.exists():
            staging.rename(out)
            return
        with tempfile.TemporaryDirectory(
            prefix=f".{out.name}.old-", dir=out.parent, ignore_cleanup_errors=True
        ) as folder:
            old = Path(folder) / out.name
            out.rename(old)
            try:
                staging.rename(out)
            except BaseException:  # Ctrl-C too: the old bundle must not go with its folder
                old.rename(out)
                raise
    except OSError as exc:
        raise BundleError(
            f"cannot move the new bundle to {out}: {exc}; choose another --out"
        ) from exc
