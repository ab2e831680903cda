"""Where equations are held."""

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.training.physics.collocation import (
    JITTER,
    POINTS_A_STEP,
    SAMPLINGS,
    Collocation,
)

WAYS = tuple(SAMPLINGS)
LOW, HIGH = np.array([-3.0, 100.0]), np.array([2.0, 1000.0])


@pytest.fixture
def rows() -> np.ndarray:
    """Rows of two columns between LOW and HIGH and a constant one."""
    box = np.random.default_rng(0).uniform(LOW, HIGH, (50, 2))
    box[0], box[1] = LOW, HIGH
    return np.column_stack([box, np.full(50, 0.1)])


def epoch(points: Collocation, steps: int = 1) -> torch.Tensor:
    found = []
    for step in range(steps):
        points.before_step(step)
        found.append(points.points)
    return torch.cat(found)


@pytest.mark.parametrize("way", WAYS)
def test_points_lie_in_the_box_and_a_constant_column_stays_constant(rows, way) -> None:
    found = epoch(Collocation(rows, count=100, sampling=way, seed=0)).numpy()

    assert found.shape == (100, 3)
    assert found.dtype == np.float32
    assert (found[:, :2] >= LOW.astype(np.float32)).all()
    assert (found[:, :2] <= HIGH.astype(np.float32)).all()
    assert (found[:, 2] == np.float32(0.1)).all()
    assert len(np.unique(found[:, 0])) > 80


@pytest.mark.parametrize("way", WAYS)
def test_each_epoch_has_new_points_and_a_seed_repeats_them(rows, way) -> None:
    one, same, other = (Collocation(rows, count=20, sampling=way, seed=seed) for seed in (3, 3, 4))
    first, second = epoch(one), epoch(one)

    assert not torch.equal(first, second)
    assert torch.equal(epoch(same), first)
    assert torch.equal(epoch(same), second)
    assert not torch.equal(epoch(other), first)


def test_global_generator_is_left_alone(rows) -> None:
    torch.manual_seed(7)
    before = torch.get_rng_state()
    for way in WAYS:
        epoch(Collocation(rows, count=20, sampling=way, seed=0))

    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("way", ["latin-hypercube", "sobol"])
def test_even_samplings_fill_every_interval_of_every_column(rows, way) -> None:
    found = epoch(Collocation(rows, count=64, sampling=way, seed=0)).numpy()[:, :2]

    cells = np.floor((found - LOW) / (HIGH - LOW) * 64 * (1 - 1e-6)).astype(int)
    assert [len(np.unique(column)) for column in cells.T] == [64, 64]


def test_rows_are_moved_a_little(rows) -> None:
    found = epoch(Collocation(rows, count=100, sampling="rows", seed=0)).double().numpy()
    deviation = rows.std(axis=0)

    apart = np.abs(found[:, None, :2] - rows[None, :, :2]) / deviation[:2]
    nearest = apart.max(axis=2).min(axis=1)
    assert 0 < np.median(nearest) < 2 * JITTER
    assert nearest.max() < 5 * JITTER


def test_steps_share_the_points_of_an_epoch_and_begin_again(rows) -> None:
    points = Collocation(rows, count=POINTS_A_STEP + 40, sampling="uniform", seed=0)

    first, second = epoch(points, steps=2).split(POINTS_A_STEP)

    assert len(first) == len(second) == POINTS_A_STEP
    assert torch.equal(second[40:], first[: POINTS_A_STEP - 40])
    assert not (second[:40, None] == first[None]).all(dim=2).any()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"count": 0}, "0 collocation points asked for; --collocation needs at least 1"),
        ({"sampling": "grid"}, "unknown sampling 'grid'; known: rows, uniform, latin-hypercube"),
        ({"features": np.empty((0, 3))}, "there are no rows whose bounds"),
    ],
)
def test_what_cannot_be_sampled_is_refused(rows, options, message) -> None:
    given = {"features": rows, "count": 10, "sampling": "rows", "seed": 0} | options
    with pytest.raises(UsageError, match=message):
        Collocation(given.pop("features"), **given)
