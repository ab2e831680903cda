"""A folder in the place of ``/``, with the few files of ``proc`` and ``sys`` that a test needs."""

from pathlib import Path


class FakeMachine:
    """Files below a folder; what was not put there cannot be read."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: str, content: object) -> None:
        """Write a file, given by its path without the leading slash."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{content}\n", encoding="utf-8")

    def put_unreadable(self, path: str) -> None:
        """Put something that is listed and fails to be read, also for root."""
        (self.root / path).mkdir(parents=True)


class FakeClock:
    """Seconds that pass when the test says so."""

    def __init__(self, now_s: float = 100.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s
