"""One line of a terminal: what is done, how much of it, time so far, time left."""

from __future__ import annotations

from collections.abc import Callable

from rich.console import Console
from rich.progress import Progress, ProgressColumn, SpinnerColumn, Task
from rich.progress import TimeElapsedColumn as TimeSoFarColumn
from rich.table import Column
from rich.text import Text

from spinn_edge.cli.time_left import TimeLeft, about


class _WordsColumn(ProgressColumn):
    """Words that give way, at their end, to the figures beside them."""

    def __init__(self, words: Callable[[Task], str]) -> None:
        super().__init__(table_column=Column())  # may be narrowed; the text never takes two lines
        self._words = words

    def render(self, task: Task) -> Text:
        return Text(self._words(task), no_wrap=True, overflow="ellipsis")


class _StepsColumn(ProgressColumn):
    """``3/12``; nothing where nobody knows how many there are."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{int(task.completed)}/{int(task.total)}")


class _TimeLeftColumn(ProgressColumn):
    """``about 40 s left``; ``– left`` before there is evidence."""

    def render(self, task: Task) -> Text:
        left: TimeLeft | None = task.fields["left"]
        seconds = None if left is None else left.seconds()
        return Text("– left" if seconds is None else about(max(seconds, 1.0)), no_wrap=True)


class Bar:
    """Lives until it is stopped, and then leaves nothing on the screen."""

    def __init__(self, console: Console, words: str) -> None:
        """Show words; more is told by :meth:`show`."""
        self._progress = Progress(
            SpinnerColumn(),
            _WordsColumn(lambda task: task.description),
            _StepsColumn(table_column=Column(no_wrap=True)),
            TimeSoFarColumn(table_column=Column(no_wrap=True)),
            _TimeLeftColumn(table_column=Column(no_wrap=True)),
            _WordsColumn(lambda task: str(task.fields["details"])),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task(words, total=None, left=None, details="")
        self._progress.start()

    def show(
        self, words: str, done: int, total: int, left: TimeLeft | None, details: str = ""
    ) -> None:
        """Change what is shown.

        Args:
            words: what is done now.
            done: steps that have ended.
            total: all of them; 0 where nobody knows.
            left: says how long they will go on; None where nothing can tell.
            details: further words behind all that.
        """
        known = total or None
        self._progress.update(
            self._task, description=words, completed=done, left=left, details=details
        )
        self._progress.tasks[0].total = known  # update() cannot take a total back

    def stop(self) -> None:
        """Take the line away."""
        self._progress.stop()
