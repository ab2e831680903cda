from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.pruning.reference import FineTuning, prune_on_rows
from spinn_edge.pruning.request import PruningRequest
from spinn_edge.pruning.rounds import PrunedModel, RoundEvents, RoundState
from spinn_edge.pruning.schedule import parse_schedule
from spinn_edge.pruning.staged.continuation import Stages
from spinn_edge.pruning.staged.stages import StageStore
from spinn_edge.pruning.targets.limits import Limits
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.fitting import Epoch
from spinn_edge.training.reference import Optimisation, TrainedModel, predict, train_mlp


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    x = random.uniform(-1, 1, (count, 3))
    y = np.stack([0.01 * x[:, 0] + 0.2, 300 * np.sin(2 * x[:, 1]) - 40], axis=1)
    return Rows(features=x * [1000, 0.1, 1] + [5000, 0.5, 0], targets=y)


@pytest.fixture(scope="module")
def split() -> Split:
    return Split(train=rows(400, 0), held_out=rows(100, 1), dropped=0, held_out_from="100 rows")


@pytest.fixture(scope="module")
def trained(split: Split) -> TrainedModel:
    return train_mlp(
        split,
        DataRecipe(features=("a", "b", "c"), targets=("small", "large")),
        hidden=(32, 32),
        activation="tanh",
        optimisation=Optimisation(epochs=15, learning_rate=1e-2),
    )


def prune(
    trained: TrainedModel,
    split: Split,
    *,
    module: nn.Module | None = None,
    epochs: int = 15,
    stages: Stages | None = None,
    tuning: dict[str, Any] | None = None,
    on_round: Any = lambda number, plan: None,
    after_round: Any = lambda state: None,
    on_epoch: Any = lambda epoch: None,
    **request: Any,
) -> PrunedModel[Any]:
    return prune_on_rows(
        module or trained.module,
        split,
        trained.recipe,
        trained.scaling,
        PruningRequest(**({"target": 0.6, "rounds": 2} | request)),
        FineTuning(optimisation=Optimisation(epochs=epochs, learning_rate=5e-3), **(tuning or {})),
        stages=stages,
        events=RoundEvents(on_round=on_round, after_round=after_round),
        on_epoch=on_epoch,
    )


def errors(module: nn.Module, split: Split) -> Any:
    difference = predict(module, split.held_out.features) - split.held_out.targets
    return np.sqrt((difference**2).mean(axis=0)) / split.held_out.targets.std(axis=0)


def test_pruned_network_still_maps_raw_features_to_physical_units(
    trained: TrainedModel, split: Split
) -> None:
    pruned = prune(trained, split)

    assert (errors(pruned.module, split) < 0.25).all()
    assert pruned.module.widths[0] == 3
    assert pruned.audit.achieved == pytest.approx(0.6, abs=0.003)
    assert len(pruned.fits) == 2


def test_pruning_is_repeatable_and_leaves_the_given_network(
    trained: TrainedModel, split: Split
) -> None:
    before = {k: v.clone() for k, v in trained.module.state_dict().items()}

    first, again = prune(trained, split, epochs=2), prune(trained, split, epochs=2)

    for name, tensor in first.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])
    for name, tensor in trained.module.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_rounds_and_epochs_are_reported(trained: TrainedModel, split: Split) -> None:
    numbers: list[int] = []
    epochs: list[Epoch] = []

    prune(
        trained,
        split,
        epochs=2,
        on_round=lambda number, plan: numbers.append(number),
        on_epoch=epochs.append,
    )

    assert numbers == [1, 2]
    assert [epoch.number for epoch in epochs] == [1, 2, 1, 2]


def test_options_reach_the_plan(trained: TrainedModel, split: Split) -> None:
    pruned = prune(trained, split, epochs=1, rounds=1, limits=Limits(round_to=8))

    assert all(width % 8 == 0 for width in pruned.module.widths[1:-1])
    with pytest.raises(PruningError, match=r"within 0\.00%"):
        prune(trained, split, epochs=1, rounds=1, target=0.6004, tolerance=0.0)


# A network of the user's own


class OwnScaling(nn.Module):
    """Raw features in, physical units out, and no plain chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.skip, self.head = nn.Linear(3, 32), nn.Linear(32, 32), nn.Linear(32, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = (x - torch.tensor([5000.0, 0.5, 0.0])) / torch.tensor([1000.0, 0.1, 1.0])
        h = torch.tanh(self.first(x))
        h = h + torch.tanh(self.skip(h))
        return torch.as_tensor(
            self.head(h) * torch.tensor([0.01, 200.0]) + torch.tensor([0.2, -40.0])
        )


def test_network_of_the_users_own_is_pruned_as_it_is_and_learns(
    trained: TrainedModel, split: Split
) -> None:
    torch.manual_seed(0)
    own = OwnScaling()

    pruned = prune(trained, split, module=own, epochs=30, importance="taylor", tolerance=0.005)

    assert isinstance(pruned.module, OwnScaling)
    assert pruned.audit.achieved == pytest.approx(0.6, abs=0.005)
    assert (errors(pruned.module, split) < 0.3).all()
    assert own.first.out_features == 32


# What tuning learns beside the rows


def test_schedule_gives_each_round_its_epochs(trained: TrainedModel, split: Split) -> None:
    schedule = parse_schedule("0.3:2:1e-3,0.3:1:5e-4")
    epochs: list[int] = []

    prune(
        trained,
        split,
        shares=(0.3, 0.51),
        target=0.51,
        tolerance=None,
        tuning={"schedule": schedule},
        on_epoch=lambda epoch: epochs.append(epoch.number),
    )

    assert epochs == [1, 2, 1]


def test_distillation_pulls_towards_the_network_before(trained: TrainedModel, split: Split) -> None:
    given = torch.from_numpy(predict(trained.module, split.held_out.features))
    distance = {}
    for weight in (0.0, 100.0):
        pruned = prune(trained, split, epochs=10, tuning={"distillation": weight})
        got = torch.from_numpy(predict(pruned.module, split.held_out.features))
        distance[weight] = float(((got - given) / given.std(dim=0)).square().mean())
        assert ("distillation" in pruned.fits[-1].history[-1].terms) == bool(weight)

    assert distance[100.0] < distance[0.0]


# Stages on disk


def kept(folder: Path, **options: Any) -> Stages:
    return Stages(store=StageStore(folder), request={"seed": 0}, **options)


def test_resumed_run_ends_with_the_same_bits(
    trained: TrainedModel, split: Split, tmp_path: Path
) -> None:
    whole = prune(trained, split, epochs=2, rounds=3, stages=kept(tmp_path / "a"))

    class StoppedError(Exception):
        pass

    def stop(state: RoundState[Any]) -> None:
        if state.number == 2:
            raise StoppedError

    with pytest.raises(StoppedError):
        prune(trained, split, epochs=2, rounds=3, stages=kept(tmp_path / "b"), after_round=stop)
    seen: list[int] = []
    again = prune(
        trained,
        split,
        epochs=2,
        rounds=3,
        stages=kept(tmp_path / "b", resume=True),
        on_round=lambda number, plan: seen.append(number),
    )

    assert seen == [3]
    assert len(again.fits) == len(again.audit.rounds) == 3
    assert again.audit.plan == whole.audit.plan
    for name, tensor in whole.module.state_dict().items():
        assert torch.equal(tensor, again.module.state_dict()[name])


@pytest.mark.parametrize("stage", [0, 1])
def test_rollback_gives_the_network_of_that_stage(
    trained: TrainedModel, split: Split, tmp_path: Path, stage: int
) -> None:
    modules: list[Any] = []
    prune(
        trained,
        split,
        epochs=2,
        rounds=2,
        stages=kept(tmp_path / "s"),
        after_round=lambda state: modules.append(state.module),
    )

    back = prune(trained, split, epochs=2, rounds=2, stages=kept(tmp_path / "s", rollback=stage))

    assert len(back.audit.rounds) == stage
    for name, tensor in modules[stage].state_dict().items():
        assert torch.equal(tensor, back.module.state_dict()[name])
    assert [record.number for record in StageStore(tmp_path / "s").stages()] == list(
        range(stage + 1)
    )


def test_stages_of_another_run_are_refused(
    trained: TrainedModel, split: Split, tmp_path: Path
) -> None:
    prune(trained, split, epochs=1, rounds=1, stages=kept(tmp_path / "s"))
    other = Stages(store=StageStore(tmp_path / "s"), request={"seed": 1}, resume=True)

    with pytest.raises(UsageError, match="seed was 0 and is 1 now"):
        prune(trained, split, epochs=1, rounds=1, stages=other)
