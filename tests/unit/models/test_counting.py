import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.manifest import Architecture
from spinn_edge.models.counting import count_flops, count_parameters, flops_of
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP, linear_layers

TOKENS, SIZE, HEADS = 7, 16, 4
ATTENTION = 2 * 2 * TOKENS * TOKENS * SIZE
"""FLOPs of q k^T and of its product with v, whatever the number of heads."""


class Scaled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heads = x.reshape(1, TOKENS, HEADS, SIZE // HEADS).transpose(1, 2)
        return nn.functional.scaled_dot_product_attention(heads, heads, heads)


@pytest.fixture
def tokens():
    torch.manual_seed(0)
    return torch.randn(1, TOKENS, SIZE)


def test_flops_are_two_for_each_multiply_add_of_one_sample():
    inputs = {"x": np.zeros((50, 3), np.float32)}
    assert count_flops(MLP((3, 5, 2), "tanh"), inputs) == 2 * (3 * 5 + 5 * 2)
    assert count_flops(None, inputs) is None


@pytest.mark.parametrize("training", [True, False])
def test_encoder_layer_counts_the_same_in_evaluation_mode(tokens, training):
    layer = nn.TransformerEncoderLayer(SIZE, HEADS, 32, dropout=0.0, batch_first=True)

    flops = flops_of(layer.train(training), [tokens])

    assert flops == 2 * TOKENS * (4 * SIZE * SIZE + 2 * SIZE * 32) + ATTENTION


def test_fused_attention_counts_its_own_products(tokens):
    assert flops_of(Scaled(), [tokens]) == ATTENTION


def test_counting_leaves_the_fused_kernels_as_they_were(tokens):
    assert torch.backends.mha.get_fastpath_enabled()
    flops_of(nn.Linear(SIZE, 2), [tokens])
    assert torch.backends.mha.get_fastpath_enabled()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        flops_of(nn.Linear(SIZE + 1, 2), [tokens])
    assert torch.backends.mha.get_fastpath_enabled()


def test_parameters_and_those_that_are_not_zero():
    mlp = MLP((3, 5, 2), "tanh")
    with torch.no_grad():
        linear_layers(mlp)[0].weight[0] = 0
    loaded = LoadedModel(
        origin="test",
        architecture=Architecture(kind="mlp", widths=mlp.widths, activation="tanh"),
        module=mlp,
    )
    assert count_parameters(loaded) == (32, 29)
