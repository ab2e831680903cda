"""Where the stages of a run are kept, and from which one a run goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from spinn_edge.pruning.staged.stage_record import Stage
from spinn_edge.pruning.staged.stages import StageStore

S = TypeVar("S")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stages:
    """Where stages are kept, and from which one to go on.

    Attributes:
        store: the folder.
        request: what decides the outcome of the run, by name.
        resume: go on behind the last complete stage.
        rollback: stage to go back to, without any further one; None for none.
    """

    store: StageStore
    request: Mapping[str, Any]
    resume: bool = False
    rollback: int | None = None

    def begin(self, load: Callable[[StageStore, int], S]) -> S | None:
        """Return the stage to go on from; None where the run begins at the given network.

        A rollback drops the stages behind its own, once it is sure that they are of this run.

        Args:
            load: reads the stage of a number.

        Raises:
            UsageError: the stages are of another run, or there is no such stage.
            BundleError: a stage is damaged, or cannot be removed.
        """
        if self.rollback is not None:
            self.store.check_request(self.request)
            self.store.rollback(self.rollback)
            return load(self.store, self.rollback)
        if self.resume and (last := self.store.last()) is not None:
            self.store.check_request(self.request)
            return load(self.store, last.number)
        return None

    def keep(self, stage: Stage) -> None:
        """Write the next stage. Stage 0 drops what an earlier run left, and nothing else does.

        Raises:
            BundleError: it cannot be written.
        """
        if stage.record.number == 0:
            self.store.clear()
        self.store.save(stage)
