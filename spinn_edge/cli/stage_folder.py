"""The folder of stages beside a bundle, and the options that go on from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spinn_edge.core.errors import UsageError

if TYPE_CHECKING:
    from spinn_edge.cli.lesson import Taught
    from spinn_edge.pruning.staged.continuation import Stages

Resume = Annotated[
    bool, typer.Option("--resume", help="Go on behind the last stage in OUT.stages.")
]
Rollback = Annotated[
    int | None, typer.Option(help="Write the network of this stage, 0 for the given one.")
]


def refuse_taken(out: Path, *, force: bool, goes_on: bool) -> None:
    """Refuse early what the bundle's folder would refuse late.

    Args:
        out: bundle that the run writes.
        force: replace one that is there.
        goes_on: the run goes on from its stages, which --force leaves alone.

    Raises:
        BundleError: something is at ``out``, or nothing can be written beside it.
    """
    from spinn_edge.core.bundle import check_output_free
    from spinn_edge.core.errors import BundleError

    try:
        check_output_free(out, force=force)
    except BundleError as exc:
        if force or not goes_on:
            raise
        raise BundleError(
            f"{exc}; --force replaces the bundle and keeps the stages in {out.name}.stages"
        ) from exc


def open_stages(
    out: Path,
    data: Path,
    taught: Taught,
    request: Mapping[str, object],
    *,
    resume: bool,
    rollback: int | None,
    say: Callable[[str], None],
) -> Stages:
    """Return where a run keeps its stages, and what tells it from any other run.

    Args:
        out: bundle that the run writes.
        data: its table.
        taught: network and lesson that it begins with.
        request: what else decides the outcome, by name.
        resume: go on behind the last stage.
        rollback: stage to go back to; None for none.
        say: called with what a run that goes on finds there.

    Raises:
        UsageError: both were asked for, or the stages are of another run.
    """
    from spinn_edge.core.bundle import sha256_of
    from spinn_edge.pruning.staged.continuation import Stages
    from spinn_edge.pruning.staged.stage_files import hash_weights
    from spinn_edge.pruning.staged.stages import StageStore

    if resume and rollback is not None:
        raise UsageError("--resume goes on and --rollback goes back; name one of them")
    recipe = taught.lesson.recipe
    known = {
        # a validation file is known by its digest, under whatever path it is typed
        **{f.name: getattr(recipe, f.name) for f in fields(recipe) if f.name != "validation"},
        "data_sha256": sha256_of(data),
        "weights_sha256": hash_weights(taught.module.state_dict()),
    }
    store = StageStore(out.with_name(f"{out.name}.stages"))
    stages = Stages(store=store, request={**request, **known}, resume=resume, rollback=rollback)
    if resume:
        store.check_request(stages.request)
        for words in (*store.ignored(), found_words(stages)):
            say(words)
    return stages


def found_words(stages: Stages) -> str:
    """Say where a run that goes on begins."""
    folder, last = stages.store.folder, stages.store.last()
    if last is None:
        return f"{folder} has no complete stage: the run begins with the given network"
    return f"stages 0 to {last.number} are in {folder}: the run goes on behind them"


def go_on_words(stages: Stages) -> str:
    """Say how a run that was stopped goes on."""
    last = stages.store.last()
    if last is None:
        return f"no stage was written to {stages.store.folder}: begin again"
    return (
        f"stages 0 to {last.number} are in {stages.store.folder}: the same command with --resume "
        "goes on behind them (with --force where a bundle is at --out)"
    )
