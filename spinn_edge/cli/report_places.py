"""Where a report goes, looked at before anything is read or drawn."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from spinn_edge.core.errors import UsageError


def check_places(
    written: Sequence[str | None],
    *,
    documents: Sequence[Path],
    bundles: Sequence[Path] = (),
    data: Path | None = None,
) -> None:
    """Refuse to lose a file: one that is read, or one that two documents would be written to.

    Args:
        written: values of options such as ``--json``; None and ``-`` are no files.
        documents: files that are read.
        bundles: folders that are read.
        data: likewise a file.

    Raises:
        UsageError: a document would replace what is read, a bundle's file, or another document.
    """
    places = [Path(place) for place in written if place not in (None, "-")]
    read = {_real(path) for path in (*documents, *([] if data is None else [data]))}
    folders = list(map(_real, bundles))
    times = Counter(map(_real, places))
    for place in places:
        found = _real(place)
        inside = found.exists() and any(found.is_relative_to(folder) for folder in folders)
        if found in read or inside:
            raise UsageError(f"{place} is read, so nothing is written there; name another file")
        if times[found] > 1:
            raise UsageError(
                f"two documents would be written to {place}; expected a file for each, so name "
                "another one (--csv FILE.csv also writes FILE.models.csv and FILE.comparison.csv)"
            )


def _real(path: Path) -> Path:
    """Return where links lead; one that leads in a circle is refused by whoever opens it."""
    return Path(os.path.realpath(path))


def figures_folder(given: str) -> Path:
    """Return where figures go, and refuse early what drawing would refuse late.

    Args:
        given: the option's value.

    Raises:
        UsageError: it is empty, a file, or below one.
        MissingDependencyError: there is nothing to draw with.
    """
    from spinn_edge.core.optional import require

    if not given:
        raise UsageError("--figures is empty; name a folder, or . for this one")
    require("matplotlib", extra="report")
    folder = Path(given)
    whole = folder.absolute()
    nearest = next(path for path in (whole, *whole.parents) if path.exists())
    if not nearest.is_dir():
        raise UsageError(f"--figures {folder}: {nearest} is a file; name a folder")
    return folder
