"""Ways to train, launched in turn: A B C, A B C, each in a fresh process."""

from __future__ import annotations

import json
import math
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from spinn_edge.bench.machine.environment import Environment, describe_environment
from spinn_edge.bench.processes.exchange import Exchange, exchange
from spinn_edge.bench.training.job import DEVICES, StepRule, Subject, TrainingJob
from spinn_edge.bench.training.result import SCHEMA_VERSION, TrainingResult, TrainingRow
from spinn_edge.bench.training.serving import Answer
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import BundleError, RuntimeUnavailableError, UsageError
from spinn_edge.core.steps import OnStep, unheard
from spinn_edge.runtimes.base import Availability
from spinn_edge.runtimes.pytorch.probe import probe_compiler, probe_cuda, probe_cuda_compiler
from spinn_edge.training.equations.registry import check_known

WORKER = (sys.executable, "-m", "spinn_edge.bench.training.serving")
EAGER_WAYS = ("autograd", "func")
COMPILED_WAY = "compiled"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRequest:
    """What is compared, and how.

    Attributes:
        subjects: what is trained; names are told apart.
        ways: some of ``spinn_edge.training.pinn_step.WAYS``.
        seeds: of weights and points, 0 and up: how many.
        launches: fresh processes for each seed, subject and way.
        device: one of ``DEVICES``.
        threads: of the CPU in each process; None for all that this process may use.
        timeout_s: time for one launch, compilation included.
        rule: how long steps are timed.
    """

    subjects: tuple[Subject, ...]
    ways: tuple[str, ...] = (*EAGER_WAYS, COMPILED_WAY)
    seeds: int = 1
    launches: int = 3
    device: str = "cpu"
    threads: int | None = None
    timeout_s: float = 300.0
    rule: StepRule = field(default_factory=StepRule)

    def __post_init__(self) -> None:
        if not self.subjects:
            raise UsageError("nothing to train; name an --equation or a --model")
        names = [subject.name for subject in self.subjects]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise UsageError(f"'{twice[0]}' is named twice; rename one of the bundles")
        for subject in self.subjects:
            if not subject.bundle:
                check_known(subject.name)
        for name, value in (("--seeds", self.seeds), ("--launches", self.launches)):
            if value < 1:
                raise UsageError(f"{name} {value}: expected 1 or more")
        if self.threads is not None and self.threads < 1:
            raise UsageError(f"--threads {self.threads}: expected 1 or more")
        if not (math.isfinite(self.timeout_s) and self.timeout_s > 0):
            raise UsageError(f"--timeout {self.timeout_s:g}: expected a time above 0 in seconds")
        if self.device not in DEVICES:
            raise UsageError(f"unknown device '{self.device}'; known: {', '.join(DEVICES)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a contest meets outside itself; tests put fakes there.

    Attributes:
        command: the program of a launch.
        cuda: whether there is a GPU.
        compiler: whether ``torch.compile`` can work, by device.
        environment: reads the machine.
    """

    command: Sequence[str] = WORKER
    cuda: Callable[[], Availability] = probe_cuda
    compiler: Callable[[str], Availability] = lambda device: (
        probe_cuda_compiler() if device == "cuda" else probe_compiler()
    )
    environment: Callable[[], Environment] = describe_environment


def run_contest(
    request: TrainingRequest,
    *,
    on_launch: OnStep = unheard,
    outside: Outside | None = None,
) -> TrainingResult:
    """Time every way for every subject and seed, launches alternating over all of them.

    The first of all launches of a way finds nothing compiled; later ones find a cache of compiled
    code, which is this contest's own. A row of which one launch failed is not tried again.

    Args:
        request: what and how.
        on_launch: called before each process starts with a few words, the rounds of launches that
            have ended, and all of them.
        outside: where launches and probes come from.

    Raises:
        RuntimeUnavailableError: the device is not here.
    """
    outside = outside or Outside()
    if request.device == "cuda" and (reason := outside.cuda().reason) is not None:
        raise RuntimeUnavailableError(f"--device cuda: {reason}; use --device cpu")
    threads = request.threads or _usable_processors()
    environment = outside.environment()
    compiler = outside.compiler(request.device) if COMPILED_WAY in request.ways else None
    rows = {
        (subject.name, way): _first_row(subject, way, compiler)
        for subject in request.subjects
        for way in request.ways
    }
    with tempfile.TemporaryDirectory(prefix="spinn-edge-compiled-") as cache:
        for number in range(1, request.launches + 1):
            for seed in range(request.seeds):
                for place, row in rows.items():
                    if row.status != "ok":
                        continue
                    on_launch(
                        f"{row.subject.name}, {row.way}: seed {seed}, launch {number} of "
                        f"{request.launches}",
                        number - 1,
                        request.launches,
                    )
                    job = TrainingJob(
                        subject=row.subject,
                        way=row.way,
                        seed=seed,
                        device=request.device,
                        threads=threads,
                        rule=request.rule,
                        cache=cache,
                        profile=number == 1 and seed == 0,
                    )
                    answer = _launch(job, outside.command, request.timeout_s)
                    rows[place] = _with(row, answer, number)
    return TrainingResult(
        schema_version=SCHEMA_VERSION,
        created_utc=datetime.now(UTC).isoformat(timespec="seconds"),
        environment=environment,
        device=request.device,
        threads=threads,
        seeds=request.seeds,
        launches=request.launches,
        rule=request.rule,
        rows=tuple(rows.values()),
    )


def _first_row(subject: Subject, way: str, compiler: Availability | None) -> TrainingRow:
    row = TrainingRow(subject=subject, way=way)
    if way != COMPILED_WAY or compiler is None or compiler.reason is None:
        return row
    remedy = f"; install it with: {compiler.install}" if compiler.install else ""
    return replace(row, status="unavailable", reason=f"{compiler.reason}{remedy}")


def _launch(job: TrainingJob, command: Sequence[str], timeout_s: float) -> Answer:
    ended = exchange(
        json.dumps(encode(job)),
        command=command,
        threads=job.threads,
        timeout_s=timeout_s,
        whose="the training process",
    )
    return _answer_of(ended)


def _answer_of(ended: Exchange) -> Answer:
    if ended.returncode != 0:
        return Answer(status="failed", reason=ended.ending)
    try:
        return decode(Answer, json.loads(ended.output), where="training process")
    except (ValueError, BundleError) as exc:
        return Answer(status="failed", reason=f"the training process gave no result ({exc})")


def _with(row: TrainingRow, answer: Answer, number: int) -> TrainingRow:
    launches = row.launches
    if answer.launch is not None:
        launches = (*launches, replace(answer.launch, number=number))
    return replace(row, status=answer.status, reason=answer.reason, launches=launches)


def _usable_processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
