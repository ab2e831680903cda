"""What ``spinn-edge runtimes`` says of each runtime."""

from __future__ import annotations

from dataclasses import dataclass

from spinn_edge.runtimes import registry


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeStatus:
    """One runtime on this machine; fields as in :class:`spinn_edge.runtimes.base.Availability`."""

    name: str
    available: bool
    version: str | None
    reason: str | None
    install: str


def runtime_statuses() -> tuple[RuntimeStatus, ...]:
    """Probe every registered runtime."""
    statuses = []
    for name in registry.entries():
        found = registry.probe(name)
        statuses.append(
            RuntimeStatus(
                name=name,
                available=found.available,
                version=found.version,
                reason=found.reason,
                install=found.install,
            )
        )
    return tuple(statuses)
