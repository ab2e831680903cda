"""Pruning of an MLP that maps raw features to physical units, fine-tuned on a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.core.manifest import Scaling
from spinn_edge.models.derivative_module import DerivativeModule
from spinn_edge.models.modules import MLP
from spinn_edge.models.state_dict import mlp_from_state_dict
from spinn_edge.pruning.plan import DEFAULT_TOLERANCE, RoundPlan
from spinn_edge.pruning.rounds import PrunedModel, prune_in_rounds
from spinn_edge.training.dataset import Split
from spinn_edge.training.fitting import Epoch, Fit
from spinn_edge.training.reference import Optimisation, fit_scaled, predict
from spinn_edge.training.scaling import fold, unfold


def prune_on_rows(
    mlp: MLP,
    split: Split,
    scaling: Scaling,
    optimisation: Optimisation,
    *,
    target: float,
    rounds: int,
    round_to: int = 1,
    tolerance: float | None = DEFAULT_TOLERANCE,
    on_round: Callable[[int, RoundPlan], None] = lambda number, plan: None,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> PrunedModel[MLP]:
    """Prune and fine-tune on standardised values, where every output weighs the same.

    Args:
        mlp: from raw features to physical units; not changed.
        split: rows in raw units.
        scaling: taken out before and folded in again after; exact for any plain MLP.
        optimisation: epochs and rates of each round.
        target: share of parameters to remove, in (0, 1).
        rounds: rounds.
        round_to: hidden widths become multiples of this.
        tolerance: largest distance between requested and achieved.
        on_round: called before each round.
        on_epoch: called after each epoch.

    Returns:
        The smaller network, from raw features to physical units, and the audit.

    Raises:
        PruningError: the target cannot be reached.
        UsageError: training diverged.
    """

    def tune(network: nn.Module, number: int) -> Fit:
        assert isinstance(network, MLP)
        seeded = replace(optimisation, seed=optimisation.seed + number)
        return fit_scaled(network, split, scaling, seeded, on_epoch)

    pruned = prune_in_rounds(
        unfold(mlp, scaling),
        tune=tune,
        target=target,
        rounds=rounds,
        round_to=round_to,
        tolerance=tolerance,
        on_round=on_round,
    )
    return replace(pruned, module=fold(pruned.module, scaling))


def as_mlp(module: nn.Module | None, *, activation: str | None, origin: str, split: Split) -> MLP:
    """Return ``module`` itself if it is the reference MLP, or the reference MLP that equals it.

    A smaller network must be rebuilt in another process from widths and an activation, so a module
    of the user's own class is converted first, and both are run on real rows to prove them equal.

    Raises:
        PruningError: there is no module, no ``activation`` was named, or the two differ.
    """
    if isinstance(module, MLP):
        return module
    if isinstance(module, DerivativeModule):
        raise PruningError(
            f"'{origin}' gives derivatives beside its outputs; prune the bundle that it was "
            "exported from, then export the result with --derivatives"
        )
    if module is None or isinstance(module, _exported_kinds()):
        raise PruningError(
            f"'{origin}' is an exported file, which cannot be pruned; give the state dict that it "
            "was exported from"
        )
    if activation is None:
        raise PruningError(
            f"'{origin}' is a module of its own class; to prune it as a plain MLP, name the "
            "function between its layers with --activation"
        )
    mlp = mlp_from_state_dict(
        module.state_dict(), activation=activation, where=origin, in_file_order=True
    )
    rows = split.held_out.features[:256]
    try:
        expected, got = predict(module, rows), predict(mlp, rows)
    except Exception as exc:  # the user's own forward may raise anything
        raise PruningError(
            f"'{origin}' does not run on {rows.shape[1]} features ({first_line(exc)}); "
            "name them with --features, or leave columns out with --ignore"
        ) from exc
    # by column: an output in small units must not hide behind one in large units
    if (
        expected.shape != got.shape
        or not (abs(expected - got).max(axis=0) <= 1e-5 * abs(expected).max(axis=0)).all()
    ):
        raise PruningError(
            f"'{origin}' is not the plain MLP with {activation} that its tensors suggest: their "
            "outputs differ on real rows; only plain MLPs can be pruned so far"
        )
    return mlp


def _exported_kinds() -> tuple[type[nn.Module], ...]:
    import torch

    return (torch.jit.ScriptModule, torch.fx.GraphModule)
