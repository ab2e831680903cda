"""``spinn-edge prune``."""

from __future__ import annotations

from typing import Annotated

import typer

from spinn_edge.cli import gate_options as go
from spinn_edge.cli import learning_options as lo
from spinn_edge.cli import options as o
from spinn_edge.cli import stage_folder as sf


def prune(
    model: o.Model,
    out: o.Out,
    data: o.MaybeData = None,
    target: Annotated[
        float | None, typer.Option(help="Share of --by to remove; 0.685 if nothing else is named.")
    ] = None,
    by: Annotated[str, typer.Option(help="parameters, flops, bytes or latency.")] = "parameters",
    latency_us: Annotated[
        float | None, typer.Option(help="Microseconds to stay within, measured with --runtime.")
    ] = None,
    runtime: Annotated[str, typer.Option(help="That a latency is measured on.")] = "ort-cpu",
    batch: Annotated[int, typer.Option(help="Samples in one inference of it.", min=1)] = 1,
    launches: Annotated[int, typer.Option(help="Processes for each width of it.", min=1)] = 3,
    rounds: Annotated[int | None, typer.Option(help="Rounds of equal shares; 3.")] = None,
    finetune_epochs: Annotated[int | None, typer.Option(help="Epochs a round; 10.")] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="STAGES",
            help="RATIO:EPOCHS:LR of each round, such as 0.3:10:1e-3,0.2:15:1e-4, each ratio a "
            "share of what is left; in place of --rounds, --finetune-epochs and --lr.",
        ),
    ] = None,
    allocation: Annotated[str, typer.Option(help="uniform, global or per-layer.")] = "uniform",
    importance: Annotated[
        str,
        typer.Option(
            help="l1-outgoing, l1-incoming, group-l1, group-l2, taylor, activation, "
            "geometric-median, random, or package.module:function."
        ),
    ] = "l1-outgoing",
    protect: Annotated[
        list[str] | None, typer.Option(help="Layer that keeps its width; may be repeated.")
    ] = None,
    min_width: Annotated[
        list[str] | None,
        typer.Option(metavar="[LAYER=]N", help="Channels to keep at least; may be repeated."),
    ] = None,
    keep: Annotated[
        list[str] | None,
        typer.Option(metavar="LAYER=X", help="Share or channels a layer keeps; may be repeated."),
    ] = None,
    round_to: Annotated[int, typer.Option(help="Widths become multiples of this.")] = 1,
    tolerance: Annotated[
        float, typer.Option(help="Largest distance between requested and achieved share.")
    ] = 0.003,
    distil: Annotated[
        float, typer.Option(help="Weight of the distance to the outputs before pruning; 0: none.")
    ] = 0.0,
    loaders: o.Loaders = None,
    input_shape: o.InputShape = None,
    resume: sf.Resume = False,
    rollback: sf.Rollback = None,
    gate_r2: go.GateR2 = None,
    gate_each: go.GateEach = None,
    gate_loss: go.GateLoss = None,
    gate_parameters: go.GateParameters = None,
    gate_speedup: go.GateSpeedup = None,
    validation: o.Validation = None,
    test: o.Test = None,
    targets: o.Targets = None,
    features: o.Features = None,
    ignore: o.Ignore = None,
    group: o.Group = None,
    drop_na: o.DropNa = False,
    activation: o.Activation = None,
    weights: o.Weights = None,
    learning_rate: o.LearningRate = 1e-3,
    patience: o.Patience = None,
    min_delta: lo.MinDelta = 0.0,
    residual: lo.Residual = None,
    derivatives: lo.Derivatives = None,
    monotone: lo.Monotone = None,
    collocation: lo.CollocationPoints = None,
    sampling: lo.Sampling = None,
    physics_weight: lo.PhysicsWeight = None,
    compile_: lo.Compile = None,
    device: lo.Device = "cpu",
    seed: o.Seed = 0,
    trust_pickle: o.TrustPickle = False,
    trust_factory: o.TrustFactory = False,
    force: o.Force = False,
) -> None:
    """Remove channels until a share of the model is gone, fine-tune, and audit the result.

    Columns, scaling and split come from the bundle that `spinn-edge train` wrote; for any other
    model name --targets. Without --data nothing is tuned, unless --loaders names how.
    """
    from spinn_edge.cli.latency_target import read_wish
    from spinn_edge.cli.lesson import Columns
    from spinn_edge.cli.output import Printer
    from spinn_edge.cli.pruning_loaded import prune_loaded, refuse_without_rows
    from spinn_edge.cli.pruning_order import Order
    from spinn_edge.cli.pruning_request import DEFAULT_EPOCHS, Typed, read_limits, read_request
    from spinn_edge.cli.pruning_taught import prune_taught
    from spinn_edge.cli.stage_folder import refuse_taken
    from spinn_edge.core.errors import UsageError
    from spinn_edge.core.optional import require
    from spinn_edge.export.shapes import parse_input_shapes
    from spinn_edge.report.masked import schedule_sheet

    printer = Printer()
    refuse_taken(out, force=force, goes_on=resume or rollback is not None)
    require("torch", extra="export")
    if data is not None and loaders is not None:
        raise UsageError("--data and --loaders both say what to learn from; name one")
    wish = read_wish(
        by=by,
        target=target,
        latency_us=latency_us,
        runtime=runtime,
        batch=batch,
        launches=launches,
        speedup=gate_speedup is not None,
    )
    typed = Typed(
        target=target,
        by=by,
        rounds=rounds,
        finetune_epochs=finetune_epochs,
        schedule=schedule,
        learning_rate=learning_rate,
        allocation=allocation,
        importance=importance,
        limits=read_limits(protect or (), min_width or (), keep or (), round_to),
        tolerance=tolerance,
        seed=seed,
    )
    request, schedule_rows = read_request(typed, latency=wish is not None and wish.goal is not None)
    if schedule_rows:
        printer.show(schedule_sheet(schedule_rows).to_rich())
    order = Order(
        model=model,
        out=out,
        load=o.load_options(
            activation=activation,
            weights=weights,
            trust_pickle=trust_pickle,
            trust_factory=trust_factory,
        ),
        typed=typed,
        request=request,
        schedule=tuple(row.stage for row in schedule_rows),
        wish=wish,
        epochs=DEFAULT_EPOCHS if finetune_epochs is None else finetune_epochs,
        patience=patience,
        min_delta=min_delta,
        distil=distil,
        physics=lo.physics_lesson(
            residual=residual,
            derivatives=derivatives,
            monotone=monotone,
            collocation=collocation,
            sampling=sampling,
            weight=physics_weight,
        ),
        compiled=lo.wants_compile(compile_),
        device=lo.training_device(device),
        resume=resume,
        rollback=rollback,
        gate=go.read_gate(gate_r2, gate_each, gate_loss, gate_parameters, gate_speedup),
        force=force,
        input_shapes=parse_input_shapes(input_shape or []),
    )
    if data is None:
        refuse_without_rows(order, (validation, test, targets, features, ignore, group), loaders)
        prune_loaded(order, loaders, printer)
        return
    columns = Columns(targets=targets, features=features, ignore=ignore, group=group)
    prune_taught(order, data, columns, printer, validation=validation, test=test, drop_na=drop_na)
