"""The process that takes training steps: a job on standard input, its answer on standard output."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import dataclass, replace

from spinn_edge.bench.machine.memory_limits import limit_memory
from spinn_edge.bench.training.job import TrainingJob
from spinn_edge.bench.training.result import Proof, TrainingLaunch
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import SpinnEdgeError, first_line

LEARNING_RATE = 1e-4
"""Of fine-tuning; the time of a step does not depend on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of a job.

    Attributes:
        status: as :attr:`spinn_edge.bench.training.result.TrainingRow.status`.
        reason: why nothing was timed.
        launch: what was measured; without samples where nothing was timed.
    """

    status: str
    reason: str = ""
    launch: TrainingLaunch | None = None


def serve(job: TrainingJob) -> Answer:
    """Build, prove, time and profile one way to train; every failure becomes an answer."""
    try:
        return _serve(job)
    except SpinnEdgeError as exc:
        return Answer(status="failed", reason=str(exc))
    except Exception as exc:  # torch wraps kernel, compiler and user errors in many types
        return Answer(status="failed", reason=f"{type(exc).__name__}: {first_line(exc)}")


def _serve(job: TrainingJob) -> Answer:
    import torch

    from spinn_edge.bench.training.proof import prove
    from spinn_edge.bench.training.shares import find_shares, synchroniser
    from spinn_edge.bench.training.step_timing import time_steps
    from spinn_edge.bench.training.tasks import make_task
    from spinn_edge.training.pinn_step import gradient_of, step_of

    torch.set_num_threads(job.threads)
    task = make_task(job.subject, job.seed)
    network = task.network.to(job.device)
    batches = [{name: x.to(job.device) for name, x in batch.items()} for batch in task.batches]
    synchronise = synchroniser(job.device)
    gradient = gradient_of(network, task.loss, job.way)
    first_s: list[float] = []

    def timed_gradient(points: dict[str, torch.Tensor]) -> torch.Tensor:
        synchronise()
        start_s = time.perf_counter()
        value = gradient(points)
        synchronise()
        first_s.append(time.perf_counter() - start_s)
        return value

    proof = prove(network, task.loss, timed_gradient, batches[0])  # type: ignore[arg-type]
    # fused: the fastest there is, for all ways alike
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE, fused=True)
    launch = TrainingLaunch(
        seed=job.seed,
        number=0,
        first_gradient_s=first_s[0],
        samples_s=(),
        sample_steps=(),
        steps_per_epoch=len(batches),
        proof=proof,
        facts=task.facts
        | {
            "optimiser": f"Adam, fused, learning rate {LEARNING_RATE:g}",
            "float32_products": torch.get_float32_matmul_precision(),
            "threads": str(torch.get_num_threads()),
        },
    )
    if not proof.passed:
        return Answer(status="unequal", reason=_why_unequal(proof), launch=launch)
    step = step_of(gradient, optimizer)

    def take(number: int) -> None:
        step(batches[number % len(batches)])

    times = time_steps(take, job.rule, synchronise=synchronise, clock=time.perf_counter)
    launch = replace(launch, samples_s=times.samples_s, sample_steps=times.sample_steps)
    if job.profile:
        shares = find_shares(take, device=job.device, synchronise=synchronise)
        launch = replace(launch, shares=shares)
    return Answer(status="ok", launch=launch)


def _why_unequal(proof: Proof) -> str:
    return (
        f"not the loss and gradients of eager autograd in float64, so it was not timed: they are "
        f"{proof.loss_error:.1e} and {proof.gradient_error:.1e} off, allowed is "
        f"{proof.tolerance:.0e} (eager float32: {proof.eager_loss_error:.1e} and "
        f"{proof.eager_gradient_error:.1e})"
    )


def main() -> None:
    """Serve one job."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what libraries print must not stand among the results
    job = decode(TrainingJob, json.loads(sys.stdin.readline()), where="job")
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = job.cache  # read when torch is imported
    limit_memory()
    print(json.dumps(encode(serve(job))), file=results, flush=True)
    results.close()
    sys.stderr.flush()
    os._exit(0)  # all is said and closed; taking torch's modules apart would take half a second


if __name__ == "__main__":
    main()
