"""Every problem: its loss vanishes at its solution and not beside it; its points are fixed."""

from functools import partial

import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.training.equations import registry
from spinn_edge.training.equations.demo import batches
from spinn_edge.training.pinn_step import by_forward_mode

PROBLEMS = [registry.find(name) for name in registry.NAMES]
SOLVED = [problem for problem in PROBLEMS if problem.exact is not None]


def sampled(problem, seed=0):
    return problem.sample(torch.Generator().manual_seed(seed))


def test_the_equations_of_the_issue_are_there():
    assert registry.NAMES == (
        "convection",
        "reaction",
        "reaction-diffusion",
        "allen-cahn",
        "helmholtz",
        "burgers",
        "demo",
    )
    assert [problem.name for problem in PROBLEMS] == list(registry.NAMES)


@pytest.mark.parametrize("problem", SOLVED, ids=lambda problem: problem.name)
def test_the_exact_solution_has_no_loss(problem):
    (points,) = sampled(problem)
    exact = problem.loss(partial(by_forward_mode, problem.exact), points)
    wrong = problem.loss(partial(by_forward_mode, lambda x: 1.1 * problem.exact(x)), points)
    assert exact < 1e-9
    assert wrong > 1e-3


@pytest.mark.parametrize("problem", PROBLEMS, ids=lambda problem: problem.name)
def test_a_seed_gives_the_same_points_and_another_seed_others(problem):
    first, same, other = sampled(problem), sampled(problem), sampled(problem, seed=1)
    for name, tensor in first[0].items():
        assert tensor.dtype == torch.float64
        assert torch.isfinite(tensor).all()
        assert torch.equal(tensor, same[0][name])
    assert any(not torch.equal(tensor, other[0][name]) for name, tensor in first[0].items())


@pytest.mark.parametrize("name", ["allen-cahn", "reaction-diffusion"])
def test_without_a_closed_form_none_is_claimed(name):
    assert registry.find(name).exact is None


def test_the_ends_of_a_periodic_problem_are_at_the_same_times():
    (points,) = sampled(registry.find("allen-cahn"))
    assert torch.equal(points["low"][:, 0], points["high"][:, 0])
    assert set(points["low"][:, 1].tolist()) == {-1.0}
    assert set(points["high"][:, 1].tolist()) == {1.0}


def test_allen_cahn_is_the_published_equation():
    """u = x^2 is no solution: its residual is known by hand."""
    problem = registry.find("allen-cahn")
    (points,) = sampled(problem)
    x = points["interior"][:, 1]
    residual = -1e-4 * 2 + 5 * (x**6 - x**2)
    at_start = x_start_error(points)
    ends = (2.0 + 2.0) ** 2  # u_x of x^2 at both ends
    loss = problem.loss(partial(by_forward_mode, lambda z: z[:, 1:] ** 2), points)
    assert loss.item() == pytest.approx(residual.square().mean().item() + at_start + ends)


def x_start_error(points):
    x = points["start"][:, 1:]
    return (x**2 - x**2 * torch.cos(torch.pi * x)).square().mean().item()


def test_reaction_and_diffusion_is_the_published_equation():
    """u = t, which is periodic and has no curvature."""
    problem = registry.find("reaction-diffusion")
    (points,) = sampled(problem)
    t = points["interior"][:, 0]
    residual = 1 - 5 * t * (1 - t)
    loss = problem.loss(partial(by_forward_mode, lambda z: z[:, :1] + 0 * z[:, 1:] ** 2), points)
    expected = residual.square().mean() + points["start_u"].square().mean()
    assert loss.item() == pytest.approx(expected.item())


def test_a_falling_slope_costs_in_the_demo():
    problem = registry.find("demo")
    points = {"features": torch.randn(6, 18), "targets": torch.zeros(6, 2)}

    def sloped(slope):
        return lambda x: slope * x[:, :2]

    for slope, cost in ((2.0, 0.0), (-2.0, 4.0)):
        loss = problem.loss(partial(by_forward_mode, sloped(slope)), points)
        data = (slope * points["features"][:, :2]).square().mean()
        assert loss.item() == pytest.approx(data.item() + cost, rel=1e-5)


def test_batches_are_whole_and_hold_each_row_once():
    rows = torch.arange(300.0)[:, None]
    found = batches(rows, rows, torch.Generator().manual_seed(0))
    assert [len(batch["features"]) for batch in found] == [128, 128]
    seen = torch.cat([batch["features"] for batch in found]).flatten().tolist()
    assert len(set(seen)) == 256
    assert seen != sorted(seen)


def test_fewer_rows_than_a_batch_are_one_batch():
    rows = torch.arange(10.0)[:, None]
    assert [len(b["targets"]) for b in batches(rows, rows, torch.Generator())] == [10]


def test_an_unknown_equation_lists_the_known_ones():
    with pytest.raises(UsageError, match="unknown equation 'heat'; known: convection, reaction"):
        registry.find("heat")
