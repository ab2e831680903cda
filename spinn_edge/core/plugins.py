"""Registry lines from other packages, by entry points."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import TypeVar

from spinn_edge.core.errors import UsageError, first_line

T = TypeVar("T")


def with_plugins(built_in: Mapping[str, T], kind: type[T], group: str) -> dict[str, T]:
    """Return built-in lines and those of installed packages by name, built-in ones first.

    Args:
        built_in: our own lines.
        kind: what an entry point must name an instance of.
        group: group of entry points.

    Raises:
        UsageError: a name is claimed twice, or a plug-in cannot be loaded or names no ``kind``.
    """
    found = dict(built_in)
    for plugin in entry_points(group=group):
        where = f"{group} entry point '{plugin.name}'"
        if plugin.name in found:
            raise UsageError(
                f"{where} is claimed twice ({plugin.value}); uninstall one of the packages"
            )
        try:
            entry = plugin.load()
        except Exception as exc:  # their module may raise anything while it is imported
            raise UsageError(
                f"{where} ({plugin.value}) cannot be loaded "
                f"({type(exc).__name__}: {first_line(exc)}); repair or uninstall its package"
            ) from exc
        if not isinstance(entry, kind):
            raise UsageError(
                f"{where} ({plugin.value}) is no {kind.__name__}; repair or uninstall its package"
            )
        found[plugin.name] = entry
    return found
