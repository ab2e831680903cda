"""Where text goes: tables to standard output, progress and notes to standard error."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console, RenderableType

from spinn_edge.core.errors import UsageError
from spinn_edge.report.screen import PIPED_WIDTH
from spinn_edge.report.screen_table import harmless

if TYPE_CHECKING:
    from rich.progress import Progress

    from spinn_edge.training.fitting import Epoch


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
            UsageError: the file cannot be written.
        """
        if destination is None:
            return
        if destination == "-":
            print(text, end="")
            return
        try:
            Path(destination).parent.mkdir(parents=True, exist_ok=True)
            Path(destination).write_text(text, encoding="utf-8")
        except OSError as exc:
            raise UsageError(f"cannot write {destination}: {exc}; name another file") from exc
        self.say(f"wrote {destination}")

    def say(self, words: str) -> None:
        """Print a note, once."""
        self.notes.print(harmless(words), markup=False, highlight=False, soft_wrap=True)

    @contextmanager
    def status(self, text: str) -> Iterator[Any]:
        """Show words that can change and the time so far; plain lines without a terminal."""
        if not self.notes.is_terminal:
            yield self.say
            return
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=self.notes, transient=True) as progress:
            task = progress.add_task(harmless(text))
            yield lambda words: progress.update(task, description=harmless(words))


class EpochProgress:
    """A bar over the epochs of one run after another; plain lines where there is no terminal.

    The bar lives only while epochs pass: redrawn beside a measurement it would disturb it.
    """

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._title = ""
        self._bar: Progress | None = None

    def __enter__(self) -> EpochProgress:
        return self

    def __exit__(self, *details: object) -> None:
        self._end_bar()

    def say(self, words: str) -> None:
        """End the bar and print a line."""
        self._end_bar()
        self._printer.say(words)

    def begin(self, title: str, epochs: int) -> None:
        """Begin a run of epochs."""
        self._end_bar()
        self._title = title
        if not self._printer.notes.is_terminal:
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
        from rich.progress import TimeRemainingColumn as TimeLeftColumn

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeLeftColumn(),
            TextColumn("{task.fields[losses]}"),
            console=self._printer.notes,
        )
        self._bar.add_task(title, total=epochs, losses="")
        self._bar.start()

    def advance(self, epoch: Epoch) -> None:
        """Show an epoch that ended."""
        losses = f"loss {epoch.train_loss:.5f}, held out {epoch.validation_loss:.5f}"
        if len(epoch.terms) > 1:
            losses += "".join(f", {name} {value:.5g}" for name, value in epoch.terms.items())
        losses += " (best)" if epoch.best else ""
        if self._bar is None:
            self._printer.say(f"{self._title}: epoch {epoch.number}, {losses}")
        else:
            self._bar.update(self._bar.task_ids[0], advance=1, losses=losses)

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _check_writable(path: Path) -> None:
    parent = next(folder for folder in path.absolute().parents if folder.exists())
    if path.is_dir() or not parent.is_dir() or not os.access(parent, os.W_OK):
        raise UsageError(f"cannot write {path}: it is a folder, or {parent} is not writable")


def make_console(*, stderr: bool) -> Console:
    """Return a console that is wide enough where nobody looks at a terminal.

    Without emoji: in ``tool_wear:a:a`` rich would read one.
    """
    console = Console(stderr=stderr, emoji=False)
    if console.is_terminal:
        return console
    return Console(stderr=stderr, emoji=False, width=PIPED_WIDTH)
