"""The latency of a network that is pruned: chosen before, measured again afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from spinn_edge.cli.latency_target import LatencyTarget

if TYPE_CHECKING:
    import torch

    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.pruning_order import Order
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.models.loading import LoadedModel
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.rounds import PrunedModel


def timed(
    audit: PruningAudit, target: LatencyTarget | None, pruned: PrunedModel[Any]
) -> PruningAudit:
    """Return the audit with the latency before and after, where it was asked for."""
    if target is None or pruned.interrupted:
        return audit
    widths = tuple(layer.after for layer in audit.layers)
    return replace(audit, latency=target.time(pruned.module, widths))


@contextmanager
def latency_target(
    order: Order, loaded: LoadedModel, example: tuple[torch.Tensor, ...], printer: Printer
) -> Iterator[tuple[PruningRequest, LatencyTarget | None]]:
    """Give the request, with measured widths where a latency is the target."""
    if order.wish is None:
        yield order.request, None
        return
    from spinn_edge.bench.understanding.width_variants import LARGEST_PROVED
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.shapes import input_specs
    from spinn_edge.pruning.graph.find import find_groups
    from spinn_edge.report.latency_target import latency_plan_sheet

    assert loaded.module is not None
    specs = order.input_shapes or input_specs(loaded, ())
    with TemporaryDirectory(prefix="spinn-edge-") as folder:
        target = LatencyTarget(
            order.wish,
            loaded,
            find_groups(loaded.module, example),
            Path(folder),
            ExportRequest(input_shapes=specs, max_batch=max(order.wish.batch, LARGEST_PROVED)),
            printer,
        )
        if order.wish.goal is None:
            yield order.request, target
            return
        plan = target.choose(order.typed.limits)
        printer.show(latency_plan_sheet(plan).to_rich())
        yield replace(order.request, widths=plan.widths), target
