"""A profile's times, added up by what they are spent on."""

from types import SimpleNamespace

import pytest
import torch

from spinn_edge.bench.training.shares import STEPS, find_shares, shares_of, synchroniser


def event(key, own_us, whole_us, count):
    return SimpleNamespace(
        key=key,
        count=count,
        self_cpu_time_total=own_us,
        cpu_time_total=whole_us,
        self_device_time_total=own_us / 10,
        device_time_total=whole_us / 10,
    )


EVENTS = [
    event("aten::mm", 3000, 3100, 40),
    event("aten::addmm", 1000, 1900, 20),
    event("aten::mul", 9000, 9000, 500),
    event("Optimizer.step#Adam.step", 100, 700, 10),
    event("Optimizer.zero_grad#Adam.zero_grad", 50, 60, 10),
]


def test_products_count_their_own_time_and_the_optimiser_all_of_it():
    shares = shares_of(EVENTS, 10, on_gpu=False)
    assert shares.products_s == pytest.approx(400e-6)
    assert shares.products == 6
    assert shares.optimiser_s == pytest.approx(70e-6)
    assert shares.steps == 10


def test_on_a_gpu_the_device_s_time_counts():
    shares = shares_of(EVENTS, 10, on_gpu=True)
    assert shares.products_s == pytest.approx(40e-6)
    assert shares.optimiser_s == pytest.approx(7e-6)


def test_a_real_profile_finds_products_and_optimiser():
    layer = torch.nn.Linear(64, 64)
    optimizer = torch.optim.Adam(layer.parameters(), fused=True)
    numbers, waits = [], []

    def step(number):
        numbers.append(number)
        optimizer.zero_grad()
        layer(torch.ones(64, 64)).sum().backward()
        optimizer.step()

    shares = find_shares(step, device="cpu", synchronise=lambda: waits.append(len(numbers)))
    assert numbers == list(range(STEPS))
    assert waits == [0, STEPS]
    assert shares.products == 2  # forward, and the weight's gradient
    assert shares.products_s > 0
    assert shares.optimiser_s > 0


def test_only_a_gpu_is_waited_for():
    assert synchroniser("cuda") is torch.cuda.synchronize
    assert synchroniser("cpu")() is None
