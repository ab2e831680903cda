"""How many threads, and whether they may wait busily: tried on this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from spinn_edge.bench.evidence.intervals import FASTER
from spinn_edge.bench.evidence.paired_rows import at_batch, beside, latency_s
from spinn_edge.bench.measurement import Row
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.decode import encode
from spinn_edge.runtimes.base import OpenOptions

SPINNING_RUNTIMES = ("ort-cpu",)
"""Runtimes whose worker threads can be told whether to wait busily; PyTorch has no such switch."""

_EVERY_COUNT_TO = 4
"""Above this many cores only powers of two and all cores are tried: sixty would take an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadSetting:
    """What is tried.

    Attributes:
        threads: inside one operator.
        spinning: whether they wait busily; None where that is no question.
    """

    threads: int
    spinning: bool | None = None

    @property
    def words(self) -> str:
        """``1 thread``; ``2 threads, spinning``."""
        count = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        waiting = {None: "", True: ", spinning", False: ", not spinning"}
        return count + waiting[self.spinning]


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadTrial:
    """One setting at one batch size; the row's speed-up is over one thread."""

    setting: ThreadSetting
    row: Row

    def to_json(self) -> dict[str, Any]:
        """Return the setting and its timing."""
        return {"threads": self.setting.threads, "spinning": self.setting.spinning} | {
            "latency_s": latency_s(self.row),
            "row": encode(self.row),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadProbe:
    """What was tried at one batch size.

    Attributes:
        batch: samples in one inference.
        cores: that this process may use.
        trials: one thread first; empty where there is one core, so that nothing was tried.
    """

    batch: int
    cores: int
    trials: tuple[ThreadTrial, ...]

    @property
    def best(self) -> ThreadSetting | None:
        """The fastest of the settings that beat one thread beyond the noise, else one thread.

        None where one thread could not be timed, or nothing can be called faster or slower.
        """
        if not self.trials:
            return ThreadSetting(threads=1)
        one, *others = self.trials
        judged = [trial for trial in others if trial.row.verdict is not None]
        if not one.row.samples_s or not judged:
            return None
        faster = [trial for trial in judged if trial.row.verdict == FASTER]
        return max(faster, key=lambda trial: trial.row.speedup or 0.0, default=one).setting

    def to_json(self) -> dict[str, Any]:
        """Return what was tried and what follows."""
        best = self.best
        return {
            "batch": self.batch,
            "cores": self.cores,
            "best": None if best is None else encode(best),
            "trials": encode(self.trials),
        }


def thread_settings(runtime: str, cores: int) -> tuple[ThreadSetting, ...]:
    """Return what is worth trying, one thread first.

    One thread has nobody to wait for, so spinning is no question there.

    Args:
        runtime: name from the registry.
        cores: that may be used.
    """
    powers = [2**power for power in range(cores.bit_length())]
    counts = sorted({*range(1, min(cores, _EVERY_COUNT_TO) + 1), *powers, cores})
    spinning = (True, False) if runtime in SPINNING_RUNTIMES else (None,)
    several = [
        ThreadSetting(threads=count, spinning=busy) for count in counts[1:] for busy in spinning
    ]
    return (ThreadSetting(threads=1), *several)


def probe_threads(
    bundle: Bundle,
    schedule: Schedule,
    *,
    runtime: str,
    options: OpenOptions,
    cores: int,
    on_launch: Callable[[Contender, int], None] = lambda contender, launch: None,
) -> tuple[ThreadProbe, ...]:
    """Time a bundle with 1 to ``cores`` threads, launches alternating.

    Args:
        bundle: holds the runtime's file.
        schedule: batch sizes, launches, rules; one boundary.
        runtime: name from the registry.
        options: how it is opened, threads and spinning aside.
        cores: that this process may use; with one, nothing is timed.
        on_launch: see :func:`spinn_edge.bench.processes.contenders.time_contenders`.

    Returns:
        One finding for each batch size, in their order.
    """
    settings = thread_settings(runtime, cores) if cores > 1 else ()
    contenders = [
        Contender(
            label=f"{bundle.name}, {setting.words}",
            bundle=bundle,
            runtime=runtime,
            options=replace(options, threads=setting.threads, spinning=setting.spinning),
        )
        for setting in settings
    ]
    timed = time_contenders(contenders, schedule, on_launch=on_launch)
    return tuple(
        ThreadProbe(
            batch=batch,
            cores=cores,
            trials=_trials(settings, [at_batch(rows, batch) for rows in timed]),
        )
        for batch in schedule.batches
    )


def _trials(settings: Sequence[ThreadSetting], rows: Sequence[Row]) -> tuple[ThreadTrial, ...]:
    return tuple(
        ThreadTrial(setting=setting, row=beside(row, rows[0]) if number else row)
        for number, (setting, row) in enumerate(zip(settings, rows, strict=True))
    )
