import os
from collections.abc import Iterator

import pytest
import torch

from spinn_edge.core.errors import UsageError
from spinn_edge.training.determinism import deterministic


@pytest.fixture(autouse=True)
def untouched() -> Iterator[None]:
    """Hold that everything is as it was after each test."""
    state, workspace = torch.get_rng_state(), os.environ.get("CUBLAS_WORKSPACE_CONFIG")
    benchmark = torch.backends.cudnn.benchmark
    yield
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace
    assert torch.backends.cudnn.benchmark == benchmark


def test_same_seed_draws_the_same_numbers() -> None:
    with deterministic(3):
        first = torch.randn(5)
    with deterministic(3):
        again = torch.randn(5)
    with deterministic(4):
        other = torch.randn(5)

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_inside_only_deterministic_kernels_run() -> None:
    with deterministic(0):
        assert torch.are_deterministic_algorithms_enabled()
        assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
        assert not torch.backends.cudnn.benchmark


def test_operator_without_a_deterministic_kernel_says_what_to_type() -> None:
    with (
        pytest.raises(UsageError, match=r"cannot be trained so that .*--device cpu"),
        deterministic(0),
    ):
        raise RuntimeError("x_cuda does not have a deterministic implementation")


def test_other_error_passes_as_it_is() -> None:
    with pytest.raises(RuntimeError, match="shapes"), deterministic(0):
        raise RuntimeError("shapes differ")
