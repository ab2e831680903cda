import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut, GroupPlan
from spinn_edge.models.cutting import cut
from spinn_edge.models.modules import MLP, linear_layers


def part(tensor: str, dim: int = 0, role: str = "channel", offset: int = 0, repeat: int = 1) -> Cut:
    return Cut(tensor=tensor, dim=dim, role=role, offset=offset, repeat=repeat)


def plan(channels: int, kept: list[int], *cuts: Cut) -> GroupPlan:
    return GroupPlan(name="a group", channels=channels, kept=tuple(kept), cuts=cuts)


def hidden(channels: int, kept: list[int], layer: str = "0", after: str = "2") -> GroupPlan:
    return plan(
        channels,
        kept,
        part(f"{layer}.weight", 0, "output"),
        part(f"{layer}.bias", 0, "output"),
        part(f"{after}.weight", 1, "input"),
    )


def seeded(make):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make()


def test_rows_and_columns_of_the_kept_neurons_stay_as_they_were():
    mlp = MLP((5, 8, 3), "tanh")

    small = cut(mlp, [hidden(8, [1, 6])])

    (first, last), (was_first, was_last) = linear_layers(small), linear_layers(mlp)
    torch.testing.assert_close(first.weight, was_first.weight[[1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(first.bias, was_first.bias[[1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(last.weight, was_last.weight[:, [1, 6]], rtol=0, atol=0)
    torch.testing.assert_close(last.bias, was_last.bias, rtol=0, atol=0)
    assert (first.out_features, last.in_features) == (2, 2)
    assert small.widths == (5, 2, 3)


def test_given_network_is_not_changed():
    mlp = MLP((5, 8, 3), "tanh")
    before = copy.deepcopy(mlp.state_dict())

    small = cut(mlp, [hidden(8, [0])])
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.zero_()

    assert mlp.widths == (5, 8, 3)
    for name, tensor in mlp.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_small_parameters_own_their_memory_and_can_be_trained():
    mlp = MLP((5, 8, 3), "tanh")
    linear_layers(mlp)[0].bias.requires_grad_(False)

    small = cut(mlp, [hidden(8, [0, 1])])
    small(torch.randn(4, 5)).sum().backward()

    first, last = linear_layers(small)
    assert first.bias.grad is None
    assert not first.bias.requires_grad
    for parameter in (first.weight, last.weight, last.bias):
        assert parameter.grad is not None
        assert parameter.untyped_storage().nbytes() == 4 * parameter.numel()


def test_a_plan_gives_the_same_bits_each_time_it_is_replayed():
    network = seeded(lambda: nn.Sequential(nn.MultiheadAttention(8, 2), nn.LayerNorm(8)))
    plans = [attention(8, [0, 2, 5, 7], "0."), plan(8, [0, 2, 5, 7], part("1.weight"))]

    once, again = cut(network, plans).state_dict(), cut(network, plans).state_dict()

    assert once.keys() == again.keys()
    assert all(torch.equal(once[name], again[name]) for name in once)


def test_everything_kept_changes_nothing():
    mlp = MLP((5, 8, 3), "tanh")

    same = cut(mlp, [hidden(8, list(range(8)))])

    assert all(map(torch.equal, same.state_dict().values(), mlp.state_dict().values()))


def test_offset_and_repeat_say_where_a_channel_lies():
    layer = nn.Linear(10, 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.arange(10.0)[None])
    first = plan(2, [1], part("weight", 1, "input", offset=0, repeat=3))
    last = plan(2, [0], part("weight", 1, "input", offset=8))

    small = cut(layer, [first, last])

    assert small.weight.tolist() == [[3, 4, 5, 6, 7, 8]]
    assert small.in_features == 6


def test_tied_weights_are_cut_once_and_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(7, 6), nn.Linear(6, 7, bias=False)
            self.head.weight = self.embed.weight

    tied = Tied()
    both = plan(6, [0, 4], part("embed.weight", 1, "output"), part("head.weight", 1, "input"))

    small = cut(tied, [both])

    assert small.head.weight is small.embed.weight
    assert small.head.weight.shape == (7, 2)
    assert (small.head.in_features, small.embed.embedding_dim) == (2, 2)


def test_a_buffer_stays_a_buffer_and_a_plain_tensor_a_plain_tensor():
    class Scaled(nn.Module):
        scale: torch.Tensor

        def __init__(self):
            super().__init__()
            self.register_buffer("scale", torch.arange(5.0), persistent=False)
            self.shift = torch.arange(5.0)

    small = cut(Scaled(), [plan(5, [1, 3], part("scale"), part("shift"))])

    assert small.scale.tolist() == small.shift.tolist() == [1, 3]
    assert dict(small.named_buffers()).keys() == {"scale"}
    assert not small.state_dict()


@pytest.mark.parametrize(
    ("layer", "tensors", "shape", "sizes"),
    [
        (nn.BatchNorm1d(6), ["weight", "bias", "running_mean", "running_var"], (4, 6), {}),
        (nn.BatchNorm1d(6, affine=False), ["running_mean", "running_var"], (4, 6), {}),
        (nn.InstanceNorm1d(6, affine=True), ["weight", "bias"], (4, 6, 9), {}),
        (nn.InstanceNorm1d(6), ["num_features"], (4, 6, 9), {"num_features": 4}),
        (nn.LayerNorm(6), ["weight", "bias"], (4, 6), {"normalized_shape": (4,)}),
        (nn.LayerNorm(6, bias=False), ["weight"], (4, 6), {"normalized_shape": (4,)}),
        (
            nn.LayerNorm(6, elementwise_affine=False),
            ["normalized_shape"],
            (4, 6),
            {"normalized_shape": (4,)},
        ),
        (nn.RMSNorm(6), ["weight"], (4, 6), {"normalized_shape": (4,)}),
        (nn.GroupNorm(2, 6), ["weight", "bias"], (4, 6), {"num_channels": 4}),
        (nn.GroupNorm(2, 6, affine=False), ["num_channels"], (4, 6), {"num_channels": 4}),
        (nn.PReLU(6), ["weight"], (4, 6), {"num_parameters": 4}),
        (nn.Conv2d(6, 6, 3, padding=1, groups=6), ["weight", "bias"], (4, 6, 5, 5), {"groups": 4}),
    ],
)
def test_a_layer_that_works_on_each_channel_does_so_on_those_that_stay(
    layer, tensors, shape, sizes
):
    x = torch.randn(shape)
    kept = [0, 2, 3, 5]

    small = cut(layer.eval(), [plan(6, kept, *(part(tensor) for tensor in tensors))])

    assert small(x[:, kept]).shape == x[:, kept].shape
    for name, size in sizes.items():
        assert getattr(small, name) == size


@pytest.mark.parametrize(
    ("layer", "cuts", "kept", "made", "sizes"),
    [
        (nn.Conv1d(3, 6, 3), [("weight", 0), ("bias", 0)], "out", (0,), (3, 4, 1)),
        (nn.Conv2d(6, 5, 3, bias=False), [("weight", 1)], "in", (1,), (4, 5, 1)),
        (nn.ConvTranspose2d(3, 6, 3), [("weight", 1), ("bias", 0)], "out", (1,), (3, 4, 1)),
        (nn.ConvTranspose2d(6, 3, 3), [("weight", 0)], "in", (0,), (4, 3, 1)),
        (nn.Conv2d(4, 6, 3, groups=2), [("weight", 0), ("bias", 0)], "out", (0,), (4, 4, 2)),
    ],
)
def test_a_convolution_says_how_many_channels_it_has(layer, cuts, kept, made, sizes):
    small = cut(layer, [plan(6, [0, 2, 3, 5], *(part(name, dim, "output") for name, dim in cuts))])

    assert (small.in_channels, small.out_channels, small.groups) == sizes
    x = torch.randn(2, sizes[0], *[5] * (layer.weight.ndim - 2))
    assert small(x).shape[1] == sizes[1]


def test_a_bilinear_layer_says_its_sizes():
    layer = nn.Bilinear(3, 5, 6)

    small = cut(layer, [plan(6, [1, 2], part("weight", 0, "output"), part("bias", 0, "output"))])

    assert small(torch.randn(4, 3), torch.randn(4, 5)).shape == (4, 2)
    assert (small.in1_features, small.in2_features, small.out_features) == (3, 5, 2)


def attention(size: int, kept: list[int], path: str = "") -> GroupPlan:
    return plan(
        size,
        kept,
        *(part(f"{path}in_proj_weight", 0, "output", tile * size) for tile in range(3)),
        part(f"{path}in_proj_weight", 1, "input"),
        *(part(f"{path}in_proj_bias", 0, "output", tile * size) for tile in range(3)),
        part(f"{path}out_proj.weight", 0, "output"),
        part(f"{path}out_proj.weight", 1, "input"),
        part(f"{path}out_proj.bias", 0, "output"),
    )


@pytest.mark.parametrize("bias", [True, False])
def test_attention_weighs_tokens_as_before_where_what_went_was_silent(bias):
    kept = [0, 2, 5, 7]
    layer = seeded(lambda: nn.MultiheadAttention(8, 2, bias=bias, batch_first=True)).eval()
    gone = [c for c in range(8) if c not in kept]
    with torch.no_grad():  # queries and keys of what goes are 0, so the logits lose nothing
        for tile in range(2):
            layer.in_proj_weight[[c + tile * 8 for c in gone]] = 0
            if bias:
                layer.in_proj_bias[: 2 * 8] = 0
        layer.in_proj_weight[:, gone] = 0
    x = torch.randn(3, 5, 8)
    whole = attention(8, kept)
    cuts = whole.cuts if bias else [c for c in whole.cuts if "bias" not in c.tensor]

    small = cut(layer, [plan(8, kept, *cuts)])

    _, weights = small(x[..., kept], x[..., kept], x[..., kept])
    _, expected = layer(x, x, x)
    torch.testing.assert_close(weights, expected)
    assert (small.embed_dim, small.head_dim, small.kdim, small.vdim) == (4, 2, 4, 4)


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (hidden(8, [0], after="9"), "the plan cuts '9.weight', which the network does not have"),
        (hidden(9, [0]), "cuts position 8 of '0.weight', whose dimension 0 has 8; give the"),
        (hidden(8, []), "keeps 0 of 8 channels, expected indices from 0 to 7, at least one"),
        (hidden(8, [8]), "keeps 1 of 8 channels, expected indices from 0 to 7"),
        (plan(8, [1], part("0.weight", 2)), "whose dimension 2 has 0"),
        (plan(8, [1], part("0.in_features")), "'0.in_features', which is no tensor"),
        (plan(2, [1], part("2.bias")), "which is None in this network"),
    ],
)
def test_a_plan_of_another_network_is_refused(broken, message):
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2, bias=False))

    with pytest.raises(PruningError) as caught:
        cut(network, [broken])

    assert message in str(caught.value)


def test_plans_that_leave_nothing_of_a_tensor_are_refused():
    together = [plan(3, [0], part("weight")), plan(3, [2], part("weight"))]

    with pytest.raises(PruningError, match="nothing of 'weight' would stay"):
        cut(nn.Linear(3, 3, bias=False), together)


def test_a_network_that_cannot_be_copied_is_one_clear_error():
    network = nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 2))
    prune.l1_unstructured(network[0], "weight", 0.5)
    network(torch.zeros(1, 5))

    with pytest.raises(PruningError, match=r"cannot be copied .*torch\.nn\.utils\.prune\.remove"):
        cut(network, [hidden(8, [0])])
