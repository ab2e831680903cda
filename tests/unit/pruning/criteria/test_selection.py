import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import PruningError
from spinn_edge.pruning.criteria.selection import keep_top


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


def test_every_block_keeps_as_many_of_its_own() -> None:
    scores = torch.tensor([9.0, 8.0, 7.0, 1.0, 3.0, 2.0])
    assert keep_top(scores, 4).tolist() == [0, 1, 2, 4]
    assert keep_top(scores, 4, blocks=2).tolist() == [0, 1, 4, 5]
    assert keep_top(scores, 3, blocks=3).tolist() == [0, 2, 4]
    assert keep_top(torch.zeros(6), 2, blocks=2).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("count", "blocks", "message"),
    [
        (0, 1, "0 of 6 channels cannot stay; keep 1 to 6"),
        (7, 1, "7 of 6 channels cannot stay"),
        (3, 2, "3 of 6 channels cannot stay in 2 blocks of one size; keep a multiple of 2"),
        (4, 4, "in 4 blocks"),
    ],
)
def test_a_count_that_cannot_stay_is_refused(count: int, blocks: int, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        keep_top(torch.zeros(6), count, blocks)
