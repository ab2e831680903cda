"""Foreign text in LaTeX."""

from __future__ import annotations

import itertools
import re
import unicodedata

_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\symbol{34}",  # babel makes it a command in some languages
    "[": "{[}",  # at the begin of a line it would be the argument of the \\ before it
    "]": "{]}",
    "*": "{*}",  # likewise
    "`": "{`}",  # two of them, or one behind ? or !, would become another character
    "'": "{'}",
}
_SIGNS = {
    "µ": r"$\mu$",
    "×": r"$\times$",
    "±": r"$\pm$",
    "²": "$^2$",
    "→": r"$\rightarrow$",
    "–": "--",
    "…": r"\ldots{}",
}
"""What our own texts hold beyond ASCII, for every engine and font."""

_JOINED = {("-", "-"), (",", ",")}
"""Pairs that fonts print as one character."""

_MINUS = re.compile(r"(?<![\w.)\]-])-(?=\d)")
_LAST_LATIN = 0x17F
"""End of Latin Extended-A: what pdflatex knows without a package for a language."""


def cell(text: str) -> str:
    """Return foreign text that cannot break out of a cell, become a command, or stop LaTeX.

    A character that pdflatex may not know, such as a control or right-to-left one, is named by
    its number: ``[U+202E]``. A sign before a number becomes a minus.
    """
    flat = " ".join(text.split())
    parts: list[str] = []
    last = 0
    for found in _MINUS.finditer(flat):
        parts += [escape(flat[last : found.start()]), "$-$"]
        last = found.end()
    return "".join([*parts, escape(flat[last:])])


def escape(text: str) -> str:
    """Return text whose special characters LaTeX prints, and no two of which become one."""
    joins = {i for i, pair in enumerate(itertools.pairwise(text)) if pair in _JOINED}
    return "".join(_printed(c) + "{}" * (i in joins) for i, c in enumerate(text))


def _printed(character: str) -> str:
    if (known := _SPECIAL.get(character) or _SIGNS.get(character)) is not None:
        return known
    plain = unicodedata.category(character)[0] in "LNPSZ" and ord(character) <= _LAST_LATIN
    return character if plain else escape(f"[U+{ord(character):04X}]")
