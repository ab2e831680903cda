"""Networks, losses and points of a subject."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spinn_edge.bench.training.job import Subject
from spinn_edge.bench.training.tasks import make_task
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.training.pinn_step import FORWARD, gradient_of


def test_a_seed_gives_the_same_weights_and_points():
    first, again, other = (make_task(Subject(name="reaction"), seed) for seed in (3, 3, 4))
    for ours, same, theirs in zip(
        first.network.parameters(),
        again.network.parameters(),
        other.network.parameters(),
        strict=True,
    ):
        assert torch.equal(ours, same)
        assert not torch.equal(ours, theirs)
    assert torch.equal(first.batches[0]["interior"], again.batches[0]["interior"])
    assert not torch.equal(first.batches[0]["interior"], other.batches[0]["interior"])
    assert first.batches[0]["interior"].dtype == torch.float32
    assert first.facts["parameters"] == "8577"
    assert "interior 2000" in first.facts["rows_of_a_step"]


def test_the_demo_has_many_steps_an_epoch():
    task = make_task(Subject(name="demo"), 0)
    assert len(task.batches) == 32
    assert task.facts["network"] == "18-512-512-512-256-2 tanh"
    assert task.facts["an_epoch"] == "32 steps"


def test_a_bundle_is_tuned_on_its_golden_inputs(tiny_bundle):
    task = make_task(Subject(name="tiny", bundle=str(tiny_bundle.root)), 0)
    golden = tiny_bundle.golden()
    assert task.facts["network"] == "18-16-16-2, weights of the bundle"
    assert "golden inputs" in task.facts["problem"]
    assert task.network.training
    points = task.batches[0]
    assert len(points["features"]) == min(128, len(next(iter(golden.inputs.values()))))
    gradient = gradient_of(task.network, task.loss, FORWARD)
    assert torch.isfinite(gradient(points))


def test_a_bundle_that_was_trained_here_is_tuned_on_standardised_rows(trained_bundle):
    bundle, table = trained_bundle
    task = make_task(Subject(name="t", bundle=str(bundle.root), data=str(table)), 0)
    rows = torch.cat([batch["features"] for batch in task.batches])
    assert len(rows) == 128  # of 160: whole batches alone
    assert rows.mean(dim=0).abs().max() < 0.5
    assert (rows.std(dim=0) - 1).abs().max() < 0.3
    assert f"160 rows of {table.name}" in task.facts["problem"]
    # the network fits what it learnt from, so it stands in the same units as the rows
    with torch.no_grad():
        error = (task.network(rows) - torch.cat([b["targets"] for b in task.batches])).square()
    assert error.mean() < 0.5


@pytest.fixture(scope="module")
def trained_bundle(tmp_path_factory):
    from spinn_edge.core.table import read_table
    from spinn_edge.export.learned import Lesson, write_learned
    from spinn_edge.training.dataset import load_split, make_recipe
    from spinn_edge.training.reference import Optimisation, train_mlp

    folder = tmp_path_factory.mktemp("trained")
    generator = np.random.default_rng(0)
    x = generator.normal(loc=100, scale=20, size=(160, 3))
    y = x[:, 0] - 5 * x[:, 1]
    lines = ["a,b,c,wear", *(",".join(map(str, (*row, t))) for row, t in zip(x, y, strict=True))]
    table = folder / "rows.csv"
    table.write_text("\n".join(lines) + "\n")
    recipe = make_recipe(read_table(table), targets=["wear"])
    split = load_split(table, recipe)
    trained = train_mlp(
        split,
        recipe,
        hidden=(16, 16),
        activation="tanh",
        optimisation=Optimisation(epochs=60, learning_rate=1e-2),
    )
    lesson = Lesson(recipe=recipe, split=split, scaling=trained.scaling, seed=0)
    bundle = write_learned(
        trained.module, folder / "bundle", lesson, fits=(trained.fit,), duration_s=1.0
    )
    return bundle, table


def test_data_for_a_bundle_without_a_recipe_is_refused(tiny_bundle, tmp_path):
    subject = Subject(name="tiny", bundle=str(tiny_bundle.root), data=str(tmp_path / "x.csv"))
    with pytest.raises(UsageError, match="leave out --data"):
        make_task(subject, 0)


def test_a_bundle_whose_input_is_no_table_is_refused(tiny_bundle, monkeypatch):
    golden = tiny_bundle.golden()
    wide = {name: array[:, :, None] for name, array in golden.inputs.items()}
    monkeypatch.setattr(Bundle, "golden", lambda self: replace(golden, inputs=wide))
    with pytest.raises(UsageError, match="one input and one output"):
        make_task(Subject(name="images", bundle=str(tiny_bundle.root)), 0)
