"""Foreign text in Markdown."""

from __future__ import annotations


def cell(text: str) -> str:
    """Return foreign text that cannot break out of a table cell or a line, or become markup."""
    flat = " ".join(text.split()).encode("utf-8", "replace").decode()  # half a surrogate pair
    for character in "\\`*_[]<>|":
        flat = flat.replace(character, f"\\{character}")
    return flat
