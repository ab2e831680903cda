"""The whole way on simulated milling data: train, prune, export, verify, time.

This file needs torch; import it only where torch is needed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from spinn_edge.accuracy.verification import Verification, verify_bundle
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.result import BenchResult
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle, check_output_free
from spinn_edge.core.errors import BundleError, MissingDependencyError, UsageError
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.core.table import read_table
from spinn_edge.demo.milling import GROUP, TARGETS, simulate, split_by_tool, write_csv
from spinn_edge.export.bundling import ExportRequest
from spinn_edge.export.learned import Lesson, write_learned
from spinn_edge.pruning.reference import FineTuning, prune_on_rows
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import RoundEvents
from spinn_edge.pruning.targets.limits import Limits
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.trt.backend import load_backend
from spinn_edge.training.dataset import load_split, make_recipe
from spinn_edge.training.fitting import Epoch
from spinn_edge.training.reference import Optimisation, train_mlp

_DATA = "data"
_OURS = (
    *("dense", "pruned", "results.json", "results.md", _DATA),
    *(f"{_DATA}/train.csv", f"{_DATA}/test.csv"),
)
"""All that a tour leaves in its folder, the results that its caller writes there included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TourPlan:
    """Sizes of the tour.

    Attributes:
        tools: simulated tools, a fifth of which is kept for the scores.
        rows_per_tool: readings of each tool's life.
        hidden: widths of the dense network's hidden layers.
        epochs: of the dense network.
        target: share of parameters to remove.
        rounds: of pruning.
        finetune_epochs: after each round.
        round_to: hidden widths become multiples of this: 16 floats fill a vector register of
            AVX-512 and a tile of a tensor core.
        launches: fresh processes for each bundle and runtime.
        bench_s: time for samples, for each row and launch.
        runtimes: names to time.
    """

    tools: int = 60
    rows_per_tool: int = 140
    hidden: tuple[int, ...] = (512, 512, 512, 256)
    epochs: int = 12
    target: float = 0.685
    rounds: int = 3
    finetune_epochs: int = 10
    round_to: int = 16
    launches: int = 3
    bench_s: float = 0.5
    runtimes: tuple[str, ...] = ()


FULL = TourPlan()
QUICK = TourPlan(
    tools=30,
    rows_per_tool=100,
    epochs=10,
    finetune_epochs=5,
    launches=1,
    bench_s=0.3,
    runtimes=("eager", "torchscript", "pt2", "ort-cpu", "ort-cuda", "trt"),
)
"""Less data, fewer epochs, and no torch.compile, which takes its time to compile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who hears of progress.

    Attributes:
        on_step: called with a few words before each step.
        on_turn: called before each of many like steps, such as runtimes that are verified, with a
            few words, how many have ended, and how many there are.
        on_run: called with a title, a number of epochs, and that of later runs of the same work,
            before each run of epochs.
        on_epoch: called after each epoch.
    """

    on_step: Callable[[str], None] = lambda step: None
    on_turn: OnStep = unheard
    on_run: Callable[[str, int, int], None] = lambda title, epochs, later: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What the tour made.

    Attributes:
        dense: bundle of the trained network.
        pruned: bundle of the smaller one.
        verifications: of both.
        result: timings of both.
    """

    dense: Bundle
    pruned: Bundle
    verifications: tuple[Verification, ...]
    result: BenchResult


def run_tour(
    out: Path, plan: TourPlan, *, seed: int = 0, force: bool = False, listener: Listener
) -> Tour:
    """Write ``data/``, ``dense/`` and ``pruned/`` into ``out`` and time the two bundles.

    Scores are of tools that neither trained a network nor chose its weights.

    Args:
        out: folder to write.
        plan: sizes.
        seed: of data, weights and splits.
        force: replace an earlier tour; other files are never replaced.
        listener: hears of progress.

    Raises:
        BundleError: ``out`` holds files and ``force`` is False, or files that are no tour's.
        KeyboardInterrupt: the user stopped a training run.
    """
    _check_folder(out, force=force)
    listener.on_step("simulating milling tools")
    train_csv, test_csv = _write_data(out / _DATA, plan, seed)
    recipe = make_recipe(read_table(train_csv), targets=TARGETS, group=GROUP, split_seed=seed)
    split = load_split(train_csv, recipe)
    request = ExportRequest(formats=_formats(listener))

    listener.on_run("training", plan.epochs, 0)
    optimisation = Optimisation(epochs=plan.epochs, seed=seed)
    trained = train_mlp(
        split,
        recipe,
        hidden=plan.hidden,
        activation="tanh",
        optimisation=optimisation,
        on_epoch=listener.on_epoch,
    )
    if trained.fit.interrupted:
        raise KeyboardInterrupt
    lesson = Lesson(recipe=recipe, split=split, scaling=trained.scaling, seed=seed, test=test_csv)
    dense = write_learned(
        trained.module,
        out / "dense",
        lesson,
        fits=(trained.fit,),
        duration_s=trained.duration_s,
        request=request,
        force=force,
        on_step=lambda *step: listener.on_step(_numbered("dense", *step)),
    )
    start_s = time.monotonic()
    pruned = prune_on_rows(
        trained.module,
        split,
        recipe,
        trained.scaling,
        PruningRequest(
            target=plan.target,
            rounds=plan.rounds,
            limits=Limits(round_to=plan.round_to),
            seed=seed,
        ),
        FineTuning(optimisation=replace(optimisation, epochs=plan.finetune_epochs)),
        events=RoundEvents(
            on_round=lambda number, _: listener.on_run(
                f"pruning, round {number}/{plan.rounds}",
                plan.finetune_epochs,
                plan.finetune_epochs * (plan.rounds - number),
            )
        ),
        on_epoch=listener.on_epoch,
    )
    if pruned.interrupted:
        raise KeyboardInterrupt
    small = write_learned(
        pruned.module,
        out / "pruned",
        lesson,
        fits=pruned.fits,
        duration_s=time.monotonic() - start_s,
        pruning=pruned.audit,
        request=request,
        force=force,
        on_step=lambda *step: listener.on_step(_numbered("pruned", *step)),
    )
    runtimes = plan.runtimes or tuple(registry.entries())
    verifications = tuple(
        verify_bundle(
            bundle,
            # kernels are compiled for each batch size, and timing checks parity once more
            [name for name in runtimes if not name.startswith("compile")],
            on_progress=lambda name, done, total: listener.on_turn(
                f"verifying {name} ({done + 1} of {total})", done, total
            ),
        )
        for bundle in (dense, small)
    )
    result = run_bench(
        small,
        BenchRequest(
            runtimes=runtimes,
            every_runtime=True,  # the plan names them, not the user
            launches=plan.launches,
            rule=TimingRule(budget_s=plan.bench_s),
        ),
        baseline=dense,
        on_launch=lambda contender, launch: listener.on_turn(
            f"timing, launch {launch} of {plan.launches}: {contender.label} on {contender.runtime}",
            launch - 1,
            plan.launches,
        ),
    )
    return Tour(dense=dense, pruned=small, verifications=verifications, result=result)


def _numbered(name: str, words: str, done: int, total: int) -> str:
    return f"{name}: {words} ({done + 1} of {total})"


def _check_folder(out: Path, *, force: bool) -> None:
    """Refuse a folder that is not free, or holds what no tour wrote."""
    found = sorted(path.relative_to(out) for path in out.glob("*")) if out.is_dir() else []
    if found and not force:
        raise BundleError(f"{out} holds files; choose another --out or replace a demo with --force")
    data = sorted(path.relative_to(out) for path in (out / _DATA).glob("*"))
    if foreign := [p.as_posix() for p in (*found, *data) if p.as_posix() not in _OURS]:
        raise BundleError(
            f"{out} holds '{foreign[0]}', which no demo wrote; --force replaces demos only, so "
            "nothing of yours is lost: choose another --out"
        )
    for name in ("dense", "pruned"):
        check_output_free(out / name, force=force)


def _write_data(folder: Path, plan: TourPlan, seed: int) -> tuple[Path, Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UsageError(f"cannot write {folder}: {exc}; choose another --out") from exc
    table = simulate(tools=plan.tools, rows_per_tool=plan.rows_per_tool, seed=seed)
    paths = folder / "train.csv", folder / "test.csv"
    for part, path in zip(split_by_tool(table, seed=seed), paths, strict=True):
        write_csv(part, path)
    return paths


def _formats(listener: Listener) -> tuple[str, ...]:
    try:
        load_backend()
    except MissingDependencyError as exc:
        listener.on_step(f"no TensorRT engines: {exc}")
        return ("torchscript", "pt2", "onnx")
    return ("torchscript", "pt2", "onnx", "trt")
