"""What was typed about pruning, as a request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from spinn_edge.cli.user_function import import_function
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import UsageError

if TYPE_CHECKING:
    from spinn_edge.pruning.criteria.importance import Importance
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.schedule import CumulativeRow, Stage
    from spinn_edge.pruning.targets.limits import Limits

DEFAULT_TARGET = 0.685
DEFAULT_ROUNDS = 3
DEFAULT_EPOCHS = 10


def read_limits(
    protect: Sequence[str], min_width: Sequence[str], keep: Sequence[str], round_to: int
) -> Limits:
    """Read ``--protect head --min-width 8 --min-width fc1=16 --keep fc2=0.5 --keep fc3=64``.

    Raises:
        UsageError: a part is no such thing.
    """
    from spinn_edge.pruning.targets.limits import Limits

    smallest: dict[str, int] = {}
    for text in min_width:
        name, mark, value = text.rpartition("=")
        if not value.isdecimal() or int(value) < 1 or (mark and not name):
            raise UsageError(
                f"--min-width {text}: expected channels, or LAYER=CHANNELS, such as 8 or fc1=16"
            )
        smallest[name or "*"] = int(value)
    kept: dict[str, float | int] = {}
    for text in keep:
        name, _, value = text.rpartition("=")
        kept[name] = _share_or_width(text, name, value)
    return Limits(
        protected=tuple(protect),
        minimum=smallest if set(smallest) - {"*"} else smallest.get("*", 1),
        keep=kept,
        round_to=round_to,
    )


def _share_or_width(text: str, name: str, value: str) -> float | int:
    try:
        number = int(value) if value.isdecimal() else float(value)
    except ValueError:
        number = 0
    if not name or not number > 0 or (isinstance(number, float) and number > 1):
        raise UsageError(
            f"--keep {text}: expected LAYER=SHARE or LAYER=CHANNELS, such as fc1=0.5 or fc1=64"
        )
    return number


def read_importance(text: str) -> str | Importance:
    """Return the name of a criterion, or the user's own function ``package.module:function``.

    Raises:
        UsageError: no criterion has that name; found out before a model is loaded.
    """
    from spinn_edge.pruning.criteria.importance import find_criterion

    if ":" not in text:
        return find_criterion(text).name
    return import_function(text, "--importance", "(weights by name, group)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was typed about how much goes, and in which steps; None where nothing was."""

    target: float | None
    by: str
    rounds: int | None
    finetune_epochs: int | None
    schedule: str | None
    learning_rate: float
    allocation: str
    importance: str
    limits: Limits
    tolerance: float
    seed: int


def read_request(
    typed: Typed, *, latency: bool
) -> tuple[PruningRequest, tuple[CumulativeRow, ...]]:
    """Return the request, and what its schedule reaches, verified before anything is trained.

    Args:
        typed: what was typed.
        latency: a latency decides the widths, not a share.

    Raises:
        UsageError: a schedule beside what it replaces.
        PruningError: the schedule cannot reach the target.
    """
    from spinn_edge.pruning.request import PruningRequest
    from spinn_edge.pruning.schedule import parse_schedule, verify_schedule

    shares: tuple[float, ...] = ()
    rows: tuple[CumulativeRow, ...] = ()
    target = DEFAULT_TARGET if typed.target is None or latency else typed.target
    if typed.schedule is not None:
        if typed.rounds is not None or typed.finetune_epochs is not None or latency:
            raise UsageError(
                "--schedule says rounds, epochs and learning rates itself; leave out --rounds and "
                "--finetune-epochs, and use --rounds with a latency"
            )
        rows = verify_schedule(parse_schedule(typed.schedule), typed.target, typed.tolerance)
        shares = tuple(row.cumulative for row in rows)
        target = shares[-1]
    if typed.allocation == "per-layer" and not typed.limits.keep:
        raise UsageError("--allocation per-layer takes its shares from --keep LAYER=X; name some")
    request = PruningRequest(
        target=target,
        by="latency" if latency else typed.by,
        rounds=(len(rows) or DEFAULT_ROUNDS) if typed.rounds is None else typed.rounds,
        shares=shares,
        allocation=typed.allocation,
        importance=read_importance(typed.importance),
        limits=typed.limits,
        tolerance=typed.tolerance,
        seed=typed.seed,
    )
    return request, rows


def decisive(
    typed: Typed, request: PruningRequest, schedule: Sequence[Stage], **others: object
) -> dict[str, object]:
    """Return what decides the outcome of a run, by name, for its stages on disk.

    What was typed and what holds without being typed are the same run.
    """
    return {
        "target": request.target,
        "by": request.by,
        "shares": list(request.cumulative_shares),
        "schedule": encode(tuple(schedule)),
        "allocation": request.allocation,
        "importance": typed.importance,
        "limits": encode(request.limits),
        "tolerance": request.tolerance,
        "learning_rate": typed.learning_rate,
        "seed": request.seed,
        **others,
    }
