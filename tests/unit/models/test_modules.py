import pytest
import torch
from torch import nn

from spinn_edge.core.errors import UsageError
from spinn_edge.models.modules import ACTIVATIONS, MLP, find_activation, linear_layers


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_mlp_is_linear_layers_with_the_activation_between_them(activation: str) -> None:
    mlp = MLP((3, 5, 4, 2), activation)
    x = torch.randn(7, 3)
    first, second, last = linear_layers(mlp)
    function = find_activation(activation)()

    expected = last(function(second(function(first(x)))))

    torch.testing.assert_close(mlp(x), expected)
    assert (mlp.widths, mlp.activation) == ((3, 5, 4, 2), activation)
    assert isinstance(mlp[-1], nn.Linear)


def test_sin_is_the_sine() -> None:
    x = torch.linspace(-9, 9, 50)

    torch.testing.assert_close(find_activation("sin")()(x), torch.sin(x))


@pytest.mark.parametrize("widths", [(), (3,), (3, 0, 2), (3, -1), (0, 2)])
def test_impossible_widths_are_refused(widths: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="two or more widths of at least 1, got") as caught:
        MLP(widths, "tanh")
    assert str(list(widths)) in str(caught.value)


def test_unknown_activation_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        UsageError, match="unknown activation 'swish'; known: tanh, relu, gelu, silu, sin"
    ):
        MLP((3, 2), "swish")
