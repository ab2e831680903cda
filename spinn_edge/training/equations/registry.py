"""Which problems there are; imports no torch before one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from spinn_edge.core.errors import UsageError
from spinn_edge.core.optional import require

if TYPE_CHECKING:
    from spinn_edge.training.equations.problem import Problem

_HOME = "spinn_edge.training.equations"
_MODULES = {
    "convection": "convection",
    "reaction": "reaction",
    "reaction-diffusion": "reaction_diffusion",
    "allen-cahn": "allen_cahn",
    "helmholtz": "helmholtz",
    "burgers": "burgers",
    "demo": "demo",
}

NAMES = tuple(_MODULES)


def check_known(name: str) -> None:
    """Refuse a problem that there is not.

    Raises:
        UsageError: lists the known ones.
    """
    if name not in _MODULES:
        raise UsageError(f"unknown equation '{name}'; known: {', '.join(NAMES)}")


def find(name: str) -> Problem:
    """Return the problem called ``name``.

    Raises:
        UsageError: there is none.
        MissingDependencyError: torch is not installed.
    """
    check_known(name)
    require("torch", extra="export")
    problem: Problem = require(f"{_HOME}.{_MODULES[name]}", extra="export").PROBLEM
    return problem
