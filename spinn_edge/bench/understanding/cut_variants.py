"""A network cut to other widths, written to be timed; its score does not matter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.words import dashed
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.models.cutting import cut
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.graph.groups import ChannelGraph
from spinn_edge.runtimes import registry

if TYPE_CHECKING:
    from torch import nn


class CutVariants:
    """Bundles of one network with the first channels of every group."""

    def __init__(
        self,
        loaded: LoadedModel,
        graph: ChannelGraph,
        folder: Path,
        *,
        runtime: str,
        request: ExportRequest,
        on_step: Callable[[str], None] = lambda step: None,
    ) -> None:
        """Write nothing yet.

        Args:
            loaded: the network.
            graph: its groups.
            folder: where the bundles go; it is the caller's to remove.
            runtime: name of the runtime that shall run them; only its format is written.
            request: inputs and largest batch.
            on_step: called with a few words before each bundle is written.

        Raises:
            UsageError: the runtime is unknown.
        """
        format_name = registry.find(runtime).format
        self._loaded, self._graph, self._folder = loaded, graph, folder
        self._request = replace(request, formats=() if format_name == "weights" else (format_name,))
        self._on_step = on_step
        self._written: dict[tuple[int, ...], Bundle] = {}

    def at(self, widths: tuple[int, ...]) -> Bundle:
        """Return the bundle with these widths, one for each group, written at the first call.

        Raises:
            ExportError: the runtime's format could not be written or proved.
        """
        if widths not in self._written:
            self._on_step(f"writing {dashed(widths)}")
            plans = [
                group.plan(range(width))
                for group, width in zip(self._graph.groups, widths, strict=True)
            ]
            assert self._loaded.module is not None
            self._written[widths] = self.write(cut(self._loaded.module, plans), dashed(widths))
        return self._written[widths]

    def write(self, module: nn.Module, name: str) -> Bundle:
        """Return a bundle of a network of the same inputs.

        Raises:
            ExportError: the runtime's format could not be written or proved.
        """
        architecture = self._loaded.architecture
        if isinstance(module, MLP):
            architecture = replace(architecture, widths=module.widths)
        loaded = replace(
            self._loaded, origin=name, module=module, architecture=architecture, bundle=None
        )
        return write_bundle(loaded, self._folder / name, self._request)
