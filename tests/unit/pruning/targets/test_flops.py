import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from spinn_edge.core.errors import PruningError
from spinn_edge.models.counting import count_flops as count_for_manifest
from spinn_edge.models.cutting import cut
from spinn_edge.pruning.targets.amounts import count_amount, measure_amount
from spinn_edge.pruning.targets.flops import even_plans, trace
from spinn_edge.pruning.targets.limits import Limits, bounds
from spinn_edge.pruning.targets.plan import equal_shares, plan_rounds
from tests.unit.pruning.targets.hand_graphs import (
    attention_case,
    cnn_case,
    composed_case,
    graph,
    group,
    mlp_case,
)


def test_flops_of_an_mlp_are_two_for_each_weight():
    case = mlp_case((6, 32, 24, 2))
    assert count_amount("flops", case.module, case.example) == 2 * (6 * 32 + 32 * 24 + 24 * 2)


def test_count_is_the_one_of_the_manifest():
    case = cnn_case()
    inputs = {"x": case.example[0].numpy()}
    assert count_amount("flops", case.module, case.example) == count_for_manifest(
        case.module, inputs
    )


def test_work_is_tied_to_the_weight_that_causes_it():
    case = cnn_case()

    work = trace(case.module, case.graph, case.example)

    assert work.free == 0
    assert work.weights == {
        "body.0.weight": 2 * 64 * 12 * 27,
        "body.3.weight": 2 * 64 * 12 * 9,
        "body.4.weight": 2 * 64 * 20 * 12,
        "fc.weight": 2 * 320 * 24,
        "head.weight": 2 * 24 * 5,
    }


def test_products_of_two_activations_are_free_work():
    case = attention_case()

    work = trace(case.module, case.graph, case.example)

    assert work.free == 2 * (2 * 7 * 7 * 16)  # q k^T and its product with v
    assert work.weights["q.weight"] == 2 * 7 * 16 * 16
    held = measure_amount("flops", case.module, case.graph, case.example).holdings((8, 4, 32))
    assert held["products of activations"] == 2 * 7 * 7 * (8 + 4)


@pytest.mark.parametrize("target", [0.2, 0.5, 0.685, 0.9])
def test_target_is_met_by_the_true_count_where_no_weight_explains_the_work(target):
    case = composed_case()
    amount = measure_amount("flops", case.module, case.graph, case.example)
    bounds = case.bounds()

    (plan,) = plan_rounds(amount, case.original, bounds, shares=(target,), tolerance=0.003)

    small = cut(case.module, even_plans(case.graph.groups, plan.widths))
    true = count_amount("flops", small, case.example)
    assert abs(amount((30, 20)) - amount.count((30, 20))) > 0.05 * amount.total  # not exact
    assert plan.amount == true
    assert plan.achieved == pytest.approx(1 - true / amount.total)
    assert abs(plan.achieved - target) <= 0.003


def test_achieved_share_of_every_round_is_counted_truly():
    case = composed_case()
    amount = measure_amount("flops", case.module, case.graph, case.example)

    plans = plan_rounds(amount, case.original, case.bounds(), shares=equal_shares(0.7, 3))

    for plan in plans:
        small = cut(case.module, even_plans(case.graph.groups, plan.widths))
        assert plan.amount == count_amount("flops", small, case.example)
        assert abs(plan.achieved - plan.requested) < 0.015


def test_masked_and_normalised_weights_are_still_those_weights():
    def parts() -> list[nn.Linear]:
        torch.manual_seed(0)
        return [nn.Linear(6, 32), nn.Linear(32, 24), nn.Linear(24, 2)]

    masked, normed, spectral = parts()
    prune.l1_unstructured(masked, "weight", 0.5)
    nn.utils.parametrizations.weight_norm(normed)
    nn.utils.parametrizations.spectral_norm(spectral)
    module = nn.Sequential(masked, normed, spectral).eval()

    work = trace(module, graph(), (torch.randn(2, 6),))

    assert work.free == 0
    assert sorted(work.weights.items()) == [
        ("0.weight_orig", 2 * 6 * 32),
        ("1.parametrizations.weight.original1", 2 * 32 * 24),
        ("2.parametrizations.weight.original", 2 * 24 * 2),
    ]


def test_only_the_first_sample_counts():
    case = mlp_case((6, 32, 2))
    many = (torch.randn(50, 6),)
    assert count_amount("flops", case.module, many) == count_amount(
        "flops", case.module, case.example
    )


def test_network_that_does_not_run_is_refused_with_what_to_do():
    case = mlp_case((6, 32, 2))
    with pytest.raises(PruningError, match=r"does not run on one sample .*--by parameters"):
        count_amount("flops", case.module, (torch.randn(2, 7),))
    with pytest.raises(PruningError, match="does not run on one sample"):
        measure_amount("flops", case.module, case.graph, (torch.randn(2, 7),))


def test_network_without_a_weight_in_a_product_has_no_flops_to_remove():
    module = nn.Sequential(nn.Embedding(5, 8), nn.LayerNorm(8))
    made = graph(group("0", 8, "0.weight:1", "1.weight:0", "1.bias:0"))
    amount = measure_amount("flops", module, made, (torch.tensor([[1]]),))
    assert amount.total == 0
    with pytest.raises(PruningError, match="has no flops"):
        plan_rounds(amount, (8,), bounds(made, Limits()), shares=(0.5,))


def test_plans_for_counting_keep_as_many_of_every_block():
    made = group("q", 12, "q.weight:0", blocks=3)
    (plan,) = even_plans([made], [6])
    assert plan.kept == (0, 1, 4, 5, 8, 9)
