import copy

import numpy as np
import torch

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.models.modules import MLP
from spinn_edge.training.adaptation.layers import find_moving_layers
from spinn_edge.training.adaptation.least_squares import RIDGE, AnchoredLeastSquares

UNIT = np.array([0.5, 20.0])


def network(bias=True):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mlp = MLP((3, 6, 2), "tanh").double()
        if not bias:
            mlp[-1] = torch.nn.Linear(6, 2, bias=False, dtype=torch.float64)
        return mlp.eval()


def learner(net, golden, **settings):
    (layer,) = find_moving_layers(net, golden, 1).layers
    return AnchoredLeastSquares(net, layer, unit=UNIT, settings=AdaptationSettings(**settings))


def hidden(net, x, bias=True):
    with torch.no_grad():
        h = torch.tanh(net[0](x)).numpy()
    return np.hstack([h, np.ones((len(h), 1))]) if bias else h


def rows(count, seed):
    generator = np.random.default_rng(seed)
    x = torch.from_numpy(generator.normal(size=(count, 3)))
    return x, generator.normal(size=(count, 2)) * UNIT


def test_weights_are_the_least_squares_solution_with_the_golden_data_as_weighted_rows():
    for bias in (True, False):
        net = network(bias)
        old = copy.deepcopy(net)
        golden, _ = rows(50, 1)
        adapting = learner(net, golden, memory=100, replay=0.2)  # 25 rows' worth
        batches = [rows(10, 2), rows(20, 3)]
        for x, y in batches:
            adapting.learn(x, y)

        # the same as one weighted problem: rows to hit, golden rows to leave, ridge rows
        g = hidden(old, golden, bias)
        ridge = RIDGE * (g.T @ g / len(g)).trace() / g.shape[1]
        design = [np.sqrt(25 / 50) * g, np.sqrt(25 * ridge) * np.eye(g.shape[1])]
        wanted = [np.zeros((50, 2)), np.zeros((g.shape[1], 2))]
        for (x, y), later in zip(batches, (20, 0), strict=True):
            weight = 0.99 ** (later / 2)
            with torch.no_grad():
                missing = y - old(x).numpy()
            design.append(weight * hidden(old, x, bias))
            wanted.append(weight * missing)
        change, *_ = np.linalg.lstsq(np.vstack(design), np.vstack(wanted), rcond=None)
        x, _ = rows(40, 9)
        with torch.no_grad():
            np.testing.assert_allclose(
                net(x).numpy() - old(x).numpy(), hidden(old, x, bias) @ change, rtol=1e-8
            )


def test_more_replay_holds_the_golden_outputs_more():
    golden, _ = rows(50, 1)
    moved = []
    for replay in (0.0, 0.3, 0.9):
        net = network()
        with torch.no_grad():
            before = net(golden).clone()
        learner(net, golden, replay=replay).learn(*rows(64, 2))
        with torch.no_grad():
            moved.append(float((net(golden) - before).abs().max()))
    assert moved[0] > moved[1] > moved[2] > 0


def test_what_was_learnt_long_ago_is_forgotten_but_the_anchor_is_not():
    golden, _ = rows(50, 1)
    fresh, aged = network(), network()
    young, old = (learner(net, golden, memory=32) for net in (fresh, aged))
    old.learn(*rows(32, 2))
    for seed in range(3, 40):
        for each in (young, old):
            each.learn(*rows(32, seed))
    young_weight, old_weight = (net[-1].weight.detach().numpy() for net in (fresh, aged))
    np.testing.assert_allclose(young_weight, old_weight, rtol=1e-6, atol=1e-9)


def test_restoring_a_snapshot_undoes_learning_bit_for_bit():
    golden, _ = rows(50, 1)
    net = network()
    adapting = learner(net, golden)
    adapting.learn(*rows(32, 2))
    before, state = copy.deepcopy(net.state_dict()), adapting.snapshot()
    adapting.learn(*rows(32, 3))
    adapting.restore(state)
    assert all(torch.equal(before[name], tensor) for name, tensor in net.state_dict().items())
    adapting.learn(*rows(32, 4))
    other = network()
    undisturbed = learner(other, golden)
    undisturbed.learn(*rows(32, 2))
    undisturbed.learn(*rows(32, 4))
    assert torch.equal(net[-1].weight, other[-1].weight)
