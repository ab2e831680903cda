"""How models in memory are timed, checked before anything runs."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.core.errors import UsageError
from spinn_edge.suite.devices import check_runtimes, read_device


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuringPlan:
    """How models are timed.

    Attributes:
        device: ``cpu`` or ``cuda``.
        runtimes: names from the registry; None for PyTorch and ONNX Runtime on the device.
        launches: fresh processes for each model and runtime, in turn.
        threads: CPU threads inside one operator.
        timeout_s: time for one launch, start and compilation included.
        rule: when to start and to stop.

    Raises:
        UsageError: a name is unknown, or a number makes no sense.
    """

    device: str = "cpu"
    runtimes: tuple[str, ...] | None = None
    launches: int = 5
    threads: int = 1
    timeout_s: float = 300.0
    rule: TimingRule = field(default_factory=TimingRule)

    def __post_init__(self) -> None:
        for name in ("launches", "threads"):
            whole_number(getattr(self, name), name)

    @classmethod
    def of(cls, device: Any, runtimes: Sequence[str] | None, **settings: Any) -> MeasuringPlan:
        """Check what a caller gave; settings that are None keep their default."""
        kind = read_device(device)
        return cls(
            device=kind,
            runtimes=None if runtimes is None else check_runtimes(runtimes, kind),
            **{name: value for name, value in settings.items() if value is not None},
        )

    def with_iterations(self, num_iterations: int | None) -> MeasuringPlan:
        """Return the plan with so many latency samples in each launch; None leaves the rule."""
        if num_iterations is None:
            return self
        count = whole_number(num_iterations, "num_iterations")
        rule = replace(self.rule, fewest_samples=count, most_samples=count, median_within=0.0)
        return replace(self, rule=rule)


def read_batches(batch_size: int | Sequence[int]) -> tuple[int, ...]:
    """Return the batch sizes, each once.

    Raises:
        UsageError: one is no whole number of 1 or more, or there is none.
    """
    several = batch_size if isinstance(batch_size, tuple | list | range) else (batch_size,)
    if not several:
        raise UsageError("batch_size is empty; expected a size such as 1, or several: (1, 1000)")
    return tuple(dict.fromkeys(whole_number(size, "batch_size") for size in several))


def whole_number(value: Any, name: str) -> int:
    """Return a whole number of 1 or more.

    Raises:
        UsageError: it is none.
    """
    try:
        number = 0 if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = 0
    if number < 1:
        raise UsageError(f"{name}={value!r}: expected a whole number of 1 or more")
    return number
