import numpy as np
import pytest
import torch
from torch import Tensor, nn

from spinn_edge.accuracy.divergence.layer_outputs import record_layers
from spinn_edge.core.errors import InferenceError

X = {"x": np.array([[-1.0, 2.0], [3.0, -4.0]], np.float32)}


class Pair(nn.Module):
    """A layer that puts out no single tensor."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, -x


class Split(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.pair = Pair()

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        left, right = self.pair(x)
        return {"a": left, "b": right}


@pytest.mark.parametrize("double", [True, False])
def test_a_layer_that_works_in_place_does_not_change_the_one_before(double: bool) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.ReLU(inplace=True), nn.Identity(), nn.Dropout())
    linear = network[0]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.copy_(torch.eye(2))
        linear.bias.zero_()
    found = record_layers(network.eval(), X, ("y",), double=double)
    assert [layer.layer for layer in found.layers] == ["0", "1"], "identity and dropout left out"
    before, after = (layer.values for layer in found.layers)
    np.testing.assert_array_equal(before, X["x"])
    np.testing.assert_array_equal(after, np.maximum(X["x"], 0))
    np.testing.assert_array_equal(found.outputs["y"], np.maximum(X["x"], 0))


def test_the_module_and_the_inputs_are_left_as_they_are() -> None:
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 1)).eval()
    given = {"x": X["x"].copy()}
    record_layers(network, given, ("y",), double=True)
    assert next(network.parameters()).dtype is torch.float32
    assert not network[0]._forward_hooks
    np.testing.assert_array_equal(given["x"], X["x"])


def test_a_layer_without_a_single_tensor_has_no_values_and_outputs_keep_their_order() -> None:
    found = record_layers(Split().eval(), X, ("a", "b"), double=True)
    assert [(layer.kind, layer.values) for layer in found.layers] == [("Pair", None)]
    np.testing.assert_array_equal(found.outputs["b"], -X["x"])


def test_a_forward_that_fails_is_told_with_its_precision() -> None:
    with pytest.raises(InferenceError, match="the eager form fails in float64"):
        record_layers(nn.Linear(3, 1).eval(), X, ("y",), double=True)
