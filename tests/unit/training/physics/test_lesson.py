"""From words to terms, and the reference recipe with physics."""

import numpy as np
import pytest
import torch

from spinn_edge.core.derivatives import parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.physics.lesson import PhysicsLesson, recipe_names
from spinn_edge.training.physics.units import Units
from spinn_edge.training.reference import Optimisation, TrainedModel, train_mlp

RECIPE = DataRecipe(features=("time", "speed"), targets=("wear", "heat"))
ROWS = np.array([[0.0, 10.0], [400.0, 90.0], [100.0, 20.0]])


def terms(lesson: PhysicsLesson):
    return lesson.terms(RECIPE, ROWS, Units(), seed=0)


def test_terms_are_those_that_were_asked_for() -> None:
    assert terms(PhysicsLesson()) == ()
    slopes, equation = ("wear:time:+",), PhysicsLesson(residual=max, weight=0.5)
    assert [(t.name, t.weight) for t in terms(PhysicsLesson(monotone=slopes, weight=2.0))] == [
        ("monotone", 2.0)
    ]
    both = PhysicsLesson(residual=max, derivatives=("heat:speed",), monotone=slopes)
    assert [term.name for term in terms(both)] == ["residual", "monotone"]
    assert [(term.name, term.weight) for term in terms(equation)] == [("residual", 0.5)]
    # the equation may ask for the slopes too
    asked = [one.request for one in terms(both)[0].derivatives]
    assert asked == ["heat:speed", "wear:time"]


def test_terms_hold_at_the_same_points_step_by_step() -> None:
    residual, monotone = terms(PhysicsLesson(residual=max, monotone=("wear:time:+",)))
    for step in (0, 1, 2, 0):
        for term in (residual, monotone):
            term.before_step(step)
        assert torch.equal(residual.points.points, monotone.points.points)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"monotone": ("wear:tmie:+",)}, "no input is called 'tmie'; known: time, speed"),
        ({"monotone": ("waer:time:+",)}, "no output is called 'waer'; known: wear, heat"),
        ({"monotone": ("wear:time",)}, "'wear:time' is no slope with a sign; expected"),
        ({"residual": max, "derivatives": ("wear:x",)}, "no input is called 'x'"),
        ({"monotone": ("wear:time:+",), "sampling": "grid"}, "unknown sampling 'grid'"),
        ({"monotone": ("wear:time:+",), "collocation": 0}, "0 collocation points asked for"),
    ],
)
def test_lesson_that_does_not_fit_the_columns_is_refused(options, message) -> None:
    with pytest.raises(UsageError, match=message):
        terms(PhysicsLesson(**options))


@pytest.mark.parametrize("weight", [float("nan"), -1.0, float("inf")])
def test_weight_that_cannot_be_meant_is_refused(weight: float) -> None:
    with pytest.raises(UsageError, match=f"the weight of 'physics' is {weight}"):
        PhysicsLesson(weight=weight)


def test_derivatives_without_an_equation_are_refused() -> None:
    with pytest.raises(UsageError, match="none is named; add --residual module:function"):
        PhysicsLesson(derivatives=("wear:time",), monotone=("wear:time:+",))


@pytest.fixture(scope="module")
def split() -> Split:
    """Wear that rises with time and falls again, as it never does: data against physics."""
    random = np.random.default_rng(0)

    def rows(count: int) -> Rows:
        x = random.uniform([0, 10], [400, 90], (count, 2))
        wear = 1e-5 * x[:, 0] * (500 - x[:, 0]) + 0.1
        return Rows(features=x, targets=np.stack([wear, 5 * x[:, 1]], axis=1))

    return Split(train=rows(300), held_out=rows(60), dropped=0, held_out_from="60 rows")


def train(split: Split, physics: PhysicsLesson | None, epochs: int = 30) -> TrainedModel:
    return train_mlp(
        split,
        RECIPE,
        hidden=(16, 16),
        activation="tanh",
        optimisation=Optimisation(epochs=epochs, learning_rate=2e-2),
        physics=physics,
    )


def falling(trained: TrainedModel) -> float:
    """Share of points at which wear falls with time, in physical units."""
    x = torch.cartesian_prod(torch.linspace(0, 400, 60), torch.linspace(10, 90, 5))
    wanted = parse_derivatives(("wear:time",), recipe_names(RECIPE))
    _, found = Units().evaluate(trained.module, x, wanted)
    return float((found["wear:time"] < -1e-5).float().mean())


def test_reference_recipe_learns_a_slope_beside_its_rows(split: Split) -> None:
    lesson = PhysicsLesson(monotone=("wear:time:+",), weight=3.0, sampling="uniform")

    without, taught = train(split, None), train(split, lesson)

    assert falling(without) > 0.1
    assert falling(taught) < 0.03
    assert list(taught.fit.history[-1].terms) == ["data", "monotone"]
    assert list(without.fit.history[-1].terms) == ["data"]


def test_residual_sees_physical_units_during_training(split: Split) -> None:
    seen = []

    def residual(x, y, derivatives):
        seen.append((x.detach(), y.detach(), derivatives["heat:speed"].detach()))
        return (derivatives["heat:speed"] - 5.0) / 5.0

    taught = train(split, PhysicsLesson(residual=residual, derivatives=("heat:speed",)))

    x, y, slope = seen[-1]
    assert float(x[:, 0].max()) > 300
    assert 300 < float(y[:, 1].max()) < 600
    assert float((slope - 5).abs().mean()) < 0.5
    assert taught.fit.history[-1].terms["residual"] < 1e-2


def test_physics_is_repeatable(split: Split) -> None:
    lesson = PhysicsLesson(monotone=("wear:time:+",), collocation=64)
    first, again = (train(split, lesson, epochs=3).module.state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
