"""Which bundle another one was adapted from, and where it lies now."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from spinn_edge.core.adaptation_record import Ancestor
from spinn_edge.core.bundle import Bundle, sha256_of, staged_folder
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.manifest import MANIFEST_NAME


def as_ancestor(bundle: Bundle) -> Ancestor:
    """Return how an adapted bundle remembers this one."""
    return Ancestor(
        name=bundle.name,
        manifest_sha256=sha256_of(bundle.root / MANIFEST_NAME),
        created_utc=bundle.manifest.created_utc,
    )


def find_parent(bundle: Bundle, folders: Iterable[Path] = ()) -> Bundle:
    """Return the bundle that this one was adapted from, every file of it checked.

    It is known by the digest of its manifest, whatever its folder is called now.

    Args:
        bundle: an adapted one.
        folders: where to look; none looks beside the bundle.

    Raises:
        UsageError: the bundle was not adapted.
        BundleError: its parent is not there, or is damaged.
    """
    record = bundle.manifest.adaptation
    if record is None:
        raise UsageError(f"{bundle.root} was not adapted from another bundle: it is version 1")
    wanted = record.parents[-1]
    places = [*folders] or [bundle.root.absolute().parent]
    for place in places:
        for manifest in sorted(place.glob(f"*/{MANIFEST_NAME}")):
            if sha256_of(manifest) == wanted.manifest_sha256:
                return Bundle.load(manifest.parent)
    raise BundleError(
        f"the parent of {bundle.root}, '{wanted.name}' with manifest sha256 "
        f"{wanted.manifest_sha256[:12]}…, is not in {', '.join(map(str, places))}; name the folder "
        "that holds it with --look-in"
    )


def copy_bundle(bundle: Bundle, out: Path, *, force: bool = False) -> Bundle:
    """Copy a bundle byte for byte, its folder appearing whole or not at all.

    Raises:
        BundleError: ``out`` exists and may not be replaced, or cannot be written.
    """
    with staged_folder(out, force=force) as folder:
        for name in (MANIFEST_NAME, *(entry.path for entry in bundle.manifest.files)):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(bundle.root / name, folder / name)
    return Bundle.load(Path(out))
