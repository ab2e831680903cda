"""A module of the user's own class as the reference MLP that computes the same."""

from __future__ import annotations

from torch import nn

from spinn_edge.core.errors import PruningError, first_line
from spinn_edge.models.derivative_module import DerivativeModule
from spinn_edge.models.modules import MLP
from spinn_edge.models.state_dict import mlp_from_state_dict
from spinn_edge.training.dataset import Floats, Split
from spinn_edge.training.reference import predict

_ROWS = 256
"""Rows that a network is run on before it is trusted."""


def as_mlp(module: nn.Module | None, *, activation: str | None, origin: str, split: Split) -> MLP:
    """Return ``module`` itself if it is the reference MLP, or the reference MLP that equals it.

    A smaller network must be rebuilt in another process from widths and an activation, so a module
    of the user's own class is converted first, and both are run on real rows to prove them equal.

    Raises:
        PruningError: there is no module, no ``activation`` was named, or the two differ.
    """
    if isinstance(module, MLP):
        return module
    _refuse_derivatives(module, origin)
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
    expected, got = _run(module, origin, split), _run(mlp, origin, split)
    # by column: an output in small units must not hide behind one in large units
    if (
        expected.shape != got.shape
        or not (abs(expected - got).max(axis=0) <= 1e-5 * abs(expected).max(axis=0)).all()
    ):
        raise PruningError(
            f"'{origin}' is not the plain MLP with {activation} that its tensors suggest: their "
            "outputs differ on real rows; leave out --activation to prune it as it is"
        )
    return mlp


def check_runs(module: nn.Module, *, origin: str, split: Split) -> nn.Module:
    """Return a module of the user's own as it is, after running it on real rows.

    Raises:
        PruningError: it gives derivatives, does not run, or gives another number of outputs.
    """
    _refuse_derivatives(module, origin)
    wanted, got = split.held_out.targets[:_ROWS].shape, _run(module, origin, split).shape
    if got != wanted:
        raise PruningError(
            f"'{origin}' gives outputs of shape {list(got)} for {wanted[0]} rows, expected "
            f"{list(wanted)}; name its outputs with --targets"
        )
    return module


def _refuse_derivatives(module: nn.Module | None, origin: str) -> None:
    if isinstance(module, DerivativeModule):
        raise PruningError(
            f"'{origin}' gives derivatives beside its outputs; prune the bundle that it was "
            "exported from, then export the result with --derivatives"
        )


def _run(module: nn.Module, origin: str, split: Split) -> Floats:
    rows = split.held_out.features[:_ROWS]
    try:
        return predict(module, rows)
    except Exception as exc:  # the user's own forward may raise anything
        raise PruningError(
            f"'{origin}' does not run on {rows.shape[1]} features ({first_line(exc)}); "
            "name them with --features, or leave columns out with --ignore"
        ) from exc


def _exported_kinds() -> tuple[type[nn.Module], ...]:
    import torch

    return (torch.jit.ScriptModule, torch.fx.GraphModule)
