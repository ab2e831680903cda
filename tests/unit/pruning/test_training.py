import copy
from collections.abc import Iterable
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from spinn_edge.core.errors import PruningError, UsageError
from spinn_edge.pruning import structured_prune_and_finetune
from spinn_edge.pruning.rounds import count
from spinn_edge.training.fitting import evaluate

Loader = DataLoader[tuple[torch.Tensor, ...]]


class Regressor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(4, 48), nn.Linear(48, 32), nn.Linear(32, 1)
        self.dropout = nn.Dropout(0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.dropout(torch.tanh(self.fc1(x)))
        return torch.as_tensor(self.out(torch.tanh(self.fc2(x))))


def loader(count_: int, seed: int, shuffle: bool) -> Loader:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count_, 4, generator=generator)
    y = torch.sin(x[:, :1]) + x[:, 1:2] * x[:, 2:3]
    return DataLoader(TensorDataset(x, y), batch_size=32, shuffle=shuffle, generator=generator)


def adam(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.Adam(parameters, lr=1e-2)


@pytest.fixture
def trained() -> Regressor:
    torch.manual_seed(0)
    model = Regressor()
    optimizer = adam(model.parameters())
    for _ in range(5):
        for x, y in loader(512, 0, True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(x), y).backward()
            optimizer.step()
    return model


def prune(model: nn.Module, **options: Any) -> nn.Module:
    given: dict[str, Any] = {
        "train_loader": loader(512, 0, True),
        "val_loader": loader(128, 1, False),
        "optimizer_fn": adam,
        "loss_fn": nn.functional.mse_loss,
        "device": "cpu",
        "finetune_epochs": 4,
    }
    return structured_prune_and_finetune(model, **(given | options))


def test_fine_tuning_learns_and_the_target_is_met(trained: Regressor) -> None:
    validation = loader(128, 1, False)
    untuned = prune(trained, finetune_epochs=0, n_prune_rounds=1)

    pruned = prune(trained)

    loss = nn.functional.mse_loss
    assert evaluate(pruned, validation, loss) < evaluate(untuned, validation, loss)
    assert evaluate(pruned, validation, loss) < 0.3
    assert isinstance(pruned, Regressor)
    assert not pruned.training
    assert 1 - count(pruned) / count(trained) == pytest.approx(0.685, abs=0.003)


def test_given_model_is_left_as_it_was(trained: Regressor) -> None:
    before = copy.deepcopy(trained.state_dict())

    prune(trained, finetune_epochs=1)

    assert trained.fc1.out_features == 48
    for name, tensor in trained.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_optimiser_is_made_anew_for_the_new_layers_of_each_round(trained: Regressor) -> None:
    widths = []

    def make(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        listed = list(parameters)
        widths.append(len(listed[0]))
        return torch.optim.SGD(listed, lr=1e-3)

    prune(trained, optimizer_fn=make, n_prune_rounds=3, finetune_epochs=1)

    assert len(widths) == 3
    assert widths == sorted(widths, reverse=True)
    assert widths[0] < 48


def test_unreachable_target_is_refused(trained: Regressor) -> None:
    with pytest.raises(PruningError, match=r"above 0 and below 1; got 68\.5"):
        prune(trained, target_sparsity=68.5)


def test_empty_validation_loader_is_refused(trained: Regressor) -> None:
    with pytest.raises(UsageError, match="no validation samples"):
        prune(trained, val_loader=[])


def test_generator_as_training_loader_is_refused(trained: Regressor) -> None:
    with pytest.raises(UsageError, match="training batches gave no samples"):
        prune(trained, train_loader=iter(loader(64, 0, True)))


def test_divergence_is_a_clear_error(trained: Regressor) -> None:
    def hot(parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, lr=1e30)

    with pytest.raises(UsageError, match="training diverged"):
        prune(trained, optimizer_fn=hot)


def test_interrupt_is_passed_on_and_leaves_the_given_model(trained: Regressor) -> None:
    before = copy.deepcopy(trained.state_dict())

    def interrupted(prediction: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prune(trained, loss_fn=interrupted)
    for name, tensor in trained.state_dict().items():
        assert torch.equal(tensor, before[name])
