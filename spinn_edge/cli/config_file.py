"""Options out of a TOML file, under their long names; what is typed goes before it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import typer


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Take a file's values as the defaults of a command; a callback of its ``--config``.

    Raises:
        UsageError: the file cannot be read, is no TOML, or names an option that there is not.
    """
    from spinn_edge.core.errors import UsageError

    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as exc:
        raise UsageError(f"--config {path} cannot be read as TOML: {exc}") from exc
    names = {
        option.removeprefix("--"): parameter
        for parameter in context.command.params
        for option in parameter.opts
        if option.startswith("--") and option not in ("--config", "--help")
    }
    chosen: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise UsageError(f"--config {path}: no option '{key}'; known: {', '.join(names)}")
        parameter = names[key]
        if isinstance(value, list):
            texts = [str(item) for item in value]
            chosen[str(parameter.name)] = texts if parameter.multiple else ",".join(texts)
        elif isinstance(value, bool | int | float | str):
            chosen[str(parameter.name)] = value
        else:
            raise UsageError(f"--config {path}: '{key}' must be a number, a text or a list")
    context.default_map = {**(context.default_map or {}), **chosen}
    return path
