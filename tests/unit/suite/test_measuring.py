import pytest
import torch

from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.export import registry as exporters
from spinn_edge.suite import measuring
from spinn_edge.suite.measuring import measure
from spinn_edge.suite.measuring_plan import MeasuringPlan
from spinn_edge.suite.model_in_memory import ModelInMemory
from tests.unit.suite.models import Branching, Gated, Wrapped, mlp, sample, seeded

X = sample(4, 3)


def model(module=None, name="net", x=X, factory=None):
    return ModelInMemory.of(mlp() if module is None else module, x, name, factory)


def contenders_of(asked):
    ((contenders, _),) = asked
    return [(c.label, c.runtime) for c in contenders]


def test_models_stand_side_by_side_on_each_runtime(asked):
    pair = [model(name="dense"), model(name="pruned")]
    measured = measure(pair, MeasuringPlan(runtimes=("eager", "torchscript")), 1)
    expected = [(name, rt) for rt in ("eager", "torchscript") for name in ("dense", "pruned")]
    assert contenders_of(asked) == expected
    assert [(row.bundle, row.runtime) for row in measured.result.rows] == expected


def test_rows_carry_the_baseline_of_the_same_conditions(asked):
    pair = [model(name="dense"), model(name="pruned")]
    result = measure(pair, MeasuringPlan(launches=3, runtimes=("eager",)), (1, 4)).result
    assert [facts.baseline for facts in result.bundles] == [True, False]
    for row in result.rows:
        assert (row.baseline_median_s is None) == (row.bundle == "dense")
        assert len(row.baseline_medians_s) == (0 if row.bundle == "dense" else 3)


def test_one_model_is_no_baseline(asked):
    result = measure([model()], MeasuringPlan(runtimes=("eager",)), 1).result
    assert not result.bundles[0].baseline
    assert all(row.baseline_median_s is None for row in result.rows)


def test_plan_reaches_the_workers(asked):
    plan = MeasuringPlan(launches=2, threads=3, timeout_s=7.0, runtimes=("eager",))
    measure([model()], plan.with_iterations(25), (8, 1))
    (((contender,), schedule),) = asked
    assert contender.options.threads == 3
    assert not contender.options.trust_factory
    assert (schedule.batches, schedule.launches, schedule.timeout_s) == ((8, 1), 2, 7.0)
    assert (schedule.rule.fewest_samples, schedule.rule.most_samples) == (25, 25)
    assert schedule.rule.median_within == 0


def test_cpu_has_eager_and_onnx_runtime(asked):
    assert not measure([model()], MeasuringPlan(), 1).notes
    assert [runtime for _, runtime in contenders_of(asked)] == ["eager", "ort-cpu"]


def test_gpu_has_runtimes_of_its_own(asked):
    measure([model()], MeasuringPlan(device="cuda"), 1)
    assert [runtime for _, runtime in contenders_of(asked)] == ["eager-cuda", "ort-cuda"]


def test_default_takes_pt2_where_a_model_has_no_eager_form(asked):
    measured = measure([model(name="dense"), model(Wrapped(), "net")], MeasuringPlan(), 1)
    assert {runtime for _, runtime in contenders_of(asked)} == {"pt2", "ort-cpu"}
    (note,) = measured.notes
    assert note.startswith("pt2 takes the place of eager: 'net' is a Wrapped, whose code cannot")


def test_eager_of_a_model_that_has_none_is_a_row_that_says_why(asked):
    plan = MeasuringPlan(runtimes=("eager", "torchscript"))
    measured = measure([model(Wrapped())], plan, (1, 4))
    assert not measured.notes
    rows = measured.result.rows
    assert [(row.runtime, row.batch, row.status) for row in rows] == [
        ("eager", 1, "unavailable"),
        ("eager", 4, "unavailable"),
        ("torchscript", 1, "ok"),
        ("torchscript", 4, "ok"),
    ]
    assert "cannot be sent to another process without a pickle" in str(rows[0].reason)
    assert rows[0].exit_code == 6


def test_factory_is_called_only_where_it_was_named(asked):
    named = model(Wrapped(), factory="tests.unit.suite.models:make_wrapped")
    measure([named], MeasuringPlan(runtimes=("eager",)), 1)
    (((eager,), _),) = asked
    assert eager.runtime == "eager"
    assert eager.options.trust_factory


def test_format_that_cannot_be_exported_is_a_failed_row_and_the_rest_is_timed(asked):
    plan = MeasuringPlan(runtimes=("ort-cpu", "torchscript", "pt2"))
    rows = measure([model(seeded(Branching))], plan, 1).result.rows
    assert [(row.runtime, row.status) for row in rows] == [
        ("ort-cpu", "failed"),
        ("torchscript", "ok"),
        ("pt2", "failed"),
    ]
    assert "torch.onnx failed" in str(rows[0].reason)
    assert rows[0].exit_code == ExportError.exit_code
    assert contenders_of(asked) == [("net", "torchscript")]


def test_only_formats_that_are_timed_are_exported(asked, monkeypatch):
    monkeypatch.setitem(exporters.EXPORTERS, "pt2", None)  # whoever looks at it fails
    result = measure([model()], MeasuringPlan(runtimes=("eager",)), 1).result
    assert list(result.bundles[0].file_bytes) == ["model.safetensors"]


def test_outputs_are_compared_on_the_same_inputs(asked):
    pair = [model(name="dense"), model(name="same"), model(mlp((3, 4, 2)), "small")]
    differences = measure(pair, MeasuringPlan(runtimes=("eager",)), 1).differences
    assert list(differences) == ["same", "small"]
    assert differences["same"].max_abs == 0
    assert (differences["small"].of_scale or 0.0) > 0.1


def test_samples_of_their_own_are_not_compared(asked):
    pair = [model(name="dense"), model(name="other", x=X + 1)]
    differences = measure(pair, MeasuringPlan(runtimes=("eager",)), 1).differences
    assert differences["other"].reason == "they were given other inputs"


def test_scores_come_from_validation(asked):
    validation = (sample(9, 3), sample(9, 2))
    plan = MeasuringPlan(runtimes=("eager",))
    with_scores = measure([model()], plan, 1, validation=validation).result
    scores = with_scores.bundles[0].scores
    assert scores is not None
    assert scores.rows == 9
    assert measure([model()], plan, 1).result.bundles[0].scores is None


def test_several_inputs_are_exported_in_the_order_of_forward(asked):
    pair = {"gate": X, "signal": X + 1}
    rows = measure([model(Gated(), x=pair)], MeasuringPlan(), 1).result.rows
    assert [(row.runtime, row.status) for row in rows] == [("pt2", "ok"), ("ort-cpu", "ok")]


def test_name_of_any_kind_is_a_label_and_never_a_path(asked):
    name = "../dense / 1"
    measured = measure([model(name=name)], MeasuringPlan(runtimes=("eager",)), 1)
    ((((contender,), _)),) = asked
    assert contender.label == measured.result.rows[0].bundle == name
    assert contender.bundle.name == "_dense___1"


def test_nothing_is_left_on_disk(asked, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    measure([model()], MeasuringPlan(runtimes=("eager",)), 1)
    assert not list(tmp_path.iterdir())


def test_threads_of_pytorch_stay_the_callers(asked):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        measure([model()], MeasuringPlan(runtimes=("torchscript",)), 1)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_memory_that_runs_out_names_a_smaller_batch(asked, monkeypatch):
    def temporary_bundle(*args, **kwargs):
        raise MemoryError

    monkeypatch.setattr(measuring, "temporary_bundle", temporary_bundle)
    with pytest.raises(UsageError, match=r"out of memory .* batch_size=64; name a smaller one"):
        measure([model()], MeasuringPlan(), (1, 64))


def test_steps_are_told(asked):
    steps: list[str] = []
    measure([model()], MeasuringPlan(runtimes=("eager",)), 1, on_step=steps.append)
    assert steps == ["exporting net", "launch 1 of 5: net on eager"]
