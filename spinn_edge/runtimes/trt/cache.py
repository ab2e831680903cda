"""What TensorRT may keep between processes: a folder beside the bundle, never inside it.

A bundle is written once and checked by its hashes; a cache changes with every use. Losing it costs
time and nothing else, so a folder that cannot be read or written is not an error.
"""

from __future__ import annotations

from pathlib import Path

from spinn_edge.core.atomic import write_atomically
from spinn_edge.runtimes.trt.backend import Backend


class EngineCache:
    """Files of one bundle, by kind, package version and GPU.

    Attributes:
        folder: ``NAME.trt-cache`` beside the bundle ``NAME``; made at the first :meth:`store`.
    """

    def __init__(self, bundle_root: Path) -> None:
        root = Path(bundle_root).absolute()
        self.folder = root.parent / f"{root.name}.trt-cache"

    def path(self, kind: str, backend: Backend, target: str) -> Path:
        """Return the file of one kind, such as ``timing.tensorrt-11.4.0.106.sm90``."""
        return self.folder / f"{kind}.{backend.name}-{backend.version}.{target.lower()}"

    def load(self, kind: str, backend: Backend, target: str) -> bytes:
        """Return what was kept, or nothing."""
        try:
            return self.path(kind, backend, target).read_bytes()
        except OSError:
            return b""

    def store(self, kind: str, backend: Backend, target: str, content: bytes) -> bool:
        """Keep ``content``; another process never reads half of it.

        Returns:
            False where nothing can be written.
        """
        path = self.path(kind, backend, target)
        try:
            path.parent.mkdir(exist_ok=True)
            write_atomically(path, content)
        except OSError:
            return False
        return True
