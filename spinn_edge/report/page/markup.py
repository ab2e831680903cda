"""HTML in which every text is escaped, unless it was made here."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that no reader sees, but which turn the text around them, or which UTF-8 has not."""

_EMPTY = frozenset({"meta", "input", "br"})
"""Elements that hold nothing and have no end."""


class Html(str):
    """Markup. Any other text is escaped where it is put into an element."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return foreign text that cannot become markup or turn what stands around it.

    Args:
        text: anything; markup that was made here is left as it is.
    """
    if isinstance(text, Html):
        return text
    return Html(html.escape(_UNSEEN.sub("\ufffd", text), quote=True))


def tag(name: str, /, *content: str, **attributes: str | bool | int | None) -> Html:
    """Return an element.

    Args:
        name: of the element.
        content: texts, which are escaped, and markup.
        attributes: ``class_`` is ``class``, ``aria_label`` is ``aria-label``; True stands without a
            value, False and None are left out.
    """
    parts = [f"<{name}"]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        key = key.rstrip("_").replace("_", "-")
        parts.append(f" {key}" if value is True else f' {key}="{escape(str(value))}"')
    start = "".join([*parts, ">"])
    if name in _EMPTY:
        return Html(start)
    return Html(f"{start}{join(content)}</{name}>")


def join(parts: Iterable[str]) -> Html:
    """Return texts and markup behind each other."""
    return Html("".join(map(escape, parts)))
