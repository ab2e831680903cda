"""What the docstring of a dataclass says of its attributes."""

from __future__ import annotations

import inspect
import re

_SECTION = re.compile(r"^(\w+):")
_ENTRY = re.compile(r"^    (\w+(?:, \w+)*): (.*)$")


def summary(described: object) -> str:
    """Return the first paragraph of a docstring as one line; empty without one."""
    text = inspect.getdoc(described) or ""
    return " ".join(text.partition("\n\n")[0].split())


def attributes(described: object) -> dict[str, str]:
    """Return the entries of the section ``Attributes``, each as one line."""
    found: dict[str, list[str]] = {}
    inside, last = False, ""
    for line in (inspect.getdoc(described) or "").splitlines():
        if section := _SECTION.match(line):
            inside, last = section[1] == "Attributes", ""
        elif inside and (entry := _ENTRY.match(line)):
            last = entry[1]
            found[last] = [entry[2]]
        elif inside and last and line.strip():
            found[last].append(line.strip())
    return {name: " ".join(words) for names, words in found.items() for name in names.split(", ")}
