import math

import numpy as np
import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.training.adaptation.stream import (
    LeftOut,
    csv_batches,
    growing_lines,
    lines_of,
    pair_batches,
)

HEAD = "tool,b,a,y\n"


def read(lines, size=2, **options):
    found = csv_batches(
        lines, features=("a", "b"), targets=("y",), size=size, source="new.csv", **options
    )
    return list(found)


def test_columns_are_found_by_name_and_batches_come_as_they_fill():
    taken = []

    def lines():
        for line in (HEAD, "t,2,1,3\n", "t,5,4,6\n", "\n", "t,8,7,9\n"):
            taken.append(line)
            yield line

    stream = csv_batches(lines(), features=("a", "b"), targets=("y",), size=2, source="new.csv")
    first = next(stream)
    assert len(taken) == 3  # nothing is waited for that is not needed
    np.testing.assert_array_equal(first.features, [[1, 2], [4, 5]])
    np.testing.assert_array_equal(first.targets, [[3], [6]])
    (last,) = stream
    assert (first.numbers, last.numbers) == ((1, 2), (3,))
    np.testing.assert_array_equal(last.targets, [[9]])


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("t,2,1\n", "row 2 has 3 cells, the header 4"),
        ("t,x,1,3\n", "column 'b' holds text, 'x', in row 2; a number was expected"),
    ],
)
def test_a_row_that_cannot_be_read_spoils_its_batch_alone(row, fault):
    first, second = read([HEAD, "t,2,1,3\n", row, "t,5,4,6\n", "t,8,7,9\n"])
    assert first.fault == fault
    assert first.numbers == (1, 2)
    assert second.fault is None
    np.testing.assert_array_equal(second.features, [[4, 5], [7, 8]])


def test_missing_values_are_left_out_and_counted_only_when_told():
    lines = [HEAD, "t,2,1,3\n", "t,,1,3\n", "t,5,4,6\n"]
    kept = read(lines)
    assert math.isnan(kept[0].features[1, 1])
    left_out = LeftOut()
    (batch,) = read(lines, drop_na=True, left_out=left_out)
    assert batch.numbers == (1, 3)
    assert left_out.rows == 1


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "new.csv is empty"),
        (["tool,b,y\n"], "has no column 'a'; its columns are: tool, b, y"),
        (["a,b,b,y\n"], "has more than one column 'b'"),
        ([HEAD, "t," + "1" * 200_000 + ",1,2\n"], "cannot be read as CSV"),
    ],
)
def test_a_stream_without_the_columns_is_refused(lines, words):
    with pytest.raises(UsageError, match=words):
        read(lines)


def test_a_file_that_is_not_there_or_is_no_text_is_refused(tmp_path):
    with pytest.raises(UsageError, match="cannot be read as CSV"):
        read(lines_of(tmp_path / "no.csv"))
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    for lines in (lines_of(tmp_path / "bytes.csv"), growing_lines(tmp_path / "bytes.csv", print)):
        with pytest.raises(UsageError, match="cannot be read as CSV"):
            read(lines)


def test_a_growing_file_is_read_on_and_a_half_written_line_is_waited_for(tmp_path):
    path = tmp_path / "grows.csv"
    path.write_text("\ufeff" + HEAD + "t,2,1,3\nt,5,4")
    later = iter(["", ",6\nt,8,7,9\nt,1,1,1\n"])

    def wait():
        text = next(later, None)
        if text is None:
            raise KeyboardInterrupt
        with path.open("a") as stream:
            stream.write(text)

    stream = csv_batches(
        growing_lines(path, wait), features=("a", "b"), targets=("y",), size=2, source="grows.csv"
    )
    found = [next(stream), next(stream)]
    with pytest.raises(KeyboardInterrupt):
        next(stream)
    assert [batch.numbers for batch in found] == [(1, 2), (3, 4)]
    np.testing.assert_array_equal(found[0].targets, [[3], [6]])


def test_rows_and_blocks_from_python_become_batches_of_one_size():
    pairs = [
        (np.array([1.0, 2.0]), np.array([3.0])),
        (np.ones((4, 2)), np.zeros((4, 1))),
        (np.ones((2, 3)), np.zeros((2, 1))),  # another width: named by the guards
        (np.ones((1, 2)), np.zeros((1, 1))),
    ]
    found = list(pair_batches(pairs, features=2, targets=1, size=3))
    assert [batch.numbers for batch in found] == [(1, 2, 3), (4, 5), (6, 7), (8,)]
    assert [batch.features.shape[1] for batch in found] == [2, 2, 3, 2]
    np.testing.assert_array_equal(found[0].features[0], [1, 2])
