"""Scripts of others that reports carry inside, as their authors publish them (ADR 0018)."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from spinn_edge.core.errors import SpinnEdgeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Vendored:
    """A file of a package; ``fetch.sh`` says how it came here.

    Attributes:
        package: its name.
        version: that the file is of.
        file: in this folder.
        licence: its name, as SPDX writes it; the text is in ``LICENSE.`` and the package's name.
    """

    package: str
    version: str
    file: str
    licence: str = "BSD-3-Clause"


VEGA = Vendored(package="vega", version="6.4.0", file="vega.min.js")
VEGA_LITE = Vendored(package="vega-lite", version="6.4.3", file="vega-lite.min.js")
VEGA_INTERPRETER = Vendored(package="vega-interpreter", version="2.3.2", file="vega-interpreter.js")
VENDORED = (VEGA, VEGA_LITE, VEGA_INTERPRETER)


@functools.cache
def vendored_text(vendored: Vendored) -> str:
    """Return a file that is what its author published.

    Raises:
        SpinnEdgeError: it is missing or was changed, so that nobody knows what it does.
    """
    try:
        held = _read(vendored.file)
        text = held.decode("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SpinnEdgeError(
            f"{vendored.file} of the report cannot be read: {exc}; {_HOW}"
        ) from exc
    if hashlib.sha256(held).hexdigest() != _sums().get(vendored.file):
        raise SpinnEdgeError(
            f"{vendored.file} of the report is not {vendored.package} {vendored.version} as it was "
            f"published (its SHA-256 differs); {_HOW}"
        )
    return text


def licence_texts() -> str:
    """Return every licence of what the files hold; a report that carries them carries these."""
    parts = [
        f"{one.package} {one.version}, {one.licence}\n\n{_text(f'LICENSE.{one.package}')}"
        for one in VENDORED
    ]
    return "\n".join([*parts, _text("LICENSE.bundled")])


_HOW = "install spinn-edge again"


def _sums() -> dict[str, str]:
    """Return the SHA-256 of each file by its name."""
    lines = (line.split() for line in _text("SHA256SUMS").splitlines())
    return {name: digest for digest, name in lines}


def _text(file: str) -> str:
    return _read(file).decode("utf-8")


def _read(file: str) -> bytes:
    return files(__package__).joinpath(file).read_bytes()
