"""Names, shapes and dtypes of model inputs and outputs, and the check of feeds against them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from spinn_edge.core.errors import BundleError, InferenceError

Array = npt.NDArray[Any]
Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One model input or output.

    Attributes:
        name: name in the exported graphs.
        shape: one entry an axis; ``None`` marks a dynamic one. Axis 0 is the batch.
        dtype: element type.
    """

    name: str
    shape: tuple[int | None, ...]
    dtype: np.dtype[Any]

    def at_batch(self, batch: int) -> tuple[int, ...] | None:
        """Return the shape with axis 0 set to ``batch``; None if another axis is dynamic."""
        if any(size is None for size in self.shape[1:]):
            return None
        return (batch, *(size for size in self.shape[1:] if size is not None))

    def to_json(self) -> dict[str, Any]:
        """Return the manifest form."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype.name}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TensorSpec:
        """Read the manifest form.

        Raises:
            BundleError: a key is missing or has the wrong type.
        """
        name, shape, dtype = (data.get(key) for key in ("name", "shape", "dtype"))
        # numpy reads None as float64 and Python reads "18" as 1 and 8, so types are checked here
        if (
            isinstance(name, str)
            and isinstance(dtype, str)
            and isinstance(shape, list)
            and all(size is None or type(size) is int for size in shape)
        ):
            with contextlib.suppress(TypeError):
                return cls(name, tuple(shape), np.dtype(dtype))
        raise BundleError(
            f"malformed tensor spec {dict(data)!r}, expected a name, a shape such as [null, 18] "
            "and a dtype such as 'float32'"
        )


def named_results(result: Any) -> dict[str, Any]:
    """Return what a network returns by name.

    A single thing becomes ``output``; a sequence ``output_0`` and so on; a dict keeps its keys.
    """
    if isinstance(result, Mapping):
        return {str(key): value for key, value in result.items()}
    if isinstance(result, tuple | list):
        return {f"output_{index}": value for index, value in enumerate(result)}
    return {"output": result}


def batch_of(specs: Sequence[TensorSpec], feeds: Feeds) -> int:
    """Return the batch size of ``feeds``, which :func:`check_feeds` has passed."""
    return int(feeds[specs[0].name].shape[0])


def are_as_before(
    specs: Sequence[TensorSpec], shapes: Mapping[str, tuple[int, ...]], feeds: Feeds
) -> bool:
    """Tell whether names, dtypes and shapes are those of feeds that :func:`check_feeds` has passed.

    The whole check takes a tenth of the time of a small network; this one takes little.

    Args:
        specs: of the model's inputs.
        shapes: of the feeds that were passed; empty where there were none.
        feeds: the new ones.
    """
    if len(feeds) != len(shapes):
        return False
    for spec in specs:
        array = feeds.get(spec.name)
        if (
            type(array) is not np.ndarray
            or array.shape != shapes[spec.name]
            or array.dtype != spec.dtype
        ):
            return False
    return True


def check_feeds(specs: Sequence[TensorSpec], feeds: Feeds) -> None:
    """Refuse feeds whose names, shapes, dtypes or batch sizes do not fit ``specs``.

    Nothing is converted: a float64 array for a float32 input is an error, so that what was
    verified is what runs.

    Raises:
        InferenceError: names what was given and what was expected.
    """
    expected = [spec.name for spec in specs]
    if sorted(feeds) != sorted(expected):
        missing = [name for name in expected if name not in feeds]
        problem = f"input '{missing[0]}' missing" if missing else "too many inputs"
        raise InferenceError(f"{problem}: got {sorted(feeds)}, expected {sorted(expected)}")
    batch = None
    for spec in specs:
        array = feeds[spec.name]
        if not isinstance(array, np.ndarray):
            raise InferenceError(
                f"input '{spec.name}' is a {type(array).__name__}, expected a numpy array "
                f"of {describe(spec)}"
            )
        if array.dtype != spec.dtype or not _fits(array.shape, spec.shape):
            raise InferenceError(
                f"input '{spec.name}' is {array.dtype.name} {_shape(array.shape)}, "
                f"expected {describe(spec)}"
            )
        if array.shape[0] == 0:
            raise InferenceError(f"input '{spec.name}' has 0 samples, expected at least 1")
        if batch is not None and array.shape[0] != batch:
            raise InferenceError(
                f"input '{spec.name}' has {array.shape[0]} samples, the inputs before it {batch}"
            )
        batch = array.shape[0]


def describe(spec: TensorSpec) -> str:
    """Return ``float32 [batch, 18]`` for a spec."""
    sizes = [
        "batch" if i == 0 and s is None else "?" if s is None else str(s)
        for i, s in enumerate(spec.shape)
    ]
    return f"{spec.dtype.name} [{', '.join(sizes)}]"


def _fits(shape: tuple[int, ...], expected: tuple[int | None, ...]) -> bool:
    return len(shape) == len(expected) and all(
        want is None or got == want for got, want in zip(shape, expected, strict=True)
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, shape))}]"
