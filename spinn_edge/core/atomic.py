"""Files that nobody ever reads half of."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path


def write_atomically(path: Path, content: bytes, *, mode: int | None = None) -> None:
    """Put ``content`` at ``path``, replacing what is there in one step, or leave all as it was.

    Args:
        path: in a folder that exists.
        content: the whole file.
        mode: permissions; None leaves it to its owner alone.

    Raises:
        OSError: it cannot be written.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        if mode is not None:
            Path(name).chmod(mode)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_whole(path: Path, text: str) -> None:
    """Put a text at ``path``, whole, or leave what lies there.

    Its folder is made, a link stays a link, permissions stay; a device or a pipe is written to.

    Raises:
        OSError: it cannot be written.
    """
    content = text.encode("utf-8")
    if path.exists() and not path.is_file():  # asked before links are followed: a pipe has no path
        path.write_bytes(content)
        return
    target = Path(os.path.realpath(path))
    target.parent.mkdir(parents=True, exist_ok=True)
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask()
    write_atomically(target, content, mode=mode)


def append_whole(path: Path, text: str) -> None:
    """Append a text to a file, or leave the file as long as it was.

    Not as :func:`write_atomically` does it: who watches the file would keep the old one.

    Raises:
        OSError: it cannot be written; a note on it says so where a part of the text stays.
    """
    left = memoryview(text.encode("utf-8"))
    with path.open("ab", buffering=0) as stream:
        status = os.fstat(stream.fileno())
        try:
            while left:
                left = left[stream.write(left) :]
        except BaseException as exc:
            if stat.S_ISREG(status.st_mode):
                _shorten(stream.fileno(), status.st_size, exc)
            raise


def _shorten(handle: int, size_bytes: int, exc: BaseException) -> None:
    try:
        os.ftruncate(handle, size_bytes)
    except OSError as stays:
        exc.add_note(f"a part of the text stays at its end: {stays}")


def _umask() -> int:
    """Return the permissions that new files of this process lack; nothing but setting tells it."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
