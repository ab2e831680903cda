"""The physics of a network after every round of pruning, beside that of the given one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from spinn_edge.accuracy.physics.module_check import ModulePhysics
    from spinn_edge.cli.lesson import Taught
    from spinn_edge.cli.output import Printer
    from spinn_edge.core.pruning_record import PruningAudit
    from spinn_edge.training.physics.lesson import PhysicsLesson
    from spinn_edge.training.physics.terms import ResidualFunction


class PhysicsChecks:
    """Checks what was asked for; nothing where nothing was."""

    def __init__(self, physics: PhysicsLesson | None, taught: Taught, printer: Printer) -> None:
        """Make ready to look at networks.

        Args:
            physics: what is learnt of physics is what is checked.
            taught: the network before, and its held-out rows.
            printer: hears of what was found.

        Raises:
            UsageError: an unknown column.
        """
        self._printer = printer
        self._given = taught.module
        self._found: dict[int, ModulePhysics] = {}
        self._check = None
        if physics is None:
            return
        from spinn_edge.accuracy.physics.module_check import make_module_check
        from spinn_edge.accuracy.physics.questions import PhysicsQuestions
        from spinn_edge.training.physics.lesson import recipe_names

        questions = PhysicsQuestions(
            derivatives=physics.derivatives,
            monotone=physics.monotone,
            residual=None if physics.residual is None else _on_tensors(physics.residual),
        )
        lesson = taught.lesson
        self._check = make_module_check(
            questions, recipe_names(lesson.recipe), lesson.split.held_out.features
        )
        self._check(self._given, self._given)  # a function that fails does so before the training

    def look(self, number: int, module: nn.Module) -> None:
        """Check the network after a round, from raw features to physical units."""
        if self._check is None or number == 0:
            return
        found = self._found[number] = self._check(self._given, module)
        self._printer.say(f"physics after round {number}: {found.words}")

    @property
    def passed(self) -> bool:
        """The last network's physics is as good as the given one's; True where none was asked."""
        return not self._found or self._found[max(self._found)].passed

    def written_into(self, audit: PruningAudit) -> PruningAudit:
        """Return the audit with what was found."""
        words = {number: found.words for number, found in self._found.items()}
        rounds = (
            replace(one, physics=words.get(number, one.physics))
            for number, one in enumerate(audit.rounds, start=1)
        )
        return replace(audit, rounds=tuple(rounds))


def _on_tensors(function: ResidualFunction) -> Callable[[Any, Any, Mapping[str, Any]], Any]:
    """Return the user's function of tensors, as training calls it, as one of arrays."""
    import torch

    def residual(x: Any, y: Any, derivatives: Mapping[str, Any]) -> Any:
        found = function(
            torch.from_numpy(x),
            torch.from_numpy(y),
            {name: torch.from_numpy(values) for name, values in derivatives.items()},
        )
        return found.detach().numpy() if isinstance(found, torch.Tensor) else found

    return residual
