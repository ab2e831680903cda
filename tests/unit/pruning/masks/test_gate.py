import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import Scores
from spinn_edge.pruning.masks.gate import Gate, judge


def scores(wear: float | None, heat: float | None) -> Scores:
    overall = None if wear is None or heat is None else (wear + heat) / 2
    r2 = {"wear": wear, "heat": heat}
    return Scores(
        source="rows", rows=9, r2=r2, r2_overall=overall, rmse={"wear": 1, "heat": 1}, linear_r2=r2
    )


@pytest.mark.parametrize(
    ("wear", "heat", "passed"),
    [
        (0.9, 0.71, [True, True, True]),
        (0.8, 0.70, [False, True, False]),  # above means above
        (0.95, 0.65, [True, True, False]),
        (0.9, None, [False, True, False]),
        (float("nan"), 0.9, [False, False, True]),
    ],
)
def test_every_limit_is_judged_by_itself(
    wear: float | None, heat: float | None, passed: list[bool]
) -> None:
    assert [line.passed for line in judge(scores(wear, heat), Gate())] == passed


@pytest.mark.parametrize("value", [1.0, 75.0, float("nan")])
def test_limit_that_nothing_can_hold_is_refused(value: float) -> None:
    with pytest.raises(UsageError, match=r"--gate-r2 .*R² is at most 1"):
        Gate(r2_overall=value)
    with pytest.raises(UsageError, match="--gate-each"):
        Gate(r2_each=value)
