import copy
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from spinn_edge.core.errors import PruningError
from spinn_edge.core.pruning_record import Cut, GroupPlan
from spinn_edge.models.cutting import cut
from spinn_edge.models.modules import MLP
from spinn_edge.pruning.graph.chain import chain_groups
from spinn_edge.pruning.graph.exactness import EXACTNESS, masked_twin, probes, prove_exact
from spinn_edge.pruning.graph.kept_norms import KeptNorm


def plans_of(network, *kept):
    return [g.plan(rows) for g, rows in zip(chain_groups(network).groups, kept, strict=True)]


def part(tensor: str, dim: int, role: str) -> Cut:
    return Cut(tensor=tensor, dim=dim, role=role)


def channels(count, kept, *tensors):
    """Plan channels that '0' makes, '2' takes and other tensors scale."""
    cuts = (
        part("0.weight", 0, "output"),
        part("0.bias", 0, "output"),
        part("2.weight", 1, "input"),
        *(part(tensor, 0, "channel") for tensor in tensors),
    )
    return [GroupPlan(name="0", channels=count, kept=tuple(kept), cuts=cuts)]


def prove(network, plans, *example):
    return prove_exact(network, cut(network, plans), plans, example)


# The masked twin


def test_removed_channels_are_made_of_zeros_and_read_by_nobody():
    mlp = MLP((5, 8, 3), "tanh")

    twin, was = masked_twin(mlp, plans_of(mlp, [1, 6])).state_dict(), mlp.state_dict()

    gone, kept = [0, 2, 3, 4, 5, 7], [1, 6]
    assert not twin["0.weight"][gone].any()
    assert not twin["0.bias"][gone].any()
    assert not twin["2.weight"][:, gone].any()
    assert torch.equal(twin["0.weight"][kept], was["0.weight"][kept])
    assert torch.equal(twin["2.weight"][:, kept], was["2.weight"][:, kept])
    assert was["0.weight"].all()  # the given network is not changed


@pytest.mark.parametrize(
    ("norm", "by_hand"),
    [
        (nn.LayerNorm(6), lambda y: (y - y.mean(1, True)) / (y.var(1, False, True) + 1e-5).sqrt()),
        (nn.RMSNorm(6, eps=1e-5), lambda y: y / (y.pow(2).mean(1, True) + 1e-5).sqrt()),
        (
            nn.GroupNorm(1, 6),
            lambda y: (y - y.mean(1, True)) / (y.var(1, False, True) + 1e-5).sqrt(),
        ),
    ],
)
def test_statistics_of_a_norm_run_over_the_channels_that_stay(norm, by_hand):
    network = nn.Sequential(nn.Linear(4, 6), norm, nn.Linear(6, 2)).double()
    kept = [0, 2, 5]
    tensors = [f"1.{name}" for name, _ in norm.named_parameters()]
    with torch.no_grad():
        for tensor in norm.parameters():
            tensor.uniform_(0.5, 1.5)
    x = torch.randn(9, 4, dtype=torch.float64)

    got = masked_twin(network, channels(6, kept, *tensors))(x)

    y = by_hand(network[0](x)[:, kept]) * norm.weight[kept]
    y = y + norm.bias[kept] if getattr(norm, "bias", None) is not None else y
    weight, bias = network.state_dict()["2.weight"], network.state_dict()["2.bias"]
    torch.testing.assert_close(got, y @ weight[:, kept].T + bias)


@pytest.mark.parametrize(
    "norm",
    [
        nn.LayerNorm(6, elementwise_affine=False),
        nn.RMSNorm(6, elementwise_affine=False),
        nn.GroupNorm(2, 6, affine=False),
        nn.GroupNorm(2, 6),
        nn.LayerNorm(6, bias=False),
    ],
)
def test_norms_with_and_without_weights_are_proven(norm):
    network = nn.Sequential(nn.Linear(4, 6), norm, nn.Linear(6, 2))
    without = "1.num_channels" if isinstance(norm, nn.GroupNorm) else "1.normalized_shape"
    tensors = [f"1.{name}" for name, _ in norm.named_parameters()] or [without]

    assert prove(network, channels(6, [0, 2, 3, 5], *tensors), torch.zeros(2, 4)) <= EXACTNESS


def test_one_norm_under_two_names_is_silent_under_both():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.make, self.norm, self.take = nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 2)
            self.again = self.norm

        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(self.take(self.again(torch.tanh(self.make(x)))))

    cuts = (
        part("make.weight", 0, "output"),
        part("make.bias", 0, "output"),
        part("norm.weight", 0, "channel"),
        part("norm.bias", 0, "channel"),
        part("take.weight", 1, "input"),
    )
    plans = [GroupPlan(name="make", channels=6, kept=(1, 4, 5), cuts=cuts)]

    assert prove(Shared(), plans, torch.zeros(2, 4)) <= EXACTNESS


# The proof


def test_proof_leaves_mode_type_weights_and_random_numbers_alone():
    mlp = MLP((5, 8, 3), "tanh").train()
    plans = plans_of(mlp, [0, 1])
    small = cut(mlp, plans).train()
    before = copy.deepcopy(small.state_dict())
    state = torch.random.get_rng_state()

    prove_exact(mlp, small, plans, (torch.zeros(2, 5),))

    assert torch.equal(torch.random.get_rng_state(), state)
    assert mlp.training
    assert small.training
    assert {p.dtype for m in (mlp, small) for p in m.parameters()} == {torch.float32}
    assert all(map(torch.equal, small.state_dict().values(), before.values()))
    assert all(p.grad is None for m in (mlp, small) for p in m.parameters())


def test_proof_allows_a_forward_that_casts_to_float32():
    class Casting(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(super().forward(x.float()))

    network = Casting(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))

    assert prove(network, plans_of(network, [0, 1]), torch.zeros(2, 5)) <= 1e-6


def test_proof_allows_a_forward_that_takes_one_batch_size():
    class Pair(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(super().forward(x.reshape(2, 5)))

    network = Pair(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))

    assert prove(network, plans_of(network, [0, 1]), torch.zeros(2, 5)) <= EXACTNESS


def test_proof_allows_a_forward_that_differentiates_itself():
    class Slope(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            x = x.detach().requires_grad_()
            (slope,) = torch.autograd.grad(super().forward(x).sum(), x, create_graph=True)
            return torch.as_tensor(slope)

    network = Slope(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))

    assert prove(network, plans_of(network, [0, 1]), torch.zeros(2, 5)) <= EXACTNESS


def test_proof_draws_inputs_from_the_range_of_the_example():
    class Logarithm(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            return torch.as_tensor(super().forward(torch.log(x)))

    network = Logarithm(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1))

    assert prove(network, plans_of(network, [0, 1]), torch.rand(2, 5) + 0.1) <= EXACTNESS


def test_probes_are_like_the_example():
    example = (
        torch.tensor([[3, 9]]),
        torch.tensor([True]),
        torch.tensor([[0.5, 2.0, 1.0]]),
        torch.zeros(1, 4),
        torch.zeros(1, 2, dtype=torch.complex64),
    )

    drawn = probes(example, torch.device("cpu"), torch.float64, 200)

    assert [t.shape for t in drawn] == [(200, 2), (200,), (200, 3), (200, 4), (200, 2)]
    assert [t.dtype for t in drawn] == [
        torch.int64,
        torch.bool,
        torch.float64,
        torch.float64,
        torch.complex128,
    ]
    assert set(drawn[0].unique().tolist()) == set(range(3, 10))
    assert len(drawn[1].unique()) == 2
    assert 0.5 <= float(drawn[2].min()) < 0.6 < 1.9 < float(drawn[2].max()) <= 2
    assert float(drawn[3].std()) > 0.5  # zeros say nothing of a range
    assert all(map(torch.equal, drawn, probes(example, torch.device("cpu"), torch.float64, 200)))


def test_every_output_of_a_dict_is_compared():
    class Two(nn.Module):
        def __init__(self, spoiled: bool) -> None:
            super().__init__()
            self.make, self.large, self.tiny = nn.Linear(5, 8), nn.Linear(8, 2), nn.Linear(8, 2)
            self.spoiled = spoiled

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            y = torch.tanh(self.make(x))
            tiny = torch.softmax(y, 1).amax(1) if self.spoiled else self.tiny(y)
            return {"large": 1e9 * self.large(y), "tiny": tiny}

    cuts = (
        part("make.weight", 0, "output"),
        part("make.bias", 0, "output"),
        part("large.weight", 1, "input"),
        part("tiny.weight", 1, "input"),
    )
    plans = [GroupPlan(name="make", channels=8, kept=(1, 4), cuts=cuts)]

    assert prove(Two(spoiled=False), plans, torch.zeros(2, 5)) <= EXACTNESS
    with pytest.raises(PruningError, match="differs from the masked one"):
        prove(Two(spoiled=True), plans, torch.zeros(2, 5))


def test_outputs_of_a_dataclass_are_compared():
    @dataclass
    class Answer:
        mean: Tensor
        name: str

    class Named(nn.Sequential):
        def forward(self, x: Tensor) -> Answer:
            return Answer(super().forward(x), "wear")

    network = Named(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))
    plans = plans_of(network, [0, 1])

    assert prove(network, plans, torch.zeros(2, 5)) <= EXACTNESS
    with pytest.raises(PruningError, match="differs from the masked one"):
        prove_exact(network, cut(network, plans_of(network, [0, 2])), plans, (torch.zeros(2, 5),))


def test_a_norm_that_is_the_whole_network_has_a_twin():
    plans = [GroupPlan(name="", channels=3, kept=(0, 2), cuts=(part("weight", 0, "channel"),))]
    norm = nn.RMSNorm(3, eps=0.0)

    got = masked_twin(norm, plans)(torch.tensor([[3.0, 9.0, 4.0]]))

    torch.testing.assert_close(got, torch.tensor([[3.0, 0.0, 4.0]]) / 12.5**0.5)


def test_a_layer_without_statistics_over_channels_has_no_stand_in():
    with pytest.raises(TypeError, match="BatchNorm1d has no statistics over channels"):
        KeptNorm(nn.BatchNorm1d(3), [0])


# What is refused


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.a(x)) + x
        return torch.as_tensor(self.c(torch.tanh(self.b(x)) + x))


class NormAcross(nn.Module):
    """Runs at any width, but each neuron depends on all the others."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(5, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.b(torch.softmax(self.a(x), dim=1)))


class Backwards(nn.Module):
    """Uses its layers in another order than it defines them."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(5, 5), nn.Linear(5, 5), nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return torch.as_tensor(self.b(torch.tanh(self.c(torch.tanh(self.a(x))))))


def test_residual_with_equal_widths_is_refused_because_it_does_not_run():
    network = Residual()

    with pytest.raises(PruningError, match="the smaller network does not run: The size of tensor"):
        prove(network, plans_of(network, [0, 1, 2], [0, 1, 2, 3]), torch.zeros(2, 8))


def test_forward_that_mixes_neurons_is_refused_by_running_it():
    network = NormAcross()

    with pytest.raises(PruningError, match="its forward mixes channels") as caught:
        prove(network, plans_of(network, [0, 1, 2]), torch.zeros(2, 5))
    assert "allowed 1e-06" in str(caught.value)


def test_other_order_of_use_is_refused():
    network = Backwards()

    with pytest.raises(PruningError):
        prove(network, plans_of(network, [0, 1], [2, 3, 4]), torch.zeros(2, 5))


def test_wrong_weights_in_the_small_network_are_refused():
    mlp = MLP((5, 8, 2), "tanh")
    plans, others = plans_of(mlp, [0, 1]), plans_of(mlp, [0, 2])

    with pytest.raises(PruningError, match="differs from the masked one"):
        prove_exact(mlp, cut(mlp, others), plans, (torch.zeros(2, 5),))


def test_network_of_nan_is_refused():
    mlp = MLP((5, 8, 2), "tanh")
    with torch.no_grad():
        mlp.get_parameter("2.bias")[0] = float("nan")

    with pytest.raises(PruningError, match="differs from the masked one by nan"):
        prove(mlp, plans_of(mlp, [0, 1]), torch.zeros(2, 5))


def test_a_cut_output_is_refused():
    layer = nn.Linear(5, 8)
    cuts = (part("weight", 0, "output"), part("bias", 0, "output"))
    plans = [GroupPlan(name="", channels=8, kept=(0, 1), cuts=cuts)]

    with pytest.raises(PruningError, match=r"outputs of shapes \[\[8, 2\]\], .* \[\[8, 8\]\]"):
        prove(layer, plans, torch.zeros(2, 5))


def test_a_network_without_tensors_in_its_output_is_refused():
    class Words(nn.Sequential):
        def forward(self, x: Tensor) -> str:
            return "done"

    network = Words(nn.Linear(5, 8), nn.Linear(8, 2))

    with pytest.raises(PruningError, match="output holds no tensor"):
        prove(network, plans_of(network, [0, 1]), torch.zeros(2, 5))


@pytest.mark.parametrize("error", [KeyError("x"), AssertionError("two dimensions"), TypeError()])
def test_forward_that_fails_is_one_clear_error(error: Exception):
    class Failing(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            raise error

    network = Failing(nn.Linear(5, 8), nn.Linear(8, 2))

    with pytest.raises(PruningError, match="does not run on random inputs of shapes"):
        prove(network, plans_of(network, [0, 1]), torch.zeros(2, 5))
