"""What is known of one stage of a pruning run, and how it differs from another run's."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from spinn_edge.core.decode import encode
from spinn_edge.pruning.layer_statistics import LayerStatistics

if TYPE_CHECKING:
    import torch

    from spinn_edge.training.fitting import Epoch, Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class StageEpoch:
    """One epoch of fine-tuning: :class:`spinn_edge.training.fitting.Epoch`, but without torch.

    Attributes:
        number: from 1.
        train_loss: in the loss function's unit; None where it was no finite number.
        validation_loss: likewise.
        best: its validation loss was the lowest so far.
    """

    number: int
    train_loss: float | None
    validation_loss: float | None
    best: bool

    @classmethod
    def of(cls, epoch: Epoch) -> StageEpoch:
        """Return the epoch of a training run."""
        return cls(
            number=epoch.number,
            train_loss=epoch.train_loss,
            validation_loss=epoch.validation_loss,
            best=epoch.best,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRecord:
    """What is known of one stage.

    Attributes:
        number: 0 is the network that was given, then one for each round.
        request: what decides the outcome: options by name, digests of the data and of the given
            weights, the seed. JSON values. The same in every stage of a run.
        requested: share of the given network to be gone after this stage, 0 at stage 0.
        achieved: share that is gone.
        parameters: of the network now.
        plan: how the network is made again from the given one; JSON, the caller's own.
        history: epochs of this stage's fine-tuning.
        duration_s: its wall time.
        layers: statistics of each layer.
        score: figures by name, such as R² by target; None where one is not known.
        weights_sha256: of the weights file; filled in when the stage is saved.
    """

    number: int
    request: Mapping[str, Any]
    requested: float
    achieved: float
    parameters: int
    plan: Mapping[str, Any]
    history: tuple[StageEpoch, ...] = ()
    duration_s: float = 0.0
    layers: tuple[LayerStatistics, ...] = ()
    score: Mapping[str, float | None]
    weights_sha256: str = ""

    def to_fit(self) -> Fit:
        """Return the history as the training run that it was."""
        from spinn_edge.training.fitting import Epoch, Fit

        epochs = (
            Epoch(
                number=epoch.number,
                train_loss=_number(epoch.train_loss),
                validation_loss=_number(epoch.validation_loss),
                best=epoch.best,
            )
            for epoch in self.history
        )
        return Fit(history=tuple(epochs), interrupted=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stage:
    """A record and the weights that belong to it.

    Attributes:
        record: what is known of the stage.
        weights: state dict of the whole network, on any device; on the CPU when loaded.
    """

    record: StageRecord
    weights: Mapping[str, torch.Tensor]


def json_values(value: Any) -> Any:
    """Return what ``json.loads`` will give back; NaN and Inf become None."""
    return json.loads(json.dumps(_without_nan(encode(value)), allow_nan=False))


def differences(known: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """Say in words where two requests differ; empty where they are the same."""
    return [
        f"{name} was {_shown(known, name)} and is {_shown(given, name)} now"
        for name in dict.fromkeys((*known, *given))
        if known.get(name) != given.get(name)
    ]


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _shown(request: Mapping[str, Any], name: str) -> str:
    value = request.get(name)
    text = "not given" if value is None else json.dumps(value)
    is_digest = re.fullmatch(r'"[0-9a-f]{32,}"', text)
    return f'{text[:13]}…"' if is_digest else text


def _number(value: float | None) -> float:
    return math.nan if value is None else value
