"""Small files of ``/proc`` and ``/sys``: what they say, or None where they cannot be read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path("/")
"""Below which ``proc`` and ``sys`` stand; tests name a folder of fakes."""


def read_text(path: Path) -> str | None:
    """Return a file's text without the blanks around it; None where it cannot be read.

    Absent, forbidden and failing files are alike here: a driver may list a file and refuse to read
    it.
    """
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


def read_integer(path: Path) -> int | None:
    """Return the one whole number in a file; None where there is none."""
    return as_integer(read_text(path))


def as_integer(text: str | None) -> int | None:
    """Return ``text`` as a whole number; None where it is none."""
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def read_bytes_line(path: Path, key: str) -> int | None:
    """Return the size on the line ``key:   1234 kB``, in bytes; None without such a line.

    Source: proc(5), /proc/meminfo and /proc/pid/status: "kB" there are units of 1024 bytes.
    """
    for line in (read_text(path) or "").splitlines():
        name, _, value = line.partition(":")
        if name == key:
            kibibytes = as_integer(value.removesuffix("kB").strip())
            return None if kibibytes is None else kibibytes * 1024
    return None
