"""A way that computes something else is found out."""

import pytest
import torch

from spinn_edge.bench.training.job import Subject
from spinn_edge.bench.training.proof import TOLERANCE, prove
from spinn_edge.bench.training.tasks import make_task
from spinn_edge.training.pinn_step import FORWARD, gradient_of


@pytest.fixture(scope="module")
def task():
    return make_task(Subject(name="reaction"), seed=0)


def proof_of(task, spoil=lambda network, value: value):
    gradient = gradient_of(task.network, task.loss, FORWARD)
    points = {name: tensor[:50] for name, tensor in task.batches[0].items()}
    return prove(task.network, task.loss, lambda p: spoil(task.network, gradient(p)), points)


def test_forward_mode_passes_and_leaves_no_gradient_behind(task):
    proof = proof_of(task)
    assert proof.passed
    assert 0 < proof.gradient_error < TOLERANCE
    assert 0 < proof.eager_gradient_error < TOLERANCE
    assert all(parameter.grad is None for parameter in task.network.parameters())


def test_another_loss_fails(task):
    proof = proof_of(task, lambda network, value: value * 1.001)
    assert not proof.passed
    assert proof.loss_error == pytest.approx(1e-3, rel=1e-2)


@pytest.mark.parametrize("place", range(8))
def test_a_gradient_off_by_a_thousandth_in_any_tensor_fails(task, place):
    def spoil(network, value):
        gradient = list(network.parameters())[place].grad
        assert gradient is not None
        gradient.view(-1)[gradient.abs().argmax()] *= 1.001
        return value

    proof = proof_of(task, spoil)
    assert not proof.passed
    assert proof.gradient_error == pytest.approx(1e-3, rel=0.05)


@pytest.mark.parametrize("place", [0, 7])
def test_a_nan_in_one_gradient_fails(task, place):
    def spoil(network, value):
        gradient = list(network.parameters())[place].grad
        assert gradient is not None
        gradient.view(-1)[0] = torch.nan
        return value

    assert not proof_of(task, spoil).passed


def test_a_gradient_that_is_missing_fails(task):
    def spoil(network, value):
        next(iter(network.parameters())).grad = None
        return value

    assert not proof_of(task, spoil).passed
