"""A comparison as workflow commands of GitHub Actions, which shows them beside a change."""

from __future__ import annotations

from collections.abc import Sequence

from spinn_edge.bench.regression.comparison import Comparison
from spinn_edge.report.comparison_words import change_words, comparison_remarks

SHOWN_PER_STEP = 10
"""Annotations of one kind that GitHub shows for a step; it drops the others without a word.

Source: github.com/actions/toolkit, docs/problem-matchers.md, "Limitations".
"""


def github_annotations(comparison: Comparison) -> str:
    """Return an error for each failure and a warning for each remark, a line each.

    Where there are more than GitHub shows, the last one says how many are left out.
    """
    errors = [change_words(change, comparison) for change in comparison.failures]
    lines = [
        *_commands("error", "spinn-edge: regression", errors),
        *_commands("warning", "spinn-edge compare", comparison_remarks(comparison)),
    ]
    return "".join(f"{line}\n" for line in lines)


def _commands(kind: str, title: str, messages: Sequence[str]) -> list[str]:
    shown = list(messages)
    if len(shown) > SHOWN_PER_STEP:
        shown = shown[: SHOWN_PER_STEP - 1]
        shown.append(f"{len(messages) - len(shown)} more: see the table in this step's log")
    return [f"::{kind} title={_property(title)}::{_message(words)}" for words in shown]


def _message(text: str) -> str:
    """Escape a command's message, so that it can neither end early nor start another command.

    Source: github.com/actions/toolkit, packages/core/src/command.ts, ``escapeData``.
    """
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Escape a command's property.

    Source: github.com/actions/toolkit, packages/core/src/command.ts, ``escapeProperty``.
    """
    return _message(text).replace(":", "%3A").replace(",", "%2C")
