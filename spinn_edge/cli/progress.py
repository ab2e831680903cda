"""Progress of long work: a line that changes in a terminal, a line for each step in a pipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.cli.output import Printer
from spinn_edge.cli.time_left import StepsLeft, TimeLeft
from spinn_edge.report.screen_table import harmless

if TYPE_CHECKING:
    from spinn_edge.cli.bar import Bar
    from spinn_edge.training.fitting import Epoch


class _Shown:
    """Owns the changing line, where there is a terminal, and takes it away in the end."""

    def __init__(self, printer: Printer) -> None:
        self._printer = printer
        self._bar: Bar | None = None

    def __exit__(self, *details: object) -> None:
        self._end_bar()

    def say(self, words: str) -> None:
        """End the changing line and print one that stays."""
        self._end_bar()
        self._printer.say(words)

    def _begin_bar(self, words: str) -> None:
        self._end_bar()
        if self._printer.notes.is_terminal:
            from spinn_edge.cli.bar import Bar

            self._bar = Bar(self._printer.notes, harmless(words))

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class StepProgress(_Shown):
    """Steps of one kind of work, such as runtimes that are verified one after the other."""

    def __init__(
        self, printer: Printer, title: str, *, alike: bool = True, numbered: bool = True
    ) -> None:
        """Show nothing yet.

        Args:
            printer: where it goes.
            title: words until the first step.
            alike: one step tells about how long another takes; else no time left is shown, for
                nothing could tell it.
            numbered: say in a pipe which step of how many it is; else the words do.
        """
        super().__init__(printer)
        self._title, self._alike, self._numbered = title, alike, numbered
        self._left = StepsLeft()

    def __enter__(self) -> StepProgress:
        self._begin_bar(self._title)
        return self

    def step(self, words: str, done: int = 0, total: int = 0) -> None:
        """Show what begins now.

        Args:
            words: what it is.
            done: steps that have ended.
            total: all steps; 0 where nobody knows.
        """
        left = self._left.words(done, total) if self._alike else ""
        if self._bar is not None:
            now = self._left.now if self._alike else None
            self._bar.show(harmless(words), done, total, now)
        else:
            count = f" ({done + 1} of {total})" if self._numbered and total > 1 else ""
            self._printer.say(f"{words}{count}{left}")


class EpochProgress(_Shown):
    """Epochs of one run after another.

    The line lives only while epochs pass: redrawn beside a measurement it would disturb it.
    """

    def __init__(self, printer: Printer) -> None:
        super().__init__(printer)
        self._title, self._epochs = "", 0
        self._left = TimeLeft(0)

    def __enter__(self) -> EpochProgress:
        return self

    def begin(self, title: str, epochs: int, later: int = 0) -> None:
        """Begin a run of epochs.

        Args:
            title: what they are for.
            epochs: of this run, at most.
            later: of the runs behind it; they count as time left.
        """
        self._title, self._epochs = title, epochs
        self._left = TimeLeft(epochs + later)
        self._left.begin(1)
        self._begin_bar(title)
        if self._bar is not None:
            self._bar.show(harmless(title), 0, epochs, self._left)

    def advance(self, epoch: Epoch) -> None:
        """Show an epoch that ended."""
        losses = f"loss {epoch.train_loss:.5f}, held out {epoch.validation_loss:.5f}"
        if len(epoch.terms) > 1:
            losses += "".join(f", {name} {value:.5g}" for name, value in epoch.terms.items())
        losses += " (best)" if epoch.best else ""
        left = self._left.words(epoch.number + 1)
        if self._bar is not None:
            self._bar.show(
                harmless(self._title), epoch.number, self._epochs, self._left, harmless(losses)
            )
        else:
            self._printer.say(
                f"{self._title}: epoch {epoch.number} of {self._epochs}, {losses}{left}"
            )
