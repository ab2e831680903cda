from dataclasses import replace

import numpy as np

from spinn_edge.export.golden import NOISE as GOLDEN_NOISE
from spinn_edge.training.adaptation.limits import NOISE, ValueLimits, limits_of

NAMES = ("a", "b", "y")


def test_values_inside_a_stated_multiple_of_the_range_are_believed():
    limits = ValueLimits(
        names=("a", "b"),
        middle=np.array([0.0, 10.0]),
        half_width=np.array([1.0, 5.0]),
        factor=3.0,
    )
    assert limits.fault(np.array([[3.0, -5.0], [-3.0, 25.0]]), (1, 2)) is None
    reason = limits.fault(np.array([[0.0, 0.0], [0.0, 25.1]]), (7, 9))
    assert reason == (
        "column 'b' is 25.1 in row 9; believed are -5 to 25, 3 times the range of training"
    )
    assert "column 'a' is nan in row 7" in (limits.fault(np.array([[np.nan, 99.0]]), (7,)) or "")


def test_range_of_training_is_that_of_golden_data_and_three_deviations(learned):
    manifest = learned.manifest
    inputs = learned.golden().inputs["input"]
    outputs = learned.golden().outputs["output"]
    names = (*manifest.training.recipe.features, *manifest.training.recipe.targets)
    limits = limits_of(manifest, inputs, outputs, names, 3.0)
    scaling = manifest.training.scaling
    low, high = (limits.middle + sign * limits.half_width for sign in (-1, 1))
    golden = np.hstack([inputs, outputs])
    assert (low <= golden.min(axis=0)).all()
    assert (high >= golden.max(axis=0)).all()
    mean = np.array([*scaling.feature_mean, *scaling.target_mean])
    std = np.array([*scaling.feature_std, *scaling.target_std])
    assert (low <= mean - 2.99 * std).all()
    assert (high < mean + 6 * std).all()


def test_golden_noise_sets_no_limits_and_a_constant_column_some(learned):
    untrained = replace(learned.manifest, training=None, golden_source=f"{NOISE}, seed 0")
    inputs, outputs = np.array([[1.0, 2.0], [3.0, 2.0]]), np.array([[0.0], [0.0]])
    assert np.isinf(limits_of(untrained, inputs, outputs, NAMES, 3.0).half_width).all()
    real = replace(untrained, golden_source="2 rows of data.csv")
    np.testing.assert_array_equal(
        limits_of(real, inputs, outputs, NAMES, 3.0).half_width, [1.0, 2.0, 1.0]
    )


def test_noise_is_called_what_the_export_calls_it():
    assert NOISE == GOLDEN_NOISE
