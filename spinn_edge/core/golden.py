"""Golden vectors: real inputs with float64 reference outputs."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from spinn_edge.core.errors import BundleError
from spinn_edge.core.tensors import Array

GOLDEN_NAME = "golden.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """Inputs and the outputs a perfect machine would give.

    Attributes:
        inputs: by input name, in the model's own dtype, shape (rows, ...).
        outputs: by output name, float64, shape (rows, ...).
    """

    inputs: Mapping[str, Array]
    outputs: Mapping[str, Array]

    @property
    def rows(self) -> int:
        """Number of golden samples."""
        return len(next(iter(self.inputs.values())))

    def at_batch(self, batch: int, *, start: int = 0) -> Golden:
        """Return ``batch`` samples from ``start`` on, beginning anew after the last one."""
        index = np.arange(start, start + batch) % self.rows
        return Golden(
            inputs={name: np.ascontiguousarray(a[index]) for name, a in self.inputs.items()},
            outputs={name: a[index] for name, a in self.outputs.items()},
        )

    def save(self, path: Path) -> None:
        """Write an ``.npz`` with keys ``input/<name>`` and ``output/<name>``."""
        arrays = {f"input/{name}": array for name, array in self.inputs.items()}
        arrays |= {f"output/{name}": array for name, array in self.outputs.items()}
        np.savez(path, allow_pickle=False, **arrays)

    @classmethod
    def load(cls, path: Path) -> Golden:
        """Read what :meth:`save` wrote.

        Raises:
            BundleError: the file is damaged, or holds no inputs or no outputs.
        """
        try:
            with path.open("rb") as stream, NpzFile(stream, allow_pickle=False) as archive:
                arrays = {key: archive[key] for key in archive.files}
        except (OSError, EOFError, ValueError, zipfile.BadZipFile) as exc:
            raise BundleError(f"{path} cannot be read ({exc}); export the model again") from exc
        inputs, outputs = _under("input/", arrays), _under("output/", arrays)
        if not inputs or not outputs:
            raise BundleError(
                f"{path} holds no golden inputs or no golden outputs; export the model again"
            )
        return cls(inputs=inputs, outputs=outputs)


def _under(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    return {
        key.removeprefix(prefix): array for key, array in arrays.items() if key.startswith(prefix)
    }
