"""What shall be explained, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.processes.contenders import Schedule
from spinn_edge.core.errors import UsageError
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions

ROOFLINE, FLOOR, THREADS, WIDTHS = "roofline", "floor", "threads", "widths"
PARTS = (ROOFLINE, FLOOR, THREADS, WIDTHS)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainRequest:
    """What to find out and how.

    Attributes:
        runtime: name from the registry.
        batches: samples in one inference; each is explained by itself.
        parts: some of ``PARTS``.
        every_part: they are all that there are, not named one by one, so that one which has nothing
            to say of this model is left out and no fault.
        launches: fresh processes for each thing that is timed.
        timeout_s: time for one launch.
        trust_factory: see :class:`spinn_edge.runtimes.base.OpenOptions`, as for the next one.
        trust_engine_code: likewise.
        rule: when to stop.

    Raises:
        UsageError: an unknown name, or a number that makes no sense.
    """

    runtime: str = "ort-cpu"
    batches: tuple[int, ...] = (1,)
    parts: tuple[str, ...] = PARTS
    every_part: bool = False
    launches: int = 5
    timeout_s: float = 300.0
    trust_factory: bool = False
    trust_engine_code: bool = False
    rule: TimingRule = field(default_factory=TimingRule)

    def __post_init__(self) -> None:
        registry.find(self.runtime)
        if not self.batches or min(self.batches) < 1:
            raise UsageError(f"--batch must be at least 1, got {list(self.batches)}")
        if self.launches < 1:
            raise UsageError(f"--launches must be at least 1, got {self.launches}")
        if not self.parts or not set(self.parts) <= set(PARTS):
            raise UsageError(f"--only {','.join(self.parts)}: expected some of {', '.join(PARTS)}")

    @property
    def options(self) -> OpenOptions:
        """How the runtime opens a bundle: one thread, where threads are not the question."""
        return OpenOptions(
            trust_factory=self.trust_factory, trust_engine_code=self.trust_engine_code
        )

    @property
    def schedule(self) -> Schedule:
        """How each part is timed."""
        return Schedule(
            batches=self.batches,
            boundaries=(HOST_TO_HOST,),  # what an application pays, and what every runtime has
            launches=self.launches,
            timeout_s=self.timeout_s,
            rule=self.rule,
        )
