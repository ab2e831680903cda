"""Residual and monotonicity terms: units, gradients, what they do to a network, bad functions."""

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.derivatives import parse_derivatives
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe, Scaling
from spinn_edge.core.slopes import parse_monotone
from spinn_edge.models.autograd import differentiate
from spinn_edge.models.modules import MLP
from spinn_edge.training.objectives import Batch, Data, WeightedSum
from spinn_edge.training.physics.collocation import Collocation
from spinn_edge.training.physics.lesson import recipe_names
from spinn_edge.training.physics.terms import Monotonicity, Residual
from spinn_edge.training.physics.units import Units
from spinn_edge.training.scaling import fold

NAMES = recipe_names(DataRecipe(features=("time", "speed"), targets=("wear", "heat")))
SCALING = Scaling(
    feature_mean=(50.0, -2.0),
    feature_std=(20.0, 0.5),
    target_mean=(0.2, 300.0),
    target_std=(0.05, 40.0),
)
BOX = np.array([[0.0, -3.0], [100.0, -1.0]])
ALL = parse_derivatives(("wear:time", "heat:speed", "wear:time:time", "heat:time:speed"), NAMES)


def network(seed: int = 0, *, double: bool = False) -> MLP:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        mlp = MLP((2, 12, 12, 2), "tanh")
    return mlp.double() if double else mlp


def points(count: int = 64, sampling: str = "uniform") -> Collocation:
    return Collocation(BOX, count=count, sampling=sampling, seed=0)


def at(model: nn.Module, dtype: torch.dtype = torch.float32) -> Batch:
    """A batch whose rows no physics term may look at."""
    nothing = torch.full((1, 2), torch.nan, dtype=dtype)
    return Batch(model=model, x=nothing, y=nothing, prediction=nothing)


def test_physical_units_are_those_of_the_folded_network() -> None:
    mlp, x = network(), points().points

    outputs, found = Units(scaling=SCALING).evaluate(mlp, x, ALL)

    folded = fold(mlp, SCALING)
    expected, slopes = differentiate(lambda x: {"output": folded(x)}, {"input": x}, ALL)
    torch.testing.assert_close(outputs, expected["output"], rtol=1e-5, atol=1e-4)
    assert set(found) == set(slopes)
    for request, values in slopes.items():
        scale = float(values.abs().max())
        torch.testing.assert_close(found[request], values, rtol=0, atol=2e-5 * scale)


def test_network_on_physical_units_is_taken_as_it_is() -> None:
    mlp, x = network(), points().points / 50

    outputs, found = Units().evaluate(mlp, x, ALL)

    expected, slopes = differentiate(lambda x: {"output": mlp(x)}, {"input": x}, ALL)
    torch.testing.assert_close(outputs, expected["output"])
    for request, values in slopes.items():
        torch.testing.assert_close(found[request], values, rtol=1e-4, atol=1e-5)


def decay(x, y, derivatives):
    return derivatives["wear:time"] * x[:, 1] - 3.0 * y[:, 0] ** 2 + derivatives["wear:time:time"]


def residual_of_decay(**options) -> Residual:
    wanted = parse_derivatives(("wear:time", "wear:time:time"), NAMES)
    return Residual(function=decay, derivatives=wanted, points=points(8), **options)


def test_residual_is_the_mean_square_of_what_is_left() -> None:
    mlp, term = network(), residual_of_decay(units=Units(scaling=SCALING))
    x = term.points.points
    folded = fold(mlp, SCALING)
    outputs, slopes = differentiate(lambda x: {"output": folded(x)}, {"input": x}, term.derivatives)

    left = decay(x, outputs["output"], slopes)

    assert term(at(mlp)).item() == pytest.approx(float(left.square().mean()), rel=1e-4)


def slopes_of(*requests: str, **options) -> Monotonicity:
    return Monotonicity(slopes=parse_monotone(requests, NAMES), points=points(8), **options)


@pytest.mark.parametrize(
    "term",
    [
        residual_of_decay(units=Units(scaling=SCALING)),
        slopes_of("wear:time:+", "heat:speed:-", units=Units(scaling=SCALING)),
        slopes_of("heat:time:-", margin=0.3),
    ],
)
def test_gradients_are_those_of_finite_differences(term) -> None:
    mlp = network(double=True)
    parameters = tuple(parameter.detach().clone() for parameter in mlp.parameters())
    shapes = [p.shape for p in parameters]

    class At(nn.Module):
        def __init__(self, values):
            super().__init__()
            self.values = values

        def forward(self, x):
            names = [name for name, _ in mlp.named_parameters()]
            return torch.func.functional_call(mlp, dict(zip(names, self.values, strict=True)), (x,))

    def value(flat):
        parts = flat.split([shape.numel() for shape in shapes])
        values = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        return term(at(At(values), torch.float64))

    flat = torch.cat([p.flatten() for p in parameters]).requires_grad_()
    assert value(flat) > 0
    torch.autograd.gradcheck(value, (flat,), fast_mode=True, atol=1e-5)


def test_monotone_counts_only_the_wrong_side_in_deviations() -> None:
    line = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        line.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, -3.0]]))

    assert slopes_of("wear:time:+")(at(line)).item() == 0
    assert slopes_of("wear:time:-")(at(line)).item() == pytest.approx(2.0)
    assert slopes_of("wear:time:-", "heat:speed:-")(at(line)).item() == pytest.approx(1.0)
    assert slopes_of("heat:speed:+", margin=0.5)(at(line)).item() == pytest.approx(3.5)
    inside = Units(scaling=SCALING)  # the network's own slope, whatever the units
    assert slopes_of("wear:time:-", units=inside)(at(line)).item() == pytest.approx(2.0)


def train(model: nn.Module, objective: WeightedSum, x, y, steps: int, rate: float = 1e-2) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=rate)
    for step in range(steps):
        objective.before_step(step % 10)
        optimizer.zero_grad()
        objective(model, x, y).backward()
        optimizer.step()


def test_monotone_term_removes_violations_that_the_data_teaches() -> None:
    """Rows at a few times with noise that falls where the truth rises."""
    time = torch.linspace(0, 1, 16)[:, None]
    wear = time + 0.4 * torch.sin(9 * time)
    names = recipe_names(DataRecipe(features=("time",), targets=("wear",)))
    term = Monotonicity(
        slopes=parse_monotone(("wear:time:+",), names),
        points=Collocation(time.numpy(), count=64, sampling="sobol", seed=0),
        weight=10.0,
        margin=0.05,
    )
    grid = torch.linspace(0, 1, 200)[:, None]
    shares = []
    for terms in ((Data(),), (Data(), term)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh())
            model.append(nn.Linear(24, 1))
        train(model, WeightedSum(terms), time, wear, 150, rate=2e-2)
        _, found = Units().evaluate(model, grid, parse_derivatives(("wear:time",), names))
        shares.append(float((found["wear:time"] < 0).float().mean()))

    assert shares[0] > 0.2
    assert shares[1] == 0


def test_residual_term_finds_a_decay_from_its_first_value_alone() -> None:
    """dy/dt = -2 y, y(0) = 1, t to 2: the data is one row."""
    names = recipe_names(DataRecipe(features=("t",), targets=("y",)))
    term = Residual(
        function=lambda x, y, derivatives: derivatives["y:t"] + 2.0 * y[:, 0],
        derivatives=parse_derivatives(("y:t",), names),
        points=Collocation(np.array([[0.0], [2.0]]), count=32, sampling="sobol", seed=0),
    )
    grid = torch.linspace(0, 2, 50)[:, None]
    errors = []
    for terms in ((Data(),), (Data(), term)):
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
        train(model, WeightedSum(terms), torch.zeros(1, 1), torch.ones(1, 1), 200, rate=2e-2)
        errors.append(float((model(grid) - torch.exp(-2 * grid)).detach().abs().max()))

    assert errors[1] < 0.03
    assert errors[1] < 0.1 * errors[0]


def asks(function, wanted=("wear:time",)):
    return Residual(
        function=function, derivatives=parse_derivatives(wanted, NAMES), points=points(8)
    )


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, y, d: d["heat:speed"], "asks for 'heat:speed', but these .* wear:time; add it"),
        (lambda x, y, d: 1 / 0, r"fails \(ZeroDivisionError\): division by zero"),
        (lambda x, y, d: np.exp(y[:, 0]), "which NumPy functions cannot take: use operators"),
        (lambda x, y, d: d["wear:time"].mean(), r"returned \[\] for 8 points, expected"),
        (lambda x, y, d: d["wear:time"][:3], r"returned \[3\] for 8 points, expected"),
        (lambda x, y, d: None, "returned NoneType for 8 points"),
        (lambda x, y, d: x[:, 0], "does not depend on the network"),
        (lambda x, y, d: y[:, 0].detach(), "neither detach"),
    ],
)
def test_function_that_is_no_residual_is_refused(function, message) -> None:
    with pytest.raises(UsageError, match=message):
        asks(function)(at(network()))


def test_residual_without_derivatives_says_what_to_name() -> None:
    with pytest.raises(UsageError, match=r"named: none; add it to --derivatives"):
        asks(lambda x, y, d: d["wear:time"], wanted=())(at(network()))


def test_equation_in_values_alone_needs_no_derivatives() -> None:
    found = asks(lambda x, y, d: y[:, 0] - 1.0, wanted=())(at(network()))

    assert found.requires_grad
