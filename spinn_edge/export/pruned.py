"""What a pruned network's bundle says of how the network is made again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from spinn_edge.core.errors import PruningError
from spinn_edge.core.manifest import Training
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.models.loading import LoadedModel
from spinn_edge.models.modules import MLP

if TYPE_CHECKING:
    from torch import nn

BEFORE = "before pruning: "
"""How the source of scores begins that are of the weights before."""


def as_pruned(loaded: LoadedModel, module: nn.Module) -> LoadedModel:
    """Return a smaller network in place of the one that was loaded.

    An MLP is made again from its widths; what a factory builds is cut by the audit's plan.

    Args:
        loaded: the network before.
        module: the network after.

    Raises:
        PruningError: nothing says how such a network is made again.
    """
    architecture = loaded.architecture
    if isinstance(module, MLP):
        architecture = replace(
            architecture,
            kind="mlp",
            factory="",
            widths=module.widths,
            activation=module.activation,
        )
    elif architecture.kind != "factory":
        raise PruningError(
            f"'{loaded.origin}' is a module that nothing here can build again once it is smaller; "
            "give the function that builds it and its state dict: package.module:factory "
            "--weights FILE"
        )
    return replace(
        loaded, origin="the pruned network", module=module, architecture=architecture, bundle=None
    )


def with_earlier(audit: PruningAudit, loaded: LoadedModel) -> PruningAudit:
    """Return an audit that also holds the plans of earlier prunings of what a factory builds."""
    before = loaded.bundle.manifest.pruning if loaded.bundle else None
    if before is None or loaded.architecture.kind != "factory":
        return audit
    return replace(audit, earlier=(*before.earlier, before.plan))


def before_pruning(loaded: LoadedModel) -> Training | None:
    """Return the training record of a network that was pruned and not scored again.

    Its columns and scaling still hold; its scores are said to be of the weights before.
    """
    training = loaded.bundle.manifest.training if loaded.bundle else None
    if training is None or training.scores.source.startswith(BEFORE):
        return training
    scores = replace(training.scores, source=BEFORE + training.scores.source)
    return replace(training, scores=scores)
