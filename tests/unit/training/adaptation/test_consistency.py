import numpy as np
import pytest

from spinn_edge.training.adaptation.consistency import EXPLAINED, explained_share


def test_size_of_a_step_does_not_count_but_its_direction_does():
    needed = np.array([[1.0, 2.0], [1.0, 2.0]])
    assert explained_share(0.01 * needed, needed) == pytest.approx(1.0)
    assert explained_share(-needed, needed) == 0.0
    assert explained_share(np.zeros((2, 2)), needed) == 0.0
    right_angle = np.array([[1.0, 0.0], [0.0, 0.0]])
    assert explained_share(right_angle, np.array([[1.0, 0.0], [1.0, 0.0]])) == pytest.approx(0.5)


def test_a_shift_of_three_usual_errors_passes_and_shuffled_targets_do_not():
    generator = np.random.default_rng(0)
    noise = generator.normal(size=(400, 2))
    assert explained_share(np.full((400, 2), 0.1), 3 + noise) > 0.85 > EXPLAINED
    outputs = generator.normal(size=(400, 2))
    others = outputs[generator.permutation(400)]
    towards_the_mean = -0.1 * outputs  # all that can be learnt from targets of other rows
    assert explained_share(towards_the_mean, others - outputs) < 0.6 < EXPLAINED
