"""``spinn-edge verify --locate``: layer by layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.bundle import Bundle
    from spinn_edge.runtimes.base import OpenOptions

RUNTIME = "ort-cpu"


def check_locatable(runtime: str, *, search: bool = False) -> None:
    """Refuse runtimes whose layers cannot be seen, and what is not done layer by layer.

    Raises:
        UsageError: a runtime was named that is not ``RUNTIME``, or a search was asked for.
    """
    from spinn_edge.core.errors import UsageError

    if runtime not in ("all", RUNTIME):
        raise UsageError(
            f"--locate with --runtime {runtime}: layers can be seen in the bundle's ONNX file on "
            f"{RUNTIME} alone; leave --runtime out"
        )
    if search:
        raise UsageError(
            "--search looks at a model's outputs and --locate at its layers; give one of the two"
        )


def show_divergence(
    printer: Printer,
    bundle: Bundle,
    options: OpenOptions,
    precisions: Sequence[str] | None,
    json: str | None,
) -> None:
    """Compare every layer of the bundle's ONNX files with the reference and print what differs.

    Args:
        printer: where tables go.
        bundle: a loaded bundle.
        options: threads and trust.
        precisions: files to look into; None for every ONNX file of the bundle.
        json: where the document goes.

    Raises:
        ParityError: a layer is beyond tolerance.
        SpinnEdgeError: as :func:`spinn_edge.accuracy.divergence.locating.locate_divergence`.
    """
    from spinn_edge.accuracy.divergence.locating import locate_divergence
    from spinn_edge.cli.progress import StepProgress
    from spinn_edge.core.errors import ParityError
    from spinn_edge.core.manifest import PRECISIONS
    from spinn_edge.report.divergence import (
        divergence_tables,
        divergence_words,
        divergences_document,
    )
    from spinn_edge.report.json_document import to_text

    held = [entry.precision for entry in bundle.manifest.files_of("onnx")]
    chosen = precisions or [name for name in PRECISIONS if name in held] or PRECISIONS[:1]
    found = []
    with StepProgress(printer, "comparing layers") as show:
        for number, precision in enumerate(chosen):
            show.step(f"comparing layers, {precision}", number, len(chosen))
            one = replace(options, precision=precision)
            found.append(locate_divergence(bundle, precision, one))
    for divergence in found:
        printer.show(divergence_tables(divergence), *divergence_words(divergence))
    printer.write(to_text(divergences_document(found)), json)
    for divergence in found:
        if (first := divergence.first) is not None:
            raise ParityError(
                f"{divergence.bundle}, {divergence.file}: first beyond tolerance: {first.name}: "
                f"{first.reason}"
            )
