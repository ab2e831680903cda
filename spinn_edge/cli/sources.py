"""MODEL as a bundle, for commands that read bundles: other forms are wrapped in a temporary one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.core.bundle import Bundle

if TYPE_CHECKING:
    from spinn_edge.models.loading import LoadOptions


@contextmanager
def open_bundle(
    model: str, options: LoadOptions, input_shape: list[str] | None = None
) -> Iterator[Bundle]:
    """Give MODEL as a bundle.

    A folder is read as it is. Anything else is loaded and written into a temporary bundle of the
    same name, with golden vectors from seeded noise and no further format.

    Raises:
        UsageError, BundleError, ExportError: the model cannot be loaded or run.
    """
    if Path(model).is_dir():
        yield Bundle.load(Path(model))
        return
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.shapes import parse_input_shapes
    from spinn_edge.export.temporary import temporary_bundle
    from spinn_edge.models.loading import load_model

    request = ExportRequest(input_shapes=parse_input_shapes(input_shape or []))
    name = Path(model).name if Path(model).exists() else model.replace(":", ".")
    with temporary_bundle(load_model(model, options), name, request) as made:
        yield made.bundle
