"""Physics of two networks in memory, with faults planted in the second."""

import copy
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.accuracy.physics.module_check import make_module_check
from spinn_edge.accuracy.physics.questions import PhysicsLimits, PhysicsQuestions
from spinn_edge.core.derivatives import channel_names
from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.training.physics.lesson import recipe_names

NAMES = recipe_names(DataRecipe(features=("time", "speed"), targets=("wear", "heat")))
ROWS = np.random.default_rng(0).uniform([0, 1], [10, 5], (64, 2))


class Law(nn.Module):
    """wear = a time + b time², heat = c speed."""

    def __init__(self, a: float = 0.5, b: float = 0.0, c: float = 3.0) -> None:
        super().__init__()
        self.a, self.b, self.c = (nn.Parameter(torch.tensor(value)) for value in (a, b, c))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time, speed = x[:, 0], x[:, 1]
        return torch.stack([self.a * time + self.b * time**2, self.c * speed], dim=1)


def linear_wear(x, y, derivatives):
    return derivatives["wear:time"] - 0.4


def ask(**options) -> PhysicsQuestions:
    return PhysicsQuestions(
        residual=linear_wear, residual_name="linear_wear", monotone=("wear:time:+",), **options
    )


def test_same_network_passes_with_the_same_residual():
    found = make_module_check(ask(), NAMES, ROWS)(Law(), Law())

    assert found.passed
    assert found.points == 64
    assert found.residual is not None
    assert found.residual.before == pytest.approx(0.1, rel=1e-6)
    assert found.residual.after == found.residual.before
    assert found.residual.limit == pytest.approx(0.15)
    assert [check.violations for check in found.monotone] == [0.0]
    assert found.words == (
        "linear_wear: root mean square 0.1, before 0.1, allowed 0.15: passed; "
        "wear:time:+: wrong sign at 0.00% of the samples, before 0.00%, allowed 0.00%: passed"
    )


def test_residual_that_grows_beyond_the_limit_fails():
    check = make_module_check(ask(), NAMES, ROWS)

    assert check(Law(), Law(a=0.549)).passed
    found = check(Law(), Law(a=0.56))

    assert not found.passed
    assert found.residual is not None
    assert found.residual.after == pytest.approx(0.16, rel=1e-6)
    assert "0.16 is 1.6 times 0.1, allowed 1.5" in str(found.residual.reason)
    assert "allowed 0.15: FAILED" in found.words
    assert found.monotone[0].passed


def test_slope_that_turns_over_fails_and_is_counted():
    questions = ask(limits=PhysicsLimits(growth=100.0))
    found = make_module_check(questions, NAMES, ROWS)(Law(), Law(a=0.5, b=-0.05))

    falls = float((ROWS[:, 0] > 5).mean())
    assert not found.passed
    assert found.monotone[0].violations == pytest.approx(falls, abs=0.02)
    assert found.monotone[0].before == 0
    assert "the slope has the wrong sign at" in str(found.monotone[0].reason)


def test_violations_of_the_network_before_are_allowed_and_a_limit_replaces_them():
    bad = Law(a=0.5, b=-0.05)

    def passed(**limits):
        questions = ask(limits=PhysicsLimits(growth=100.0, **limits))
        return make_module_check(questions, NAMES, ROWS)(bad, bad).passed

    assert passed()
    assert not passed(violations=0.0)
    assert passed(violations=0.9)


def test_nan_fails():
    found = make_module_check(ask(), NAMES, ROWS)(Law(), Law(a=float("nan")))

    assert not found.passed
    assert found.residual is not None
    assert found.residual.after is None
    assert "root mean square NaN or Inf, before 0.1" in found.words
    assert not found.monotone[0].passed


def test_networks_keep_their_type_mode_and_weights():
    before, after = Law().train(), Law().train()
    states = [copy.deepcopy(one.state_dict()) for one in (before, after)]

    make_module_check(ask(), NAMES, ROWS)(before, after)

    for network, state in zip((before, after), states, strict=True):
        assert network.training
        assert network.a.dtype == torch.float32
        assert network.a.requires_grad
        assert all(
            torch.equal(tensor, state[name]) for name, tensor in network.state_dict().items()
        )


def test_first_points_are_looked_at_and_the_result_is_frozen():
    found = make_module_check(ask(points=5), NAMES, ROWS)(Law(), Law())

    assert found.points == 5
    with pytest.raises(FrozenInstanceError):
        found.points = 6  # type: ignore[misc]


def test_derivatives_of_the_equation_can_be_named_beside_the_slopes():
    questions = PhysicsQuestions(
        residual=lambda x, y, d: d["heat:speed"] - 2 * d["wear:time:time"],
        residual_name="mixed",
        derivatives=("heat:speed", "wear:time:time"),
    )
    found = make_module_check(questions, NAMES, ROWS)(Law(), Law(b=0.5))

    assert found.residual is not None
    assert found.residual.before == pytest.approx(3.0)
    assert found.residual.after == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("questions", "rows", "message"),
    [
        (PhysicsQuestions(), ROWS, "no physics is asked for: name an equation with --residual"),
        (PhysicsQuestions(derivatives=("wear:time",)), ROWS, "no physics is asked for"),
        (PhysicsQuestions(monotone=("wear:tmie:+",)), ROWS, "no input is called 'tmie'"),
        (ask(), ROWS[:0], "there are no samples to check physics at"),
        (ask(points=0), ROWS, "there are no samples to check physics at"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_training(questions, rows, message):
    with pytest.raises(UsageError, match=message):
        make_module_check(questions, NAMES, rows)


def test_function_that_is_nan_for_the_network_before_is_refused():
    check = make_module_check(ask(), NAMES, ROWS)
    with pytest.raises(UsageError, match="linear_wear gives NaN or Inf for the network before"):
        check(Law(a=float("nan")), Law())


def test_networks_of_several_inputs_are_sent_to_bundles():
    specs = [TensorSpec(name, (None, 1), np.dtype(np.float32)) for name in ("x", "t")]
    names = channel_names(specs, specs[:1])
    with pytest.raises(UsageError, match=r"have 2 inputs \(t, x\).*use spinn-edge physics"):
        make_module_check(PhysicsQuestions(monotone=("x.0:t.0:+",)), names, ROWS)
