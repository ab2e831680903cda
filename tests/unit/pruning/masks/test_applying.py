import copy
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning import apply_masks, apply_pruning, make_permanent
from spinn_edge.pruning.masks.applying import (
    check_none_regrown,
    count_regrown,
    held,
    left_alone_by_pattern,
    permanent_copy,
)
from spinn_edge.pruning.masks.weights import maskable_weights, read_masks
from tests.unit.pruning.masks.networks import ConvNet, mlp

WEIGHTS = 4 * 24 + 24 * 16 + 16 * 2


def gone(masks: dict[str, torch.Tensor]) -> int:
    return sum(int((~mask).sum()) for mask in masks.values())


def test_ratio_returned_is_the_share_of_zeros_that_the_network_has() -> None:
    network = mlp()

    ratio, masks = apply_pruning(network, 0.3)

    zeros = sum(int((layer.weight == 0).sum()) for layer in network if isinstance(layer, nn.Linear))
    assert zeros == gone(masks) == round(0.3 * WEIGHTS)
    assert ratio == pytest.approx(zeros / WEIGHTS, abs=1e-12)
    assert list(masks) == ["0.weight", "2.weight", "4.weight"]
    assert all(mask.dtype == torch.bool for mask in masks.values())


def test_smallest_magnitudes_of_the_whole_network_go() -> None:
    network = mlp()
    sizes = torch.cat([weight.values.abs().flatten() for weight in maskable_weights(network)])

    _, masks = apply_pruning(network, 0.5)

    kept = torch.cat([mask.flatten() for mask in masks.values()])
    assert sizes[~kept].max() <= sizes[kept].min()


def test_layer_scope_takes_the_share_of_each_layer() -> None:
    _, masks = apply_pruning(mlp(), 0.25, scope="layer")

    assert [int((~mask).sum()) for mask in masks.values()] == [24, 96, 8]


def test_ties_do_not_overshoot_and_the_first_go() -> None:
    network: Any = nn.Sequential(nn.Linear(10, 10), nn.Linear(10, 10))
    for layer in network:
        nn.init.constant_(layer.weight, -0.5)

    ratio, masks = apply_pruning(network, 0.3)

    assert ratio == pytest.approx(0.3)
    assert int((~masks["0.weight"]).sum()) == 60
    assert bool(masks["1.weight"].all())


@given(st.lists(st.floats(0.05, 0.4), min_size=1, max_size=3), st.integers(0, 3))
def test_masks_never_shrink_and_every_count_is_exact(ratios: list[float], seed: int) -> None:
    network, masks, left = mlp(seed=seed), None, WEIGHTS
    for ratio in ratios:
        before = masks
        achieved, masks = apply_pruning(network, ratio, masks, scope="global")
        left -= round(ratio * left)
        assert WEIGHTS - gone(masks) == left
        assert achieved == pytest.approx(1 - left / WEIGHTS)
        if before is not None:
            assert all(not (masks[name] & ~before[name]).any() for name in masks)
        with torch.no_grad():  # what training would do to weights that stay
            for weight in maskable_weights(network):
                weight.stored.mul_(torch.rand_like(weight.stored))


def test_existing_masks_bind_a_fresh_copy_of_the_network() -> None:
    network = mlp()
    fresh = copy.deepcopy(network)
    _, first = apply_pruning(network, 0.3)

    as_numbers = {name: mask.float() for name, mask in first.items()}
    ratio, second = apply_pruning(fresh, 0.3, as_numbers)

    assert ratio == pytest.approx(0.51, abs=0.001)
    assert all(not (second[name] & ~first[name]).any() for name in first)
    assert count_regrown(fresh, first) == 0


def test_masks_on_the_network_bind_without_being_handed_over() -> None:
    network = mlp()
    apply_pruning(network, 0.3)
    ratio, _ = apply_pruning(network, 0.3)
    assert ratio == pytest.approx(0.51, abs=0.001)


def test_masks_of_torch_itself_are_honoured() -> None:
    network: Any = nn.Sequential(nn.Linear(10, 10), nn.Tanh(), nn.Linear(10, 1))
    prune.l1_unstructured(network[0], "weight", amount=50)
    prune.l1_unstructured(network[0], "bias", amount=3)
    network(torch.zeros(1, 10))
    held_by_torch = network[0].weight_mask.bool()

    ratio, masks = apply_pruning(network, 0.5)

    assert ratio == pytest.approx((50 + 30) / 110)
    assert not (masks["0.weight"] & ~held_by_torch).any()
    plain = permanent_copy(network)
    assert list(plain.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert int((plain[0].bias == 0).sum()) == 3


def test_biases_are_never_masked() -> None:
    network = mlp()
    biases = [layer.bias.clone() for layer in network if isinstance(layer, nn.Linear)]
    apply_pruning(network, 0.6)
    make_permanent(network)
    after = [layer.bias for layer in network if isinstance(layer, nn.Linear)]
    assert all(torch.equal(a, b) for a, b in zip(biases, after, strict=True))


@pytest.mark.parametrize("ratio", [0.0, 1.0, 1.5, -0.2, float("nan"), 30.0])
def test_ratio_that_is_no_share_is_refused_and_nothing_changes(ratio: float) -> None:
    network = mlp()
    with pytest.raises(PruningError, match="above 0 and below 1; got"):
        apply_pruning(network, ratio)
    assert not any(prune.is_pruned(module) for module in network.modules())


@pytest.mark.parametrize(("ratio", "word"), [(1e-4, "larger"), (0.9999, "smaller")])
def test_ratio_of_no_or_every_whole_weight_is_refused(ratio: float, word: str) -> None:
    with pytest.raises(PruningError, match=f"ask for a {word} ratio"):
        apply_pruning(nn.Linear(3, 3), ratio)


def test_layer_that_would_lose_its_last_weight_is_named() -> None:
    network = mlp()
    with torch.no_grad():
        network[2].weight.mul_(1e-6)
    with pytest.raises(PruningError, match=r"'2.weight' would lose its last .*--scope layer"):
        apply_pruning(network, 0.9)
    assert not prune.is_pruned(network)
    assert apply_pruning(network, 0.9, scope="layer")[0] == pytest.approx(0.9, abs=0.002)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_without_an_order_are_refused(value: float) -> None:
    network = mlp()
    with torch.no_grad():
        network[2].weight[0, 0] = value
    with pytest.raises(PruningError, match=r"'2\.weight' holds NaN or Inf"):
        apply_pruning(network, 0.3)


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        ({"fc.weight": torch.ones(3, 3)}, "no weight 'fc.weight' .* 0.weight, 2.weight, 4.weight"),
        ({"0.weight": torch.ones(3, 3)}, r"shape \(3, 3\), the weight \(24, 4\)"),
        ({"0.weight": torch.full((24, 4), 0.5)}, "values other than 0 and 1"),
        ({"0.weight": torch.full((24, 4), float("nan"))}, "values other than 0 and 1"),
    ],
)
def test_masks_of_another_network_are_refused_and_nothing_changes(
    masks: dict[str, torch.Tensor], message: str
) -> None:
    network = mlp()
    for call in (lambda: apply_masks(network, masks), lambda: apply_pruning(network, 0.3, masks)):
        with pytest.raises(PruningError, match=message):
            call()
    assert not prune.is_pruned(network)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "row"}, "unknown scope 'row'; known: global, layer"),
        ({"pattern": "1:4"}, "unknown pattern '1:4'; known: 2:4"),
        ({"pattern": "2:4"}, "give prune_ratio 0.5, not 0.3"),
    ],
)
def test_unknown_ways_are_refused(options: Any, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        apply_pruning(mlp(), 0.3, **options)


def test_network_without_weights_to_mask_is_refused() -> None:
    with pytest.raises(PruningError, match="no Linear or Conv layer"):
        apply_pruning(nn.Sequential(nn.LayerNorm(3)), 0.3)


def test_weight_without_a_shape_is_refused_with_what_to_do() -> None:
    with pytest.raises(PruningError, match="run the network once on a sample"):
        apply_pruning(nn.Sequential(nn.LazyLinear(3)), 0.3)


def test_shared_weight_is_refused_by_both_names() -> None:
    network: Any = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    with pytest.raises(PruningError, match=r"'0\.weight' and '1\.weight' are one shared tensor"):
        apply_pruning(network, 0.3)


def test_attention_and_other_parametrisations_are_left_alone() -> None:
    network: Any = nn.Sequential(
        nn.TransformerEncoderLayer(8, 2, 16, batch_first=True),
        nn.utils.parametrizations.weight_norm(nn.Linear(8, 2)),
    )
    assert list(read_masks(network)) == ["0.linear1.weight", "0.linear2.weight"]
    apply_pruning(network, 0.5)
    loss = network(torch.randn(2, 3, 8)).sum()
    loss.backward()
    network(torch.randn(2, 3, 8)).sum().backward()


# 2:4


def test_two_smallest_of_every_four_inputs_go() -> None:
    network: Any = nn.Sequential(nn.Linear(8, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[4.0, -1, 3, -2, 0.1, 0.4, -0.3, 0.2]]))

    ratio, masks = apply_pruning(network, 0.5, pattern="2:4")

    assert ratio == 0.5
    assert masks["0.weight"].int().tolist() == [[1, 0, 1, 0, 0, 1, 1, 0]]


def test_masked_weights_count_among_the_two() -> None:
    network: Any = nn.Sequential(nn.Linear(8, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([[4.0, 1, 3, 2, 1, 4, 3, 2]]))
    existing = {"0.weight": torch.tensor([[0, 1, 1, 1, 0, 0, 0, 1]])}

    _, masks = apply_pruning(network, 0.5, existing, pattern="2:4")

    assert masks["0.weight"].int().tolist() == [[0, 0, 1, 1, 0, 0, 0, 1]]


def test_convolution_is_grouped_along_its_input_channels_and_odd_layers_are_left_alone() -> None:
    network = ConvNet()

    ratio, masks = apply_pruning(network, 0.5, pattern="2:4")

    groups = masks["second.weight"].movedim(1, -1).reshape(-1, 4)
    assert bool((groups.sum(dim=1) == 2).all())
    assert bool(masks["first.weight"].all())
    assert bool(masks["head.weight"].all())
    assert left_alone_by_pattern(network) == {
        "first.weight": "3 inputs, no multiple of 4",
        "head.weight": "6 inputs, no multiple of 4",
    }
    counted = (8 * 6 * 9 / 2) / (3 * 8 * 9 + 8 * 6 * 9 + 12)
    assert ratio == pytest.approx(counted)
    assert torch.isfinite(network(torch.randn(2, 3, 8, 8))).all()


def test_network_that_cannot_take_the_pattern_is_refused_with_its_widths() -> None:
    with pytest.raises(PruningError, match="'weight' has 3 inputs, no multiple of 4"):
        apply_pruning(nn.Linear(3, 8), 0.5, pattern="2:4")


# Off and on again


def test_permanent_network_computes_the_same_and_is_plain_again() -> None:
    network, x = mlp(), torch.randn(5, 4)
    names = list(network.state_dict())
    apply_pruning(network, 0.6)
    expected = network(x).detach()

    assert make_permanent(network) is network

    assert torch.equal(network(x), expected)
    assert list(network.state_dict()) == names
    assert not prune.is_pruned(network)
    for layer in (network[0], network[2]):
        assert not bool(torch.signbit(layer.weight[layer.weight == 0]).any())


def test_masked_network_can_be_copied_after_a_training_step() -> None:
    network = mlp()
    apply_pruning(network, 0.5)
    network(torch.randn(5, 4)).sum().backward()

    plain = permanent_copy(network)

    assert prune.is_pruned(network)
    assert not prune.is_pruned(plain)
    x = torch.randn(5, 4)
    assert torch.equal(plain(x), network(x))


@pytest.mark.parametrize("masked_network", [True, False])
@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.1, nesterov=True),
        lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5),
    ],
)
def test_masked_weights_are_zero_after_every_step_of_any_optimiser(
    make: Any, masked_network: bool
) -> None:
    network = mlp()
    optimizer = make(network.parameters())
    network(torch.randn(9, 4)).square().sum().backward()
    optimizer.step()  # momentum of weights that will be masked
    twin = copy.deepcopy(network)
    _, masks = apply_pruning(twin, 0.5)
    if masked_network:
        apply_masks(network, masks)  # keeps the very parameters that the optimiser knows
    free = [weight.stored.detach().clone() for weight in maskable_weights(network)]
    with held(network, masks):
        for _ in range(3):
            optimizer.zero_grad()
            network(torch.randn(9, 4)).square().sum().backward()
            optimizer.step()
            for weight in maskable_weights(network):
                assert not weight.stored[~masks[weight.name]].any()
    assert count_regrown(network, masks) == 0
    for weight, before in zip(maskable_weights(network), free, strict=True):
        assert not torch.equal(weight.stored[masks[weight.name]], before[masks[weight.name]])


def test_nothing_is_held_behind_the_block_and_regrowth_is_an_error() -> None:
    network = mlp()
    _, masks = apply_pruning(copy.deepcopy(network), 0.5)
    with held(network, masks):
        pass
    assert check_none_regrown(network, masks) == 0
    optimizer = torch.optim.Adam(network.parameters())
    network(torch.randn(9, 4)).sum().backward()
    optimizer.step()
    with pytest.raises(PruningError, match=r"\d+ masked weights are not 0 any more"):
        check_none_regrown(network, masks)


def test_nan_counts_as_regrown() -> None:
    network = mlp()
    _, masks = apply_pruning(copy.deepcopy(network), 0.5)
    with held(network, masks):
        pass
    with torch.no_grad():
        network[0].weight[tuple(torch.nonzero(~masks["0.weight"])[0])] = float("nan")
    assert count_regrown(network, masks) == 1
