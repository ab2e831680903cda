from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mean_squared_error, r2_score

from spinn_edge.core.errors import UsageError
from spinn_edge.core.manifest import DataRecipe
from spinn_edge.export.bundling import ExportRequest
from spinn_edge.export.learned import Lesson, score_learned, write_learned
from spinn_edge.models.modules import MLP
from spinn_edge.training.dataset import Rows, Split
from spinn_edge.training.fitting import Epoch, Fit
from spinn_edge.training.scaling import fit_scaling

RECIPE = DataRecipe(features=("a", "b", "c"), targets=("wear", "heat"))


def rows(count, seed):
    generator = np.random.default_rng(seed)
    features = generator.normal((1.0, -5.0, 300.0), (0.1, 2.0, 50.0), (count, 3))
    targets = np.stack([features[:, 0] * 3, features[:, 1] ** 2], axis=1)
    return Rows(features=features, targets=targets + generator.normal(0, 0.1, targets.shape))


@pytest.fixture
def lesson():
    split = Split(train=rows(60, 0), held_out=rows(20, 1), dropped=0, held_out_from="20 rows")
    return Lesson(recipe=RECIPE, split=split, scaling=fit_scaling(split.train), seed=3)


@pytest.fixture
def mlp():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MLP((3, 6, 2), "tanh").eval()


def epoch(number, best=False):
    return Epoch(number=number, train_loss=1.0, validation_loss=1.0, best=best)


FITS = (
    Fit(history=(epoch(1, True), epoch(2)), interrupted=False),
    Fit(history=(epoch(1), epoch(2, True), epoch(3)), interrupted=False),
)


def predictions(mlp, features):
    with torch.no_grad():
        return mlp(torch.from_numpy(features).float()).double().numpy()


def assert_scores(scores, mlp, train, scored):
    predicted = predictions(mlp, scored.features)
    linear = LinearRegression().fit(train.features, train.targets).predict(scored.features)
    for index, name in enumerate(RECIPE.targets):
        truth = scored.targets[:, index]
        assert scores.r2[name] == pytest.approx(r2_score(truth, predicted[:, index]))
        assert scores.rmse[name] == pytest.approx(
            np.sqrt(mean_squared_error(truth, predicted[:, index]))
        )
        assert scores.linear_r2[name] == pytest.approx(r2_score(truth, linear[:, index]))
    assert scores.r2_overall == pytest.approx(np.mean(list(scores.r2.values())))


def test_held_out_rows_are_scored_and_said_to_have_chosen(lesson, mlp):
    scores = score_learned(mlp, lesson)
    assert_scores(scores, mlp, lesson.split.train, lesson.split.held_out)
    assert scores.rows == 20
    assert scores.source == "20 rows (they also chose the best epoch)"


def write_test_file(write_csv, test):
    table = np.hstack([test.features, test.targets])
    lines = ["a,b,c,wear,heat", *(",".join(map(repr, row)) for row in table.tolist())]
    return write_csv(lines, "test.csv")


def test_rows_of_a_test_file_are_scored_in_their_place(lesson, mlp, write_csv):
    test = rows(30, 2)
    path = write_test_file(write_csv, test)
    scores = score_learned(mlp, replace(lesson, test=path))
    assert_scores(scores, mlp, lesson.split.train, test)
    assert (scores.rows, scores.source) == (30, "30 rows of test.csv, used for nothing else")


def test_a_test_file_without_a_column_is_refused(lesson, mlp, write_csv):
    path = write_csv(["a,b,c,wear", "1,2,3,4"], "test.csv")
    with pytest.raises(UsageError, match="no column 'heat'"):
        score_learned(mlp, replace(lesson, test=path))


def test_the_bundle_says_how_the_network_was_taught(lesson, mlp, tmp_path):
    bundle = write_learned(mlp, tmp_path / "out", lesson, fits=FITS, duration_s=1.5)
    training = bundle.manifest.training
    assert training is not None
    assert (training.epochs, training.best_epoch, training.duration_s) == (5, 2, 1.5)
    assert (training.seed, training.interrupted) == (3, False)
    assert training.recipe == RECIPE
    assert training.scaling == lesson.scaling
    assert training.scores == score_learned(mlp, lesson)
    assert bundle.manifest.architecture.widths == (3, 6, 2)


def test_golden_inputs_are_real_rows_with_the_extremes(lesson, mlp, tmp_path):
    request = ExportRequest(max_batch=16)
    bundle = write_learned(
        mlp, tmp_path / "out", lesson, fits=FITS, duration_s=1.0, request=request
    )
    features = np.concatenate([lesson.split.train.features, lesson.split.held_out.features])
    golden = bundle.golden().inputs["input"]
    assert len(golden) == 16
    assert {tuple(row) for row in golden} <= {tuple(row) for row in features.astype(np.float32)}
    np.testing.assert_array_equal(golden.max(axis=0), features.max(axis=0).astype(np.float32))
    assert bundle.manifest.golden_source == "16 rows of the training data, extremes included"


def test_a_network_that_no_epoch_ended_for_has_no_best_one(lesson, mlp, tmp_path):
    fits = (Fit(history=(), interrupted=True),)
    bundle = write_learned(mlp, tmp_path / "out", lesson, fits=fits, duration_s=0.1)
    training = bundle.manifest.training
    assert training is not None
    assert (training.epochs, training.best_epoch, training.interrupted) == (0, 0, True)


def test_an_interruption_in_any_run_is_remembered(lesson, mlp, tmp_path):
    fits = (replace(FITS[0], interrupted=True), FITS[1])
    bundle = write_learned(mlp, tmp_path / "out", lesson, fits=fits, duration_s=0.1)
    assert bundle.manifest.training is not None
    assert bundle.manifest.training.interrupted
