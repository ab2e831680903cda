from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.core.errors import ExportError, UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.task_loss import (
    MOST_LOSS,
    ScoredRows,
    make_task_score,
    outputs_on,
    read_scored_rows,
)
from tests.fakes.networks import load_mlp, module_in
from tests.fakes.runtime import FakeRuntime, double

RECIPE = DataRecipe(features=("a", "b"), targets=("wear", "heat"))
INPUTS = (TensorSpec("x", (None, 2), np.dtype(np.float32)),)


def rows(targets=None, *, required=True, count=50):
    features = np.random.default_rng(0).standard_normal((count, 2))
    return ScoredRows(
        features=features,
        targets=2 * features if targets is None else targets,
        names=("wear", "heat"),
        source="50 rows of test.csv",
        required=required,
    )


def twice(feeds):
    return {"y": 2 * feeds["x"]}


def score_of(scored=None):
    score = make_task_score(scored or rows(), INPUTS, twice)
    assert score is not None
    return score


# --- rows


def write(path, text):
    path.write_text(text)
    return path


def test_the_columns_that_the_model_learnt_from_are_read_in_its_order(tmp_path):
    path = write(tmp_path / "t.csv", "heat,b,a,wear,other\n1,2,3,4,x\n5,6,7,8,y\n")
    found = read_scored_rows(path, RECIPE, required=True)
    assert found is not None
    assert found.features.tolist() == [[3, 2], [7, 6]]
    assert found.targets.tolist() == [[4, 1], [8, 5]]
    assert found.source == "2 rows of t.csv"


def test_rows_with_missing_values_are_left_out(tmp_path):
    path = write(tmp_path / "t.csv", "a,b,wear,heat\n1,2,3,4\n1,,3,4\n")
    found = read_scored_rows(path, RECIPE, required=True)
    assert found is not None
    assert found.source == "1 rows of t.csv"


def test_a_file_without_targets_scores_nothing_unless_it_must(tmp_path):
    path = write(tmp_path / "t.csv", "a,b\n1,2\n")
    assert read_scored_rows(path, RECIPE, required=False) is None
    with pytest.raises(UsageError, match="no column 'wear'"):
        read_scored_rows(path, RECIPE, required=True)


# --- scores


def test_eager_itself_loses_nothing():
    score = score_of()
    assert score.losses({"y": twice(score.inputs)["y"]}) == {"wear": 0, "heat": 0}


def test_the_loss_is_that_of_each_target():
    score = score_of()
    spoiled = twice(score.inputs)["y"].copy()
    spoiled[:, 1] += 0.3 * spoiled[:, 1].std()
    losses = score.losses({"y": spoiled})
    assert losses["wear"] == 0
    assert losses["heat"] == pytest.approx(0.09, rel=0.01)
    assert "target 'heat' loses 0.0900 of its R² on 50 rows of test.csv" in (
        score.fault(losses) or ""
    )
    assert score.fault({"wear": MOST_LOSS, "heat": -1.0}) is None


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_loses_all(value):
    score = score_of()
    spoiled = twice(score.inputs)["y"].copy()
    spoiled[3, 0] = value
    assert score.fault(score.losses({"y": spoiled})) is not None


def test_a_constant_target_has_no_score():
    features = rows().features
    targets = np.stack([2 * features[:, 0], np.ones(50)], axis=1)
    assert score_of(rows(targets)).names == ("wear",)
    assert make_task_score(rows(np.ones((50, 2))), INPUTS, twice) is None


def test_no_rows_no_score():
    assert make_task_score(None, INPUTS, twice) is None


def test_the_output_with_as_many_channels_as_targets_predicts_them():
    def several(feeds):
        return {"slope": feeds["x"][:, :1], **twice(feeds)}

    score = make_task_score(rows(), INPUTS, several)
    assert score is not None
    assert score.output == "y"


@pytest.mark.parametrize(
    ("inputs", "eager"),
    [
        ((TensorSpec("x", (None, 3), np.dtype(np.float32)),), twice),
        ((*INPUTS, *INPUTS), twice),
        (INPUTS, lambda feeds: {"y": feeds["x"][:, :1]}),
    ],
    ids=["another width", "two inputs", "fewer targets"],
)
def test_rows_that_do_not_fit_are_refused_where_they_must_fit(inputs, eager):
    with pytest.raises(UsageError, match="2 feature and 2 target columns"):
        make_task_score(rows(), inputs, eager)
    assert make_task_score(rows(required=False), inputs, eager) is None


@pytest.mark.parametrize("batch", [1, 2, 4, 7, 50])
def test_all_samples_are_run_in_calls_of_one_size(batch):
    sizes = []

    def compute(feeds):
        sizes.append(len(feeds["x"]))
        return double(feeds)

    x = np.arange(14, dtype=np.float32).reshape(7, 2)
    got = outputs_on(FakeRuntime(compute), {"x": x}, batch)
    np.testing.assert_array_equal(got["y"], 2 * x)
    assert set(sizes) == {batch}


# --- at export


def scored(loaded, noise, count=400):
    """Rows whose targets are the model's own outputs with noise of a part of their spread."""
    generator = np.random.default_rng(1)
    features = generator.standard_normal((count, 4))
    with torch.no_grad():
        y = module_in(loaded)(torch.from_numpy(features.astype("float32"))).numpy()
    targets = y.astype(np.float64) + noise * y.std(axis=0) * generator.standard_normal(y.shape)
    return ScoredRows(features=features, targets=targets, names=("a", "b"), source="400 rows")


def test_what_the_task_lost_is_written_down(tmp_path):
    loaded = load_mlp()
    request = ExportRequest(
        formats=("onnx", "pt2"),
        precisions=("fp32", "fp16", "int8"),
        max_batch=8,
        scored=scored(loaded, 0.1),
    )
    manifest = write_bundle(loaded, tmp_path / "b", request).manifest
    assert "task_score" not in manifest.files_of("onnx", "fp32")[0].details
    for precision, most in (("fp16", 1e-3), ("int8", MOST_LOSS)):
        for entry in (f for f in manifest.files if f.precision == precision):
            task = entry.details["task_score"]
            assert task["rows"] == "400 rows"
            assert set(task["r2_loss"]) == {"a", "b"}
            assert 0 < max(map(abs, task["r2_loss"].values())) <= most


def test_without_rows_it_says_that_the_task_was_not_scored(tmp_path):
    request = ExportRequest(formats=("onnx",), precisions=("fp16",), max_batch=8)
    (entry,) = write_bundle(load_mlp(), tmp_path / "b", request).manifest.files_of("onnx", "fp16")
    assert entry.details["task_score"]["rows"] is None


def test_a_file_that_loses_the_task_within_parity_is_refused(tmp_path):
    """Targets that vary by less than float16 resolves: parity holds, the task is lost."""
    loaded = load_mlp()
    with torch.no_grad():
        module_in(loaded)[4].bias += 1000  # the scale is 1000, what varies is about 1
    request = ExportRequest(formats=("torchscript",), precisions=("fp16",), max_batch=8)
    write_bundle(loaded, tmp_path / "good", request)  # by parity alone it is
    folder = tmp_path / "empty"
    folder.mkdir()
    match = r"torchscript in fp16 was exported but target '\w' loses .* of its R² on 400 rows"
    with pytest.raises(ExportError, match=match):
        write_bundle(loaded, folder / "b", replace(request, scored=scored(loaded, 0.0)))
    assert list(folder.iterdir()) == []


def with_planted_layer(*widths):
    """Units of very different range between two layers, and outputs that hide it from parity."""
    loaded = load_mlp((4, *widths, 2), "relu")
    module = module_in(loaded)
    factors = torch.logspace(-3, 3, widths[0])
    with torch.no_grad():
        module[0].weight.mul_(factors[:, None])
        module[0].bias.mul_(factors)
        module[2].weight.div_(factors)
        module[-1].bias += 1000
    return loaded


def int8_left_out(loaded, folder, wanted):
    request = ExportRequest(formats=("onnx",), precisions=("int8",), max_batch=64, scored=wanted)
    (entry,) = write_bundle(loaded, folder, request).manifest.files_of("onnx", "int8")
    return entry.details["quantization"]["left_in_fp32"]


def test_a_layer_that_costs_the_task_stays_float32_though_parity_holds(tmp_path):
    loaded = with_planted_layer(64, 64, 64)
    assert int8_left_out(loaded, tmp_path / "parity", None) == []
    wanted = scored(loaded, 0.0)
    assert int8_left_out(loaded, tmp_path / "task", wanted)[0] == "node_linear_1"


def test_int8_that_cannot_keep_the_task_is_refused(tmp_path):
    loaded = with_planted_layer(64, 64)
    assert int8_left_out(loaded, tmp_path / "parity", None) == []
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ExportError, match="no int8 file of this form is good: target"):
        int8_left_out(loaded, folder / "b", scored(loaded, 0.0))
    assert list(folder.iterdir()) == []
