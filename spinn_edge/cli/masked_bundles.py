"""A masked network on disk, and its time beside the network that it was made from."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from spinn_edge.bench.result import BenchResult
    from spinn_edge.cli.lesson import Taught
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.models.modules import MLP
    from spinn_edge.pruning.masks.compaction import CompactModel
    from spinn_edge.pruning.masks.stages import MaskedModel

RUNTIME, BATCHES = "ort-cpu", (1, 1000)
_BUDGET_S = 0.2
_FORMATS = ("onnx",)


def write_masked(
    taught: Taught, masked: MaskedModel[MLP], out: Path, *, force: bool, printer: Printer
) -> Bundle:
    """Write weights with zeros in them, their masks, and ONNX.

    Raises:
        BundleError: ``out`` exists or cannot be written.
        ExportError: the ONNX file was not proved.
    """
    given = taught.loaded.bundle
    audit = given.manifest.pruning if given else None  # neurons that an earlier prune removed
    return _write(taught, masked, masked.module, masked.masks, out, audit, force, printer)


def write_compact(
    taught: Taught, masked: MaskedModel[MLP], out: Path, *, force: bool, printer: Printer
) -> tuple[Bundle | None, CompactModel[MLP]]:
    """Write the network without the neurons that masks have cut off; None where there are none.

    Raises:
        PruningError: the smaller network does not give the same outputs; and as above.
    """
    from spinn_edge.pruning.masks.compaction import compact_masks
    from spinn_edge.pruning.masks.reference import compact_on_rows

    small = compact_on_rows(masked.module, taught.lesson.scaling)
    if small.parameters_after == small.parameters_before:
        return None, small
    masks = compact_masks(masked.masks, tuple(masked.masks), small.kept)
    return _write(taught, masked, small.module, masks, out, None, force, printer), small


def time_beside_given(
    taught: Taught, bundles: list[Bundle], launches: int, printer: Printer
) -> list[BenchResult]:
    """Time each bundle beside the network that was given, on ONNX Runtime, batch 1 and 1000."""
    from spinn_edge.bench.loops.timing import TimingRule
    from spinn_edge.bench.session import BenchRequest, run_bench
    from spinn_edge.cli.time_left import TimedLines

    request = BenchRequest(
        runtimes=(RUNTIME,),
        batches=BATCHES,
        launches=launches,
        rule=TimingRule(budget_s=_BUDGET_S),
    )
    lines = TimedLines(printer.say)
    with _given(taught) as given:
        return [
            run_bench(
                bundle,
                request,
                baseline=given,
                on_launch=lambda contender, launch: lines.step(
                    f"timing, launch {launch} of {launches}: {contender.label} on "
                    f"{contender.runtime}",
                    launch - 1,
                    launches,
                ),
            )
            for bundle in bundles
        ]


def _write(
    taught: Taught,
    masked: MaskedModel[MLP],
    module: MLP,
    masks: Mapping[str, torch.Tensor],
    out: Path,
    audit: PruningAudit | None,
    force: bool,
    printer: Printer,
) -> Bundle:
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.learned import write_learned
    from spinn_edge.pruning.masks.files import copy_with_masks

    with (
        tempfile.TemporaryDirectory(prefix="spinn-edge-") as folder,
        StepProgress(printer, f"writing {out.name}", alike=False) as show,
    ):
        bare = write_learned(
            module,
            Path(folder) / out.name,
            taught.lesson,
            fits=masked.fits,
            duration_s=sum(record.duration_s for record in masked.masking.stages),
            pruning=audit,
            request=ExportRequest(formats=_FORMATS),
            on_step=show.step,
        )
        return copy_with_masks(bare, out, masks, masked.masking, force=force)


@contextmanager
def _given(taught: Taught) -> Iterator[Bundle]:
    """Give the network that MODEL was as a bundle with ONNX."""
    bundle = taught.loaded.bundle
    if bundle is not None and bundle.manifest.files_of("onnx", "fp32"):
        yield bundle
        return
    from spinn_edge.core.manifest import Architecture
    from spinn_edge.export.bundling import ExportRequest
    from spinn_edge.export.golden import rows_as_golden
    from spinn_edge.export.temporary import temporary_bundle
    from spinn_edge.models.loading import LoadedModel

    mlp = taught.mlp
    loaded = LoadedModel(
        origin=taught.loaded.origin,
        module=mlp,
        architecture=Architecture(kind="mlp", widths=mlp.widths, activation=mlp.activation),
    )
    golden: Any = rows_as_golden(taught.lesson.split.train.features, "the training data")
    name = bundle.name if bundle is not None else "given"
    with temporary_bundle(loaded, name, ExportRequest(formats=_FORMATS), golden=golden) as made:
        for error in made.refused.values():
            raise error
        yield made.bundle
