"""A bundle for as long as it is needed, of a model that is no bundle."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import ExportError, MissingDependencyError, SpinnEdgeError
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import GoldenMaker
from spinn_edge.models.loading import LoadedModel

_OF_ONE_FORMAT = (ExportError, MissingDependencyError)
"""Errors that may stand against one format and leave the others alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryBundle:
    """What could be written.

    Attributes:
        bundle: the model in the formats that worked.
        refused: why there is no file, by format.
    """

    bundle: Bundle
    refused: Mapping[str, SpinnEdgeError]


@contextmanager
def temporary_bundle(
    loaded: LoadedModel, name: str, request: ExportRequest, *, golden: GoldenMaker | None = None
) -> Iterator[TemporaryBundle]:
    """Write a bundle into a folder that is removed in the end.

    A format that cannot be written or proved is left out, and the reason is kept.

    Args:
        loaded: the model.
        name: of the bundle's folder.
        request: formats and sizes.
        golden: makes golden inputs; seeded noise where it is None.

    Raises:
        UsageError: see :func:`spinn_edge.export.bundling.write_bundle`.
        ExportError: not even a bundle without formats can be written.
    """
    with tempfile.TemporaryDirectory(prefix="spinn-edge-") as folder:
        out = Path(folder) / name
        refused: dict[str, SpinnEdgeError] = {}
        try:
            bundle = write_bundle(loaded, out, request, golden=golden)
        except _OF_ONE_FORMAT:
            refused = _refusals(loaded, out, request, golden)
            able = tuple(name for name in request.formats if name not in refused)
            bundle = write_bundle(
                loaded, out, replace(request, formats=able), golden=golden, force=True
            )
        yield TemporaryBundle(bundle=bundle, refused=refused)


def _refusals(
    loaded: LoadedModel, out: Path, request: ExportRequest, golden: GoldenMaker | None
) -> dict[str, SpinnEdgeError]:
    """Write each format alone, to see which one fails and why."""
    refused: dict[str, SpinnEdgeError] = {}
    for name in request.formats:
        try:
            alone = replace(request, formats=(name,))
            write_bundle(loaded, out, alone, golden=golden, force=True)
        except _OF_ONE_FORMAT as exc:
            refused[name] = exc
    return refused
