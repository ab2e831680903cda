import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.core.adaptation_record import AdaptationSettings
from spinn_edge.core.errors import UsageError
from spinn_edge.training import OnlineAdapter
from spinn_edge.training.dataset import Rows
from tests.fakes.drifting_streams import FEATURES, TARGETS, Blocks, rows_of

WIDE = AdaptationSettings(drift_limit=0.3)


def run(adapter, rows, size=32):
    return [adapter.update(x, y) for x, y in Blocks(rows, size)]


def weights(module):
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def changed(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def shuffled(rows, seed=3):
    order = np.random.default_rng(seed).permutation(len(rows))
    return Rows(features=rows.features, targets=rows.targets[order])


@pytest.mark.parametrize(
    ("layers", "moved"),
    [(1, {"4.weight", "4.bias"}), (2, {"2.weight", "2.bias", "4.weight", "4.bias"})],
)
def test_a_shifted_sensor_is_followed_by_the_last_layers_alone(learned, layers, moved):
    adapter = OnlineAdapter.of_bundle(learned, replace(WIDE, layers=layers, learning_rate=2e-3))
    before = weights(adapter.module)
    steps = run(adapter, rows_of(960, 5, shift=0.5))
    record = adapter.record()
    assert changed(before, weights(adapter.module)) == moved
    assert sum(step.rejected is None for step in steps) >= 28
    assert record.gain.low is not None
    assert record.gain.low > 0.5
    assert all(error.after < 0.7 * error.before for error in record.errors)
    assert 0.02 < max(record.drift.values()) <= 0.3

    late = rows_of(300, 6, shift=0.5)  # rows that came afterwards, of the same sensor
    x = torch.from_numpy(late.features).float()
    was, now = (
        np.abs(net(x).numpy() - late.targets).mean()
        for net in (adapter.subject.module, adapter.module)
    )
    assert now < 0.6 * was


def test_method_is_exact_only_where_the_layer_is_the_output(learned, factory_made):
    assert OnlineAdapter.of_bundle(learned).record().method == "least squares"
    two = OnlineAdapter.of_bundle(learned, AdaptationSettings(layers=2))
    assert two.record().method == "gradient steps"
    softplus = OnlineAdapter.of_bundle(
        factory_made, features=FEATURES, targets=TARGETS, trust_factory=True
    )
    assert softplus.record().method == "gradient steps"
    assert softplus.layers == ("head",)


def test_network_of_a_factory_adapts_and_leaves_its_other_layers_alone(factory_made):
    adapter = OnlineAdapter.of_bundle(
        factory_made,
        replace(WIDE, drift_limit=1.0, learning_rate=0.01),
        features=FEATURES,
        targets=TARGETS,
        trust_factory=True,
    )
    before = weights(adapter.module)
    x = rows_of(640, 2).features
    with torch.no_grad():
        y = 1.3 * adapter.subject.module(torch.from_numpy(x).float()).double().numpy()
    run(adapter, Rows(features=x, targets=y))
    assert changed(before, weights(adapter.module)) == {"head.weight", "head.bias"}
    gain = adapter.record().gain
    assert gain.low is not None
    assert gain.low > 0.3


def test_the_network_that_was_given_is_not_changed(learned):
    adapter = OnlineAdapter.of_bundle(learned, WIDE)
    before = weights(adapter.subject.module)
    run(adapter, rows_of(320, 5, shift=0.5))
    assert adapter.rows_learnt == 320
    assert not changed(before, weights(adapter.subject.module))


@pytest.mark.parametrize("layers", [1, 2])
def test_targets_that_belong_to_other_rows_leave_the_weights_bit_for_bit(learned, layers):
    adapter = OnlineAdapter.of_bundle(learned, AdaptationSettings(layers=layers))
    before = weights(adapter.module)
    steps = run(adapter, shuffled(rows_of(640, 5)))
    assert {step.rejected.guard for step in steps} <= {"consistency", "drift"}
    assert "consistency" in {step.rejected.guard for step in steps}
    assert not changed(before, weights(adapter.module))
    record = adapter.record()
    assert (record.rows_learnt, record.rows_rejected, record.batches_rejected) == (0, 640, 20)
    assert max(record.drift.values()) == 0


@pytest.mark.parametrize("layers", [1, 2])
def test_batch_beyond_the_drift_limit_is_taken_back_and_the_stream_goes_on(learned, layers):
    settings = AdaptationSettings(layers=layers, drift_limit=0.12, learning_rate=1e-3)
    adapter = OnlineAdapter.of_bundle(learned, settings)
    run(adapter, rows_of(320, 5, shift=0.2))
    good = weights(adapter.module)
    learnt = adapter.rows_learnt
    assert learnt > 0
    far = rows_of(256, 6, shift=3.0)
    step = adapter.update(far.features, far.targets)
    assert step.rejected is not None
    assert step.rejected.guard == "drift"
    assert "of its scale on the golden inputs, allowed 12.00%" in step.rejected.reason
    assert not changed(good, weights(adapter.module))
    assert adapter.rows_learnt == learnt
    run(adapter, rows_of(320, 7, shift=0.2))
    assert adapter.rows_learnt > learnt
    assert max(adapter.drift().values()) <= 0.12


@pytest.mark.parametrize("layers", [1, 2])
def test_a_refused_batch_leaves_no_trace_in_what_is_learnt_later(learned, layers):
    settings = AdaptationSettings(layers=layers, drift_limit=0.3)
    first, second = rows_of(320, 5, shift=0.3), rows_of(320, 6, shift=0.3)
    rubbish = shuffled(rows_of(64, 8))
    clean, disturbed = (OnlineAdapter.of_bundle(learned, settings) for _ in range(2))
    for adapter in (clean, disturbed):
        run(adapter, first)
        if adapter is disturbed:
            assert all(step.rejected for step in run(adapter, rubbish))
        run(adapter, second)
    assert not changed(weights(clean.module), weights(disturbed.module))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (1, np.nan, "column 'speed' is nan in row 36; a number was expected"),
        (4, np.inf, "column 'heat' is inf in row 36"),
        (0, 1000.0, "column 'force' is 1000 in row 36; believed are"),
        (3, -7.0, "column 'wear' is -7 in row 36; believed are"),
    ],
)
def test_batch_with_values_that_cannot_be_is_refused_and_named(learned, column, value, words):
    adapter = OnlineAdapter.of_bundle(learned, WIDE)
    rows = rows_of(64, 5, shift=0.3)
    table = np.hstack([rows.features, rows.targets])
    table[35, column] = value
    good, bad = run(adapter, Rows(features=table[:, :3], targets=table[:, 3:]))
    assert good.rejected is None
    assert bad.rejected.guard == "values"
    assert words in bad.rejected.reason
    assert (bad.first_row, bad.last_row) == (33, 64)
    assert adapter.record().rejected == (bad.rejected,)


def test_batch_of_other_columns_is_refused_and_named(learned):
    adapter = OnlineAdapter.of_bundle(learned)
    step = adapter.update(np.zeros((4, 5)), np.zeros((4, 2)))
    assert step.rejected is not None
    assert "features of shape [4, 5]" in step.rejected.reason
    assert "expected [rows, 3]" in step.rejected.reason


def test_weights_that_became_worse_go_back_to_the_parents(learned):
    settings = AdaptationSettings(drift_limit=1.0, surprise=1e6)
    adapter = OnlineAdapter.of_bundle(learned, settings)
    before = weights(adapter.module)
    run(adapter, rows_of(640, 5, shift=1.0))
    assert changed(before, weights(adapter.module))
    harmed = None
    for x, y in Blocks(rows_of(640, 6)):  # the sensor was repaired
        step = adapter.update(x, y)
        if step.rejected and step.rejected.guard == "harm":
            harmed = step
            break
    assert harmed is not None
    assert harmed.rejected is not None
    assert "went back to the parent's" in harmed.rejected.reason
    assert not changed(before, weights(adapter.module))
    record = adapter.record()
    assert record.rows_taken_back > 600
    assert record.rows_learnt == 0
    assert record.rows_seen == record.rows_taken_back + record.rows_rejected


def test_rows_are_predicted_before_they_are_learnt(learned):
    adapter = OnlineAdapter.of_bundle(learned, WIDE)
    rows = rows_of(64, 5, shift=0.5)
    parent = adapter.subject.module
    x = torch.from_numpy(rows.features).float()
    with torch.no_grad():
        frozen = parent(x).double().numpy() - rows.targets
        adapter.update(rows.features[:32], rows.targets[:32])
        adapting = frozen.copy()
        adapting[32:] = adapter.module(x[32:]).double().numpy() - rows.targets[32:]
    adapter.update(rows.features[32:], rows.targets[32:])
    errors = adapter.record().errors
    for index, error in enumerate(errors):
        assert error.before == pytest.approx(np.sqrt((frozen[:, index] ** 2).mean()))
        assert error.after == pytest.approx(np.sqrt((adapting[:, index] ** 2).mean()))
    assert (adapter.record().gain.batches, adapter.record().gain.rows) == (1, 32)


@pytest.mark.parametrize("layers", [1, 2])
def test_same_stream_and_seed_give_the_same_weights(learned, layers):
    def digest(seed):
        adapter = OnlineAdapter.of_bundle(learned, replace(WIDE, layers=layers, seed=seed))
        run(adapter, rows_of(320, 5, shift=0.5))
        content = b"".join(t.numpy().tobytes() for t in adapter.module.state_dict().values())
        return hashlib.sha256(content).hexdigest()

    assert digest(0) == digest(0)
    assert (digest(0) == digest(1)) == (layers == 1)  # the exact solution draws nothing


@pytest.mark.parametrize("layers", [1, 2])
def test_ctrl_c_in_the_middle_of_learning_leaves_the_last_good_weights(
    learned, layers, monkeypatch
):
    adapter = OnlineAdapter.of_bundle(learned, replace(WIDE, layers=layers))
    run(adapter, rows_of(64, 5, shift=0.5))
    good = weights(adapter.module)

    def stop():
        raise KeyboardInterrupt

    monkeypatch.setattr(adapter, "_drifts", stop)
    rows = rows_of(32, 6, shift=0.5)
    with pytest.raises(KeyboardInterrupt):
        adapter.update(rows.features, rows.targets)
    assert not changed(good, weights(adapter.module))
    assert adapter.record().rows_seen == 64


def test_a_surprising_batch_of_few_rows_is_not_believed(learned):
    adapter = OnlineAdapter.of_bundle(learned)
    rows = rows_of(4, 5, shift=2.0)
    step = adapter.update(rows.features, rows.targets)
    assert step.rejected is not None
    assert "4 rows are too few to tell a shift from rubbish" in step.rejected.reason


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"layers": 0}, "--layers 0: expected at least 1"),
        ({"layers": 4}, "--layers 4: the network uses 3 Linear layers"),
        ({"batch": 1}, "--batch 1: expected at least 2 rows"),
        ({"drift_limit": 0.0}, "--drift-limit 0.0: expected above 0"),
        ({"replay": 1.0}, "--replay 1.0: expected at least 0 and below 1"),
        ({"memory": 8}, "--memory 8: expected at least --batch 32"),
        ({"learning_rate": 0.0}, "--learning-rate 0.0: expected above 0"),
        ({"range_factor": 0.5}, "--range-factor 0.5: expected at least 1"),
        ({"surprise": 0.0}, "--surprise 0.0: expected at least 1"),
        ({"drift_limit": float("nan")}, "--drift-limit nan: expected above 0"),
    ],
)
def test_a_setting_that_makes_no_sense_is_refused(learned, change, words):
    with pytest.raises(UsageError, match=words):
        OnlineAdapter.of_bundle(learned, replace(AdaptationSettings(), **change))
