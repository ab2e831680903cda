"""What the figures of training steps mean, a sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from spinn_edge.bench.evidence.intervals import FEWEST_LAUNCHES
from spinn_edge.bench.training.result import TrainingResult, TrainingRow, speedup
from spinn_edge.report import formatting as f

AIM = 1.5
"""Speed-up that a compiled step is expected to reach; below it, the measured reason is said."""
STEPS_TIMED = (
    "a step is loss, gradients and optimiser; eager: autograd.grad with create_graph, eager func: "
    "torch.func.jvp, compiled: the same through torch.compile; speed-up is over eager"
)


def training_words(result: TrainingResult) -> list[str]:
    """Return what was timed, what failed, what compilation costs and why it gains no more."""
    words = [STEPS_TIMED, *_subjects(result)]
    words += [
        f"{row.subject.name}, {row.way}: {row.status}: {row.reason}"
        for row in result.rows
        if row.status != "ok"
    ]
    words += [*_proofs(result), *_compilation(result)]
    words += _certainty(result)
    return words


def _subjects(result: TrainingResult) -> Iterator[str]:
    seen = set()
    for row in result.rows:
        if row.subject.name in seen or not row.launches:
            continue
        seen.add(row.subject.name)
        facts = row.launches[0].facts
        yield (
            f"{row.subject.name}: {facts['problem']}; network {facts['network']}, "
            f"{int(facts['parameters']):,} parameters; a step: {facts['rows_of_a_step']}; an "
            f"epoch: {facts['an_epoch']}; {facts['optimiser']}"
        )


def _proofs(result: TrainingResult) -> Iterator[str]:
    proofs = [one.proof for row in result.rows for one in row.launches if row.status == "ok"]
    known = [proof for proof in proofs if proof is not None]
    if known:
        yield (
            f"before timing, loss and gradients of every launch were held against eager autograd "
            f"in float64: at most {max(p.loss_error for p in known):.1e} and "
            f"{max(p.gradient_error for p in known):.1e} off, allowed {known[0].tolerance:.0e}"
        )


def _compilation(result: TrainingResult) -> Iterator[str]:
    for row in result.rows:
        eager = result.row(row.subject.name, "autograd")
        found = speedup(row, eager) if row.way == "compiled" and eager is not None else None
        if found is None or eager is None:
            continue
        cached = "" if row.again_s is None else f", {f.seconds(row.again_s)} from a cache"
        pays = "does not pay here" if found.pays_after is None else "pays"
        after = "" if found.pays_after is None else f" after {found.pays_after:,.0f} steps"
        yield (
            f"{row.subject.name}: compiling took {f.seconds(row.first_gradient_s)} at first"
            f"{cached}, which is in no other figure; it {pays}{after}"
        )
        if found.ratio < AIM:
            yield from _reason(row, eager, found.ratio)


def _reason(row: TrainingRow, eager: TrainingRow, ratio: float) -> Iterator[str]:
    """Say where the time goes, and how much compiling could gain if all it touches were free."""
    head = f"{row.subject.name}: {f.ratio(ratio)} is below {AIM:g}×"
    parts = [(name, _parts(one)) for name, one in (("eager", eager), ("compiled", row))]
    if any(part is None for _, part in parts):
        yield f"{head}; no launch was profiled, so no reason is given"
        return
    (eager_s, *_), (step_s, products_s, optimiser_s) = (part for _, part in parts if part)
    if products_s <= 0:  # as with a compiler that calls the library past PyTorch's operators
        yield f"{head}; the profiler saw no product in the compiled step, so no reason is given"
        return
    if (gained := eager_s / step_s) >= AIM:
        yield (
            f"{head}, but the launches that were profiled gained {f.ratio(gained)}: launches "
            "differ by more than that, so measure again on a quiet machine"
        )
        return
    fixed_s = products_s + optimiser_s
    most = eager_s / fixed_s
    spent = "; ".join(_spent(name, part) for name, part in parts if part)
    end = (
        f"products and optimiser are library calls either way: with all else free it would be "
        f"{most:.2f}×"
    )
    if most < AIM:
        end += f", so by these figures {AIM:g}× cannot be reached"
    elif step_s <= fixed_s:
        end += "; the profiled steps were slower than the timed ones, so nothing more can be said"
    else:
        allowed_s = eager_s / AIM - fixed_s
        end += f"; all else would have to take {f.seconds(allowed_s)} for {AIM:g}×"
    yield f"{head}. Measured (torch.profiler, {_profiled(row)} steps): {spent}; {end}"


def _parts(row: TrainingRow) -> tuple[float, float, float] | None:
    """Return the whole step of the launch that was profiled, its products and its optimiser."""
    for launch in row.launches:
        if launch.shares is not None and launch.steps:
            return launch.step_s, launch.shares.products_s, launch.shares.optimiser_s
    return None


def _spent(name: str, parts: tuple[float, float, float]) -> str:
    step_s, products_s, optimiser_s = parts
    rest_s = max(0.0, step_s - products_s - optimiser_s)
    return (
        f"{name} step {f.seconds(step_s)}: matrix products {f.seconds(products_s)}, optimiser "
        f"{f.seconds(optimiser_s)}, all else {f.seconds(rest_s)}"
    )


def _profiled(row: TrainingRow) -> int:
    return row.shares.steps if row.shares else 0


def _certainty(result: TrainingResult) -> Iterator[str]:
    counts = [len(row.launches) for row in result.rows if row.status == "ok"]
    if not counts:
        return
    if min(counts) < FEWEST_LAUNCHES:
        yield (
            f"no intervals from {min(counts)} launch{'es' if min(counts) > 1 else ''}: take "
            f"{FEWEST_LAUNCHES} or more with --launches or --seeds"
        )
    if result.seeds > 1:
        yield (
            "± is the standard deviation over seeds (n - 1), of the mean it/s of each seed's "
            "launches; the interval is over launches"
        )
