"""Results of bench-train made by hand."""

from spinn_edge.bench.training.job import StepRule, Subject
from spinn_edge.bench.training.result import (
    SCHEMA_VERSION,
    Proof,
    StepShares,
    TrainingLaunch,
    TrainingResult,
    TrainingRow,
)
from tests.unit.report.results import ENVIRONMENT

PROOF = Proof(
    loss_error=1e-7,
    gradient_error=2e-6,
    eager_loss_error=1e-8,
    eager_gradient_error=1e-6,
    tolerance=1e-4,
)
FACTS = {
    "network": "2-64-64-64-1 tanh",
    "problem": "u_t = u",
    "parameters": "8577",
    "rows_of_a_step": "interior 2000",
    "an_epoch": "1 step on all points",
    "optimiser": "Adam, fused, learning rate 0.0001",
}


def launch(step_s, *, seed=0, number=1, first_s=0.01, shares=None, per_epoch=1):
    return TrainingLaunch(
        seed=seed,
        number=number,
        first_gradient_s=first_s,
        samples_s=(step_s, step_s),
        sample_steps=(3, 2),
        steps_per_epoch=per_epoch,
        proof=PROOF,
        shares=shares,
        facts=FACTS,
    )


def row(name, way, seeds_steps_s, *, first_s=0.01, shares=None, per_epoch=1):
    """Make a row: for each seed the step of each launch, launches of one number side by side."""
    launches = [
        launch(
            steps_s[number],
            seed=seed,
            number=number + 1,
            first_s=first_s if (seed, number) == (0, 0) else first_s / 4,
            shares=shares if (seed, number) == (0, 0) else None,
            per_epoch=per_epoch,
        )
        for number in range(len(seeds_steps_s[0]))
        for seed, steps_s in enumerate(seeds_steps_s)
    ]
    return TrainingRow(subject=Subject(name=name), way=way, launches=tuple(launches))


def shares(products_s, optimiser_s=0.0005):
    return StepShares(products_s=products_s, products=60.0, optimiser_s=optimiser_s, steps=10)


def contest(*rows, seeds=2, launches=3):
    return TrainingResult(
        schema_version=SCHEMA_VERSION,
        created_utc="2025-01-01T00:00:00+00:00",
        environment=ENVIRONMENT,
        device="cpu",
        threads=2,
        seeds=seeds,
        launches=launches,
        rule=StepRule(),
        rows=rows,
    )


def two_equations():
    """Make Burgers, twice as fast compiled, and Allen–Cahn, 1.25 times and bound by products."""
    return contest(
        row("burgers", "autograd", [(0.020, 0.0202, 0.0198), (0.021, 0.0211, 0.0209)]),
        row("burgers", "compiled", [(0.010, 0.0101, 0.0099), (0.0105, 0.0105, 0.0104)], first_s=20),
        row("allen-cahn", "autograd", [(0.010, 0.010, 0.010)] * 2, shares=shares(0.006)),
        row(
            "allen-cahn",
            "compiled",
            [(0.008, 0.008, 0.008)] * 2,
            first_s=20,
            shares=shares(0.0065),
        ),
    )
