"""Models in memory into rows: export, time in turn, compare."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from spinn_edge.bench.evidence.output_difference import OutputDifference, output_difference
from spinn_edge.bench.evidence.paired_rows import beside_baseline
from spinn_edge.bench.machine.environment import describe_environment
from spinn_edge.bench.machine.machine_load import LoadWatch
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.result import BenchResult, BundleFacts
from spinn_edge.core.errors import RuntimeUnavailableError, SpinnEdgeError, UsageError
from spinn_edge.core.optional import require
from spinn_edge.export.bundling import ExportRequest
from spinn_edge.export.temporary import TemporaryBundle, temporary_bundle
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions
from spinn_edge.suite.devices import default_runtimes
from spinn_edge.suite.evaluation import choose_golden, score_on
from spinn_edge.suite.measuring_plan import MeasuringPlan, read_batches
from spinn_edge.suite.model_in_memory import ModelInMemory, no_eager_form

_EAGER = "weights"
"""Format of the runtimes that build the module again."""
_FEWEST_PROVED, _MOST_PROVED = 32, 1024
"""Largest batch that exports are proved at here; the workers check parity at each timed size."""

OnStep = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A whole measurement.

    Attributes:
        result: rows, sizes, scores, machine; the baseline's facts come first.
        differences: outputs of each model against the baseline's, by model; empty for one model.
        notes: what was chosen in the place of something else, and why.
    """

    result: BenchResult
    differences: Mapping[str, OutputDifference]
    notes: tuple[str, ...] = ()


def measure(
    models: Sequence[ModelInMemory],
    plan: MeasuringPlan,
    batch_size: int | Sequence[int],
    *,
    validation: Any = None,
    on_step: OnStep = lambda step: None,
) -> Measured:
    """Export models, time them in fresh processes in turn, and compare them with the first.

    What cannot be exported, opened or timed is a row that says why.

    Args:
        models: the first is the baseline of the others.
        plan: device, runtimes, rules.
        batch_size: samples in one inference, one size or several.
        validation: inputs and targets for R² and RMSE.
        on_step: called with a few words before each step.

    Raises:
        UsageError: a model does not run on its sample, or a number makes no sense.
        ExportError: a model cannot be exported at all.
    """
    batches = read_batches(batch_size)
    created = datetime.now(UTC).isoformat(timespec="seconds")
    environment = describe_environment()
    loaded = [model.load() for model in models]
    scores = [score_on(each, validation) if validation is not None else None for each in loaded]
    not_eager = [
        no_eager_form(model.name, model.module)
        for model, each in zip(models, loaded, strict=True)
        if each.architecture.kind == "file"
    ]
    runtimes = plan.runtimes or default_runtimes(plan.device, eager=not not_eager)
    formats = {registry.find(name).format: None for name in runtimes}
    formats.pop(_EAGER, None)
    request = ExportRequest(formats=tuple(formats), max_batch=_proved_batch(batches, formats))
    with ExitStack() as stack:
        made: list[TemporaryBundle] = []
        with _torch_threads_kept(), _memory_advice(batches):
            for model, each in zip(models, loaded, strict=True):
                on_step(f"exporting {model.name}")
                golden = choose_golden(each, model.sample, request.max_batch or 1)
                folder = re.sub(r"[^\w.-]", "_", model.name).strip(".") or "model"
                made.append(
                    stack.enter_context(temporary_bundle(each, folder, request, golden=golden))
                )
        watch = LoadWatch.start()
        rows = _time(list(zip(models, made, strict=True)), runtimes, plan, batches, on_step)
        load = watch.stop()
        goldens = [item.bundle.golden() for item in made] if len(made) > 1 else []
        facts = tuple(
            replace(
                BundleFacts.of(item.bundle, model.name, baseline=index == 0 and len(models) > 1),
                scores=score,
            )
            for index, (model, item, score) in enumerate(zip(models, made, scores, strict=True))
        )
    baseline = models[0].name if len(models) > 1 else None
    return Measured(
        result=BenchResult(
            created_utc=created,
            environment=environment,
            bundles=facts,
            rows=beside_baseline(rows, baseline),
            load=load,
        ),
        differences={
            model.name: output_difference(goldens[0], golden)
            for model, golden in list(zip(models, goldens, strict=bool(goldens)))[1:]
        },
        notes=()
        if plan.runtimes
        else tuple(f"{runtimes[0]} takes the place of eager: {why}" for why in not_eager),
    )


def _proved_batch(batches: Sequence[int], formats: Mapping[str, None]) -> int:
    largest = max(_FEWEST_PROVED, *batches)
    return largest if "trt" in formats else min(largest, _MOST_PROVED)  # an engine has a profile


def _time(
    made: Sequence[tuple[ModelInMemory, TemporaryBundle]],
    runtimes: Sequence[str],
    plan: MeasuringPlan,
    batches: tuple[int, ...],
    on_step: OnStep,
) -> list[Row]:
    """Return the rows runtime by runtime, those of the models side by side."""
    places = [(runtime, model, item) for runtime in runtimes for model, item in made]
    refusals = [_refusal(runtime, model, item) for runtime, model, item in places]
    contenders = [
        Contender(
            label=model.name,
            bundle=item.bundle,
            runtime=runtime,
            options=OpenOptions(threads=plan.threads, trust_factory=bool(model.factory)),
        )
        for (runtime, model, item), refusal in zip(places, refusals, strict=True)
        if refusal is None
    ]
    schedule = Schedule(
        batches=batches, launches=plan.launches, timeout_s=plan.timeout_s, rule=plan.rule
    )
    timed = iter(
        time_contenders(
            contenders,
            schedule,
            on_launch=lambda contender, launch: on_step(
                f"launch {launch} of {plan.launches}: {contender.label} on {contender.runtime}"
            ),
        )
    )
    rows: list[Row] = []
    for (runtime, model, _), refusal in zip(places, refusals, strict=True):
        if refusal is None:
            rows += next(timed)
        else:
            rows += _refused_rows(model.name, runtime, batches, plan.threads, refusal)
    return rows


def _refusal(runtime: str, model: ModelInMemory, made: TemporaryBundle) -> SpinnEdgeError | None:
    """Return why a model cannot be given to a runtime; None where it can."""
    wanted = registry.find(runtime).format
    if wanted == _EAGER and made.bundle.manifest.architecture.kind == "file":
        return RuntimeUnavailableError(no_eager_form(model.name, model.module))
    return made.refused.get(wanted)


def _refused_rows(
    label: str, runtime: str, batches: Sequence[int], threads: int, refusal: SpinnEdgeError
) -> Iterator[Row]:
    here = isinstance(refusal, registry.CANNOT_RUN_HERE)
    for batch in batches:
        yield Row(
            bundle=label,
            runtime=runtime,
            batch=batch,
            status="unavailable" if here else "failed",
            reason=str(refusal),
            exit_code=refusal.exit_code,
            threads=threads,
        )


@contextmanager
def _memory_advice(batches: Sequence[int]) -> Iterator[None]:
    """Say what helps where the export of a model takes more memory than there is."""
    try:
        yield
    except MemoryError as exc:
        raise UsageError(
            f"out of memory while exporting for batch_size={max(batches)}; name a smaller one, or "
            "give a sample_input with fewer rows"
        ) from exc


@contextmanager
def _torch_threads_kept() -> Iterator[None]:
    """Give PyTorch its number of threads back, which the proofs of exported files change."""
    torch = require("torch", extra="export")
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
