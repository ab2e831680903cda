from pathlib import Path
from typing import Any

import numpy as np
import pytest

from spinn_edge.core.errors import BundleError
from spinn_edge.core.golden import Golden


def golden(rows: int = 3) -> Golden:
    x = np.arange(rows * 2, dtype=np.float32).reshape(rows, 2)
    return Golden(inputs={"x": x}, outputs={"y": x.sum(axis=1).astype(np.float64)})


def test_saved_vectors_are_loaded_bit_by_bit(tmp_path: Path) -> None:
    golden().save(tmp_path / "golden.npz")

    loaded = Golden.load(tmp_path / "golden.npz")

    assert loaded.rows == 3
    assert loaded.inputs["x"].dtype == np.float32
    assert loaded.outputs["y"].dtype == np.float64
    np.testing.assert_array_equal(loaded.inputs["x"], golden().inputs["x"])
    np.testing.assert_array_equal(loaded.outputs["y"], golden().outputs["y"])


@pytest.mark.parametrize(("batch", "rows"), [(1, [0]), (2, [0, 1]), (7, [0, 1, 2, 0, 1, 2, 0])])
def test_at_batch_repeats_the_samples_with_their_outputs(batch: int, rows: list[int]) -> None:
    sample = golden().at_batch(batch)

    np.testing.assert_array_equal(sample.inputs["x"], golden().inputs["x"][rows])
    np.testing.assert_array_equal(sample.outputs["y"], golden().outputs["y"][rows])
    assert sample.inputs["x"].flags.c_contiguous


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut off"])
def test_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "golden.npz"
    path.write_bytes(content)

    with pytest.raises(BundleError, match=r"cannot be read .*export the model again") as caught:
        Golden.load(path)
    assert str(path) in str(caught.value)


def test_single_array_is_no_golden_file(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    with path.open("wb") as stream:
        np.save(stream, np.zeros(3))

    with pytest.raises(BundleError, match="cannot be read"):
        Golden.load(path)


def test_missing_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="cannot be read"):
        Golden.load(tmp_path / "golden.npz")


def test_object_array_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "golden.npz"
    arrays: dict[str, Any] = {"input/x": np.array([{}], dtype=object), "output/y": np.zeros(1)}
    np.savez(path, **arrays)

    with pytest.raises(BundleError, match="Object arrays cannot be loaded"):
        Golden.load(path)


@pytest.mark.parametrize("key", ["input/x", "output/y"])
def test_file_without_inputs_or_outputs_is_refused(tmp_path: Path, key: str) -> None:
    path = tmp_path / "golden.npz"
    arrays: dict[str, Any] = {key: np.zeros(1)}
    np.savez(path, **arrays)

    with pytest.raises(BundleError, match="no golden inputs or no golden outputs; export"):
        Golden.load(path)
