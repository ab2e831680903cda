"""The machine behind a result, and what else it did meanwhile."""

from __future__ import annotations

from collections.abc import Iterator

from spinn_edge.report import formatting as f
from spinn_edge.report.sheet import Sheet
from spinn_edge.report.sources import NamedResult


def machine_sheet(named: NamedResult) -> Sheet:
    """Return a line for each thing that is known of the machine."""
    return Sheet(
        title=f"Machine of {named.name}",
        head=("what", "found"),
        lines=tuple((what, found) for what, found in _lines(named) if found is not None),
        caption="what is missing here, this machine does not tell",
    )


def _lines(named: NamedResult) -> Iterator[tuple[str, str | None]]:
    env, load = named.result.environment, named.result.load
    yield "measured", named.result.created_utc
    yield "processor", env.cpu
    yield "cores", f"{env.cores} ({env.affinity} usable)"
    yield "memory", None if env.memory_bytes is None else f.size(env.memory_bytes)
    yield "GPU", env.gpu
    yield "system", env.system
    yield "governor", ", ".join(env.governors) if env.governors else None
    yield "clock now", _hertz(env.frequency_hz)
    yield "highest clock allowed", _hertz(env.frequency_limit_hz)
    yield "turbo", _yes(env.turbo)
    yield "SMT", _yes(env.smt)
    yield "virtual machine", _yes(env.virtual_machine)
    yield "container", _yes(env.container)
    yield "on battery", _yes(env.on_battery)
    yield "allocator", env.allocator
    yield "thread variables", ", ".join(f"{k}={v}" for k, v in env.thread_variables.items()) or None
    yield "Python", env.python
    yield "packages", ", ".join(f"{name} {version}" for name, version in env.packages.items())
    yield "load at the start", None if env.load_1min is None else f"{env.load_1min:.2f}"
    if load is not None:
        yield "time of the run", f.seconds(load.duration_s)
        yield "other programs' share of the processors", _share(load.busy_share_others)
        yield "stolen by the hypervisor", _share(load.steal_share)


def _hertz(value: int | None) -> str | None:
    return None if value is None else f"{value / 1e9:.2f} GHz"


def _yes(value: bool | None) -> str | None:
    return None if value is None else "yes" if value else "no"


def _share(value: float | None) -> str | None:
    return None if value is None else f"{value:.2%}".replace("%", " %")
