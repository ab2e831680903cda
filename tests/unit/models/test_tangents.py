"""Slopes of activations against automatic differentiation in float64."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import functional

from spinn_edge.models.tangents import ACTIVATIONS, Jet, add, compose, concatenate, multiply

FUNCTIONS = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "cos": torch.cos,
    "sigmoid": torch.sigmoid,
    "silu": functional.silu,
    "gelu": functional.gelu,
    "gelu_tanh": lambda h: functional.gelu(h, approximate="tanh"),
    "softplus": functional.softplus,
    "relu": functional.relu,
}
# but the corners of relu and softplus, where PyTorch takes either side
points = st.lists(st.floats(-30, 30).filter(lambda h: h not in (0, 20)), min_size=1, max_size=20)


def slopes_by_autograd(function, values):
    h = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    y = function(h)
    (slope,) = torch.autograd.grad(y.sum(), h, create_graph=True)
    (bend,) = torch.autograd.grad(slope.sum() + 0 * h.sum(), h)
    return y.detach(), slope.detach(), bend


def test_every_activation_is_tested():
    assert set(FUNCTIONS) == set(ACTIVATIONS)


@pytest.mark.parametrize("name", FUNCTIONS)
@given(values=points)
def test_slopes_equal_autograd(name, values):
    rule = ACTIVATIONS[name]
    got = rule.slopes(torch.tensor(values, dtype=torch.float64), rule.orders)
    assert len(got) == rule.orders + 1
    for ours, theirs in zip(got, slopes_by_autograd(FUNCTIONS[name], values), strict=False):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("beta", "threshold"), [(1.0, 2.0), (3.0, 20.0), (0.5, 1.0)])
def test_softplus_goes_straight_where_pytorch_does(beta, threshold):
    values = [-4.0, 0.5, 1.9, 2.1, 6.0, 50.0]
    h = torch.tensor(values, dtype=torch.float64)
    got = ACTIVATIONS["softplus"].slopes(h, 2, beta=beta, threshold=threshold)
    expected = slopes_by_autograd(lambda x: functional.softplus(x, beta, threshold), values)
    for ours, theirs in zip(got, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_first_order_asks_for_no_more(name):
    assert len(ACTIVATIONS[name].slopes(torch.ones(3), 1)) == 2


def column(*values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def test_a_mixed_derivative_of_a_product():
    # u = x^2 y and v = x + y at (2, 3): (u v)_xy = 3 x^2 + 4 x y
    x, y = 2.0, 3.0
    u = Jet(
        value=column(x * x * y),
        first={0: column(2 * x * y), 1: column(x * x)},
        second={(0, 1): column(2 * x)},
    )
    v = Jet(value=column(x + y), first={0: column(1.0), 1: column(1.0)})
    assert multiply(u, v, [(0, 1)]).second[0, 1].item() == pytest.approx(3 * x * x + 4 * x * y)


def test_a_square_of_one_input_bends_by_two():
    x = Jet(value=column(5.0), first={0: column(1.0)})
    assert multiply(x, x, [(0, 0)]).second[0, 0].item() == 2.0


def test_what_is_zero_everywhere_is_not_stored():
    x = Jet(value=column(0.3), first={0: column(1.0)})
    assert compose(x, ACTIVATIONS["sin"].slopes(x.value, 2), [(0, 1), (1, 1)]).second == {}


def test_a_single_column_added_to_many_widens_its_derivative():
    x = Jet(value=column(1.0), first={0: column(1.0)})
    total = add(x, Jet(value=torch.zeros(1, 4, dtype=torch.float64)))
    assert total.first[0].shape == (1, 4)


def test_columns_side_by_side_fill_up_with_zeros():
    x = Jet(value=column(1.0, 2.0), first={0: column(1.0)})
    y = Jet(value=column(3.0, 4.0), first={1: column(1.0)})
    both = concatenate([x, y])
    assert both.first[0].tolist() == [[1.0, 0.0], [1.0, 0.0]]
    assert both.first[1].tolist() == [[0.0, 1.0], [0.0, 1.0]]
