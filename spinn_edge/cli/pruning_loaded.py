"""``spinn-edge prune`` without a CSV file: on the user's own batches, or untuned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from spinn_edge.cli.learning_options import compile_words
from spinn_edge.cli.output import Printer
from spinn_edge.cli.progress import EpochProgress
from spinn_edge.cli.pruning_order import Order
from spinn_edge.cli.pruning_timing import latency_target, timed
from spinn_edge.cli.pruning_verdict import raise_for_verdict, show_audit, show_unscored
from spinn_edge.cli.time_left import TimedLines
from spinn_edge.cli.train import end_training
from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.export.golden import GoldenInputs

if TYPE_CHECKING:
    import torch

    from spinn_edge.core.tensors import TensorSpec
    from spinn_edge.export.golden import GoldenMaker
    from spinn_edge.models.loading import LoadedModel


def refuse_without_rows(order: Order, columns: Sequence[object], loaders: str | None) -> None:
    """Refuse what only a table can do where none was named.

    Raises:
        UsageError: an option has nothing to act on.
    """
    if any(value is not None for value in columns) or order.physics or order.distil:
        raise UsageError(
            "columns, --validation, --test, --distil and physics are for the rows of --data; name "
            "a CSV file with it, or leave them out"
        )
    tuning = (order.schedule, order.typed.finetune_epochs, order.patience, order.compiled or None)
    if loaders is None and any(value not in (None, ()) for value in tuning):
        raise UsageError(
            "--schedule, --finetune-epochs, --patience and --compile are for tuning, and without "
            "--data or --loaders nothing is tuned; name one of them, or use --rounds"
        )
    if order.resume or order.rollback is not None:
        raise UsageError("stages are kept for runs on the rows of --data; name it as before")


def prune_loaded(order: Order, loaders: str | None, printer: Printer) -> None:
    """Prune a network on the user's own batches, or without tuning, and write its bundle."""
    import torch

    from spinn_edge.export.bundling import ExportRequest, write_bundle
    from spinn_edge.export.pruned import as_pruned, before_pruning, with_earlier
    from spinn_edge.export.shapes import input_specs
    from spinn_edge.models.loading import load_model
    from spinn_edge.pruning.rounds import RoundEvents, prune_in_rounds
    from spinn_edge.pruning.training import prune_with_loaders
    from spinn_edge.training.determinism import deterministic

    loaded = load_model(order.model, order.load)
    if loaded.module is None or loaded.architecture.kind == "file":
        raise PruningError(
            f"'{order.model}' is an exported file or a module without a factory, and nothing could "
            "build it again once it is smaller; give its state dict with --activation, or "
            "package.module:factory --weights FILE"
        )
    specs = input_specs(loaded, order.input_shapes)
    example = _example_of(loaded, specs, order.typed.seed)
    with latency_target(order, loaded, example, printer) as (request, target):
        if loaders is None:
            printer.say("no --data and no --loaders: channels are removed and nothing is tuned")
            lines = TimedLines(printer.say)
            events: RoundEvents[Any] = RoundEvents(
                on_round=lambda number, plan: lines.step(
                    order.title_of(number, plan.widths), number - 1, order.rounds
                )
            )
            pruned = prune_in_rounds(loaded.module, request, example=example, events=events)
        else:
            train, val, loss = _call_loaders(loaders)
            rate = order.typed.learning_rate
            with EpochProgress(printer) as progress, deterministic(order.typed.seed):
                pruned = prune_with_loaders(
                    loaded.module,
                    train,
                    val,
                    lambda parameters: torch.optim.AdamW(parameters, lr=rate),
                    loss,
                    order.device,
                    request,
                    finetune_epochs=order.epochs,
                    schedule=order.schedule,
                    patience=order.patience,
                    min_delta=order.min_delta,
                    compiled=order.compiled,
                    events=RoundEvents(
                        on_round=lambda number, plan: progress.begin(
                            order.title_of(number, plan.widths), *order.epochs_of(number)
                        )
                    ),
                    on_epoch=progress.advance,
                )
        small = as_pruned(loaded, pruned.module.cpu())
        audit = timed(with_earlier(pruned.audit, loaded), target, pruned)
        bundle = write_bundle(
            small,
            order.out,
            ExportRequest(input_shapes=specs),
            golden=_golden_of(loaded),
            training=before_pruning(loaded),
            pruning=audit,
            force=order.force,
        )
    show_audit(audit, printer)
    printer.show(*compile_words(pruned.fits))
    verdict = show_unscored(order, audit, printer)
    end_training(printer, bundle, interrupted=pruned.interrupted)
    raise_for_verdict(order, audit, verdict)


def _example_of(
    loaded: LoadedModel, specs: Sequence[TensorSpec], seed: int
) -> tuple[torch.Tensor, ...]:
    """Return some inputs: golden ones where the model came with them, else random numbers."""
    import torch

    if loaded.bundle is not None:
        golden = loaded.bundle.golden().inputs
        return tuple(torch.from_numpy(golden[spec.name][:8]) for spec in specs)
    generator = torch.Generator().manual_seed(seed)
    return tuple(
        torch.randn([8 if size is None else size for size in spec.shape], generator=generator)
        for spec in specs
    )


def _golden_of(loaded: LoadedModel) -> GoldenMaker | None:
    """Return a maker of the inputs that the model's bundle has; None where it came without."""
    if loaded.bundle is None:
        return None
    inputs = GoldenInputs(
        arrays=loaded.bundle.golden().inputs, source=loaded.bundle.manifest.golden_source
    )
    return lambda specs, rows: inputs


def _call_loaders(reference: str) -> tuple[Any, Any, Any]:
    from spinn_edge.cli.user_function import import_function

    function = import_function(reference, "--loaders", "no arguments")
    try:
        train, validation, loss = function()
    except Exception as exc:  # the user's own code may raise anything
        raise UsageError(
            f"--loaders {reference} failed ({type(exc).__name__}: {exc}); expected a function "
            "without arguments that returns training batches, validation batches and a loss of "
            "(prediction, y)"
        ) from exc
    return train, validation, loss
