"""Where text goes: tables to standard output, notes to standard error."""

from __future__ import annotations

import os
from pathlib import Path

from rich.console import Console, RenderableType

from spinn_edge.core.atomic import write_whole
from spinn_edge.core.errors import UsageError
from spinn_edge.report.screen import PIPED_WIDTH
from spinn_edge.report.screen_table import harmless


class Printer:
    """Prints tables, or keeps standard output free for a document that was asked for there."""

    def __init__(self, *destinations: str | None) -> None:
        """Look at where documents go.

        Args:
            destinations: values of options such as ``--json``; ``-`` takes standard output.

        Raises:
            UsageError: two of them want standard output, or a file cannot be written there; found
                out now, before hours of work.
        """
        if destinations.count("-") > 1:
            raise UsageError("only one document fits standard output; name a file for the other")
        for destination in destinations:
            if destination not in (None, "-"):
                _check_writable(Path(destination))
        self.notes = make_console(stderr=True)
        self._tables = self.notes if "-" in destinations else make_console(stderr=False)

    @property
    def width(self) -> int:
        """Columns of the screen that tables go to."""
        return self._tables.width

    def show(self, *items: RenderableType) -> None:
        """Print tables or sentences."""
        for item in items:
            plain = isinstance(item, str)
            shown = harmless(item) if isinstance(item, str) else item
            self._tables.print(shown, soft_wrap=plain, markup=not plain, highlight=False)

    def write(self, text: str, destination: str | None) -> None:
        """Write a document to a file or to standard output; None writes nothing.

        Raises:
            UsageError: the file cannot be written; what lay there is as it was.
        """
        if destination is None:
            return
        if destination == "-":
            print(text, end="")
            return
        try:
            write_whole(Path(destination), text)
        except OSError as exc:
            raise UsageError(f"cannot write {destination}: {exc}; name another file") from exc
        self.say(f"wrote {destination}")

    def say(self, words: str) -> None:
        """Print a note, once."""
        self.notes.print(harmless(words), markup=False, highlight=False, soft_wrap=True)


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"cannot write {path}: it is a folder; name a file in it")
    device = path.exists() and not path.is_file()  # written to, not replaced
    target = path if device else Path(os.path.realpath(path))
    if target.is_symlink():
        raise UsageError(f"cannot write {path}: its link leads in a circle; name another file")
    nearest = next(folder for folder in target.parents if folder.exists())
    if not nearest.is_dir():
        raise UsageError(f"cannot write {path}: {nearest} is a file; name a folder")
    for needed in (target,) if device else (nearest, target):
        if needed.exists() and not os.access(needed, os.W_OK):
            raise UsageError(f"cannot write {path}: {needed} is not writable; name another file")


def make_console(*, stderr: bool) -> Console:
    """Return a console that is wide enough where nobody looks at a terminal.

    Without emoji: in ``tool_wear:a:a`` rich would read one.
    """
    console = Console(stderr=stderr, emoji=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, emoji=False, width=PIPED_WIDTH)
