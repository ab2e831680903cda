import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.suite.measuring_plan import MeasuringPlan, read_batches


def test_without_iterations_the_rule_decides():
    plan = MeasuringPlan()
    assert plan.with_iterations(None).rule is plan.rule


@pytest.mark.parametrize(
    ("given", "sizes"), [(1, (1,)), ((4, 1, 4), (4, 1)), ([2], (2,)), (range(1, 3), (1, 2))]
)
def test_batch_sizes_are_one_or_several(given, sizes):
    assert read_batches(given) == sizes


@pytest.mark.parametrize("given", [0, -1, 1.5, "8", True, None, (1, 0), ("8",)])
def test_batch_size_is_a_whole_number_of_one_or_more(given):
    with pytest.raises(UsageError, match=r"^batch_size=.*expected a whole number of 1 or more"):
        read_batches(given)


def test_no_batch_size_is_refused():
    with pytest.raises(UsageError, match="batch_size is empty"):
        read_batches(())


@pytest.mark.parametrize("name", ["launches", "threads"])
def test_plan_refuses_numbers_below_one(name):
    with pytest.raises(UsageError, match=f"^{name}=0: expected a whole number"):
        MeasuringPlan.of("cpu", None, **{name: 0})


@pytest.mark.parametrize("count", [0, 2.5, "10"])
def test_num_iterations_is_a_whole_number_of_one_or_more(count):
    with pytest.raises(UsageError, match=r"^num_iterations="):
        MeasuringPlan().with_iterations(count)


def test_settings_that_are_none_keep_their_default():
    assert MeasuringPlan.of("cuda:0", None, launches=None, rule=None) == MeasuringPlan(
        device="cuda"
    )
