"""Networks that are like a bundle's but for their hidden widths, written to be timed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import PRECISIONS, Architecture
from spinn_edge.core.optional import require
from spinn_edge.core.words import dashed
from spinn_edge.runtimes import registry

LARGEST_PROVED = 7
"""Exports are proved at batch 1, 2, 7 and the largest; a smaller largest one would skip some."""


def mlp_of(bundle: Bundle) -> Architecture:
    """Return the architecture of a bundle whose hidden widths can be changed.

    Raises:
        UsageError: it is no MLP, or an MLP without a hidden layer.
    """
    architecture = bundle.manifest.architecture
    if architecture.kind != "mlp":
        raise UsageError(
            f"{bundle.name} is no MLP that was made from its weights (its architecture is "
            f"'{architecture.kind}'), so its widths are not known and cannot be varied; what "
            "works for any model: --only roofline,threads"
        )
    if len(architecture.widths) < 3:
        raise UsageError(
            f"{bundle.name} ({dashed(architecture.widths)}) has no hidden layer, so there is no "
            "width to vary; what works: --only roofline,threads"
        )
    return architecture


class WidthVariants:
    """Bundles with the depth and activation of a given one and other hidden widths.

    Their weights are random. That does not change the time: products of dense matrices and the
    vector code of the activations do the same work for every ordinary number. It would change with
    denormal numbers, which processors compute many times slower, so the weights keep activations
    within a few orders of magnitude of 1 at any depth (see :func:`seeded_weights`).
    """

    def __init__(
        self,
        bundle: Bundle,
        folder: Path,
        *,
        runtime: str,
        max_batch: int,
        precision: str = PRECISIONS[0],
    ) -> None:
        """Write nothing yet.

        Args:
            bundle: an MLP.
            folder: where the bundles go; it is the caller's to remove.
            runtime: name of the runtime that shall run them; only its format is written.
            max_batch: largest batch that they shall serve.
            precision: of the files that shall be timed.

        Raises:
            UsageError: the bundle is no MLP, or the runtime is unknown.
        """
        self._architecture = mlp_of(bundle)
        self._folder = folder
        self._format = registry.find(runtime).format
        self._precision = precision
        self._max_batch = max(max_batch, LARGEST_PROVED)
        self._written: dict[tuple[int, ...], Bundle] = {}

    @property
    def widths(self) -> tuple[int, ...]:
        """Input width, hidden widths and output width of the bundle that was given."""
        return self._architecture.widths

    def at(self, hidden: Sequence[int]) -> Bundle:
        """Return the bundle with these hidden widths, written at the first call.

        Raises:
            ExportError: the runtime's format could not be written or proved.
            MissingDependencyError: torch, or what writes the format, is not installed.
        """
        widths = (self.widths[0], *hidden, self.widths[-1])
        if widths not in self._written:
            self._written[widths] = self._write(widths)
        return self._written[widths]

    def _write(self, widths: tuple[int, ...]) -> Bundle:
        require("torch", extra="export")
        from spinn_edge.export.bundling import ExportRequest, write_bundle
        from spinn_edge.models.loading import LoadedModel
        from spinn_edge.models.modules import MLP

        mlp = MLP(widths, self._architecture.activation)
        mlp.load_state_dict(seeded_weights(widths))
        loaded = LoadedModel(
            origin=dashed(widths),
            architecture=Architecture(
                kind="mlp", widths=widths, activation=self._architecture.activation
            ),
            module=mlp.eval(),
        )
        request = ExportRequest(
            formats=() if self._format == "weights" else (self._format,),
            precisions=(self._precision,),
            max_batch=self._max_batch,
        )
        return write_bundle(loaded, self._folder / dashed(widths), request)


def seeded_weights(widths: Sequence[int], seed: int = 0) -> dict[str, object]:
    """Return the state dict of an MLP, the same for the same widths.

    Normal weights of variance 2 / fan-in keep the spread of activations from layer to layer; biases
    of a tenth keep it from fading where an activation shrinks it. Inputs are standard normal.

    Args:
        widths: input width, hidden widths, output width.
        seed: of the draw.

    Source: He et al. (2015), "Delving deep into rectifiers", equation 10.
    """
    torch = require("torch", extra="export")
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, object] = {}
    for layer, (fan_in, fan_out) in enumerate(itertools.pairwise(widths)):
        weight = torch.randn((fan_out, fan_in), generator=generator)
        # in nn.Sequential an activation stands between two layers
        state[f"{2 * layer}.weight"] = weight * (2 / fan_in) ** 0.5
        state[f"{2 * layer}.bias"] = 0.1 * torch.randn(fan_out, generator=generator)
    return state
