import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from spinn_edge.pruning.importance import IMPORTANCES, keep_top, l1_outgoing


def test_score_is_the_l1_norm_of_what_a_neuron_sends_on() -> None:
    layer, following = nn.Linear(5, 3), nn.Linear(3, 2)
    with torch.no_grad():
        following.weight.copy_(torch.tensor([[1.0, -2.0, 0.0], [-3.0, 0.5, 0.25]]))

    scores = l1_outgoing(layer, following)

    assert scores.tolist() == [4.0, 2.5, 0.25]
    assert not scores.requires_grad
    assert IMPORTANCES["l1-outgoing"] is l1_outgoing


def test_highest_scores_stay_in_ascending_order_of_index() -> None:
    assert keep_top(torch.tensor([1.0, 5.0, 3.0, 4.0]), 3).tolist() == [1, 2, 3]


def test_ties_go_to_the_lower_index() -> None:
    assert keep_top(torch.tensor([1.0, 2.0, 1.0, 1.0, 2.0]), 3).tolist() == [0, 1, 4]
    assert keep_top(torch.zeros(1000), 400).tolist() == list(range(400))


@given(st.lists(st.integers(0, 5), min_size=1, max_size=60), st.data())
def test_nothing_that_went_mattered_more_than_what_stayed(
    values: list[int], data: st.DataObject
) -> None:
    count = data.draw(st.integers(1, len(values)))

    kept = keep_top(torch.tensor(values, dtype=torch.float32), count).tolist()

    gone = set(range(len(values))) - set(kept)
    assert len(kept) == count
    assert kept == sorted(kept)
    assert all((values[stays], -stays) > (values[goes], -goes) for stays in kept for goes in gone)
