from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from spinn_edge.accuracy.validation.labelled import LabelledData, load_labelled
from spinn_edge.core.errors import UsageError
from tests.conftest import WriteCsv

X = np.arange(12.0).reshape(6, 2)
Y = np.arange(6.0).reshape(6, 1)


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **{name.replace("__", "/"): array for name, array in arrays.items()})
    return path


def refused(loader: Any, **options: Any) -> str:
    with pytest.raises(UsageError) as caught:
        load_labelled(loader, **options)
    return str(caught.value)


def test_csv_gives_the_named_columns(write_csv: WriteCsv) -> None:
    path = write_csv(["a,t,b", "1,10,2", "3,30,4"])
    data = load_labelled(str(path), features=("b", "a"), targets=("t",))
    assert data.inputs["features"].tolist() == [[2.0, 1.0], [4.0, 3.0]]
    assert data.targets["targets"].tolist() == [[10.0], [30.0]]
    assert (data.samples, data.columns, data.from_table) == (2, ("t",), True)
    assert data.source == "2 rows of data.csv"


@pytest.mark.parametrize(
    ("lines", "options", "words"),
    [
        ([""], {}, "is empty"),
        (["a,t"], {}, "has a header but no rows"),
        (["a,t", "1,2"], {"features": ("a", "c")}, "has no column 'c'"),
        (["a,t", "1,2"], {"targets": ("u",)}, "has no column 'u'; its columns are: a, t"),
        (["a,t", "1,2", ",3"], {}, "column 'a' in data row 2"),
        (["a,t", "1,nan"], {}, "column 't' in data row 1"),
        (["a,t", "1,x"], {}, "holds text, 'x' in data row 1"),
        (["a,t", "1,2"], {"targets": ("a",)}, "cannot be both feature and target"),
        (["a,t", "1,2"], {"features": ()}, "name them: features=..., targets=..."),
        (["a,t", "1,2"], {"targets": ()}, "(--features, --targets)"),
    ],
)
def test_bad_csv_is_refused(
    write_csv: WriteCsv, lines: Sequence[str], options: dict[str, Any], words: str
) -> None:
    assert words in refused(write_csv(lines), **{"features": ("a",), "targets": ("t",), **options})


def test_rows_with_missing_values_can_be_left_out(write_csv: WriteCsv) -> None:
    path = write_csv(["a,t", "1,2", ",3", "5,6"])
    data = load_labelled(path, features=("a",), targets=("t",), drop_na=True)
    assert data.inputs["features"].tolist() == [[1.0], [5.0]]


def test_missing_file_is_refused(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "no.csv", features=("a",), targets=("t",))
    assert "cannot be read as NPZ" in refused(tmp_path / "no.npz")


def test_npz_gives_arrays_by_name(tmp_path: Path) -> None:
    path = npz(tmp_path / "data.npz", input__x=X.astype(np.float32), target__y=Y, note=np.ones(1))
    data = load_labelled(path)
    assert data.inputs["x"].dtype == np.float32
    assert list(data.targets) == ["y"]
    assert (data.named_inputs, data.named_targets, data.from_table) == (True, True, False)


def test_npz_without_targets_or_inputs_says_how_to_write_it(tmp_path: Path) -> None:
    without = refused(npz(tmp_path / "a.npz", input__x=X))
    assert "has no array target/NAME, only ['input/x']" in without
    assert "numpy.savez(path, **{'input/x': x, 'target/y': y})" in without
    assert "has no array input/NAME" in refused(npz(tmp_path / "b.npz", target__y=Y))


def test_npz_that_is_none_or_holds_objects_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.npz").write_text("no archive")
    assert "cannot be read as NPZ" in refused(tmp_path / "text.npz")
    objects = npz(tmp_path / "o.npz", input__x=np.array([{}], dtype=object), target__y=Y)
    assert "cannot be read as NPZ" in refused(objects)


def test_pair_of_arrays_tensors_sequences_or_mappings() -> None:
    plain = load_labelled((X, torch.from_numpy(Y)))
    assert (list(plain.inputs), list(plain.targets)) == (["input"], ["target"])
    assert not plain.named_inputs
    several = load_labelled(((X, 2 * X), (Y, Y)))
    assert (list(several.inputs), list(several.targets)) == (
        ["input_0", "input_1"],
        ["target_0", "target_1"],
    )
    named = load_labelled(({"a": X}, {"b": Y}))
    assert (list(named.inputs), named.named_inputs, named.named_targets) == (["a"], True, True)
    nested = load_labelled(([[1.0, 2.0], [3.0, 4.0]], [[1.0], [2.0]]))
    assert nested.inputs["input"].shape == (2, 2)


def test_data_loader_gives_all_its_batches() -> None:
    tensors = TensorDataset(torch.from_numpy(X), torch.from_numpy(Y))
    data = load_labelled(DataLoader(tensors, batch_size=4))
    np.testing.assert_array_equal(data.inputs["input"], X)
    np.testing.assert_array_equal(data.targets["target"], Y)
    assert data.source == "2 batches of a DataLoader"
    three = TensorDataset(torch.from_numpy(X), torch.from_numpy(X), torch.from_numpy(Y))
    assert list(load_labelled(DataLoader(three)).inputs) == ["input_0", "input_1"]
    assert load_labelled(iter([({"a": X}, Y)])).named_inputs


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ([], "the loader gives no batches"),
        ([X], "batch 0 of the loader is a ndarray, expected a pair"),
        ([(X, Y), (X,)], "batch 1 of the loader is a tuple"),
        ([(X, Y), (np.ones((2, 3)), np.ones((2, 1)))], "batches do not fit together"),
        ([({"a": X}, Y), ({"b": X}, Y)], "batches do not fit together"),
        (X, "a ndarray cannot be read as labelled data"),
        (3, "a int cannot be read as labelled data"),
        ((X, Y[:4]), "target 'target' has 4 samples, the first input 6"),
        ((X[:0], Y[:0]), "input 'input' is empty"),
        (({}, {}), "no inputs or no targets"),
        ((X, np.array(["a"] * 6)), "target 'target' is <U1, expected numbers"),
    ],
)
def test_bad_loaders_are_refused(loader: Any, words: str) -> None:
    assert words in refused(loader)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_nan_in_data_is_refused_with_its_sample_over_all_batches(bad: float) -> None:
    targets = Y.copy()
    targets[4] = bad
    for loader in ((X, targets), [(X[:3], targets[:3]), (X[3:], targets[3:])]):
        words = refused(loader)
        assert "target 'target' holds NaN or Inf in 1 of 6 samples, first in sample 4" in words


def test_labelled_data_is_taken_as_it_is() -> None:
    data = LabelledData(inputs={"x": X}, targets={"y": Y})
    assert load_labelled(data) is data
