import math
from typing import Any

import pytest

from spinn_edge.accuracy.validation.tolerances import ValidationTolerance
from spinn_edge.core.errors import UsageError


def test_drift_defaults_to_the_square_root_of_the_loss() -> None:
    assert ValidationTolerance().drift_of("y", "a") == pytest.approx(0.1)
    assert ValidationTolerance(loss=0.04).drift_of("y", "a") == pytest.approx(0.2)
    assert ValidationTolerance(loss=0.0).drift_of("y", "a") == 0.0
    assert ValidationTolerance(loss=0.04, drift=0.5).drift_of("y", "a") == 0.5


def test_limits_by_name_of_channel_or_output() -> None:
    limits = ValidationTolerance(loss={"a": 0.04, "y": 0.09}, drift={"b": 0.5})
    assert (limits.loss_of("y", "a"), limits.loss_of("y", "b")) == (0.04, 0.09)
    assert limits.loss_of("z", "c") == 0.01
    assert limits.drift_of("y", "b") == 0.5
    assert limits.drift_of("y", "a") == pytest.approx(0.2)


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("field", ["loss", "drift"])
@pytest.mark.parametrize("by_name", [False, True])
def test_limits_that_allow_nothing_or_anything_are_refused(
    value: float, field: str, by_name: bool
) -> None:
    limit: Any = {"a": value} if by_name else value
    with pytest.raises(UsageError, match="expected a finite number of at least 0"):
        ValidationTolerance(**{field: limit})


def test_limit_for_something_that_is_not_there_is_refused() -> None:
    for limits in (ValidationTolerance(loss={"c": 1.0}), ValidationTolerance(drift={"c": 1.0})):
        limits.check_names(["c"])
        with pytest.raises(UsageError, match="given for 'c'; the outputs and channels are: a, y"):
            limits.check_names(["y", "a"])
