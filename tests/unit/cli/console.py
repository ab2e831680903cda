"""What commands print, each run once for each form of output."""

from __future__ import annotations

import io
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from spinn_edge.cli.app import main
from tests.unit.cli.conftest import Done

PIPE, WIDE, NARROW, DOCUMENT = "pipe", "80 columns", "60 columns, NO_COLOR", "--json -"
"""A pipe; a terminal with colours; a small one without; a document in a pipe."""
COLUMNS = {WIDE: 80, NARROW: 60}
_DECIDE = ("NO_COLOR", "FORCE_COLOR", "CI", "GITHUB_ACTIONS", "COLUMNS", "TERM")


class Terminal(io.StringIO):
    """A terminal that remembers."""

    def isatty(self) -> bool:
        return True


def run(arguments: list[str], form: str) -> Done:
    """Run a command line in this process, its output going to a form."""
    environment: dict[str, str] = {}
    if form in COLUMNS:
        environment = {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS[form])}
    if form == NARROW:
        environment["NO_COLOR"] = "1"
    out, err = (Terminal() if form in COLUMNS else io.StringIO() for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        for name in _DECIDE:
            patch.delenv(name, raising=False)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(
            sys, "argv", ["spinn-edge", *arguments, *(["--json", "-"] if form == DOCUMENT else [])]
        )
        code = 0
        try:
            main()
        except SystemExit as exc:
            code = int(exc.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


def once(patch: pytest.MonkeyPatch, module: Any, name: str) -> None:
    """Let a function work once and give the same again: every form then shows the same numbers."""
    work = getattr(module, name)
    kept: list[Any] = []

    def give(*arguments: Any, **options: Any) -> Any:
        if not kept:
            kept.append(work(*arguments, **options))
        return kept[0]

    patch.setattr(module, name, give)


@dataclass
class Printed:
    """Remembers what every command printed in every form."""

    arguments: Callable[[str], list[str]]

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, str], Done] = {}

    def of(self, name: str, form: str) -> Done:
        """Return what a command printed; the pipe comes first, where all work is really done."""
        if form != PIPE:
            self.of(name, PIPE)
        if (name, form) not in self._known:
            self._known[name, form] = run(self.arguments(name), form)
        return self._known[name, form]


def without_colour(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


def figures(text: str) -> set[str]:
    """Return all numbers of tables, with what stands right beside them."""
    return set(re.findall(r"(?<!\S)[\d.,]*\d[\d.,]*%?(?!\S)", text))


def left_on_screen(text: str) -> list[str]:
    """Return the lines of a terminal after all this was written to it."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\n|\r|[^\x1b\r\n]+", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A") and part.startswith("\x1b"):
            row -= int(part[2:-1] or 1)
        elif part.endswith("K") and part.startswith("\x1b"):
            lines[row] = ""
        elif part != "\r" and not part.startswith("\x1b"):
            lines[row] += part
    return [line for line in lines if line.strip()]
