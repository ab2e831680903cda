from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.core.errors import UsageError
from spinn_edge.core.table import Table, read_table
from tests.conftest import WriteCsv


def test_numbers_come_in_the_order_that_is_asked_for(write_csv: WriteCsv) -> None:
    table = read_table(write_csv(["a,b,tool", "1,2,x", "3,4e1,y"]))

    assert table.rows == 2
    np.testing.assert_array_equal(table.numbers(["b", "a"]), [[2.0, 1.0], [40.0, 3.0]])
    assert table.text("tool").tolist() == ["x", "y"]


def test_empty_cell_becomes_nan(write_csv: WriteCsv) -> None:
    assert np.isnan(read_table(write_csv(["a,b", "1,", ",2"])).numbers(["a", "b"])).tolist() == [
        [False, True],
        [True, False],
    ]


def test_byte_order_mark_of_excel_is_no_part_of_the_first_name(tmp_path: Path) -> None:
    path = tmp_path / "bom.csv"
    path.write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")

    assert list(read_table(path).columns) == ["a", "b"]


def test_blank_lines_and_spaces_around_cells_do_not_count(write_csv: WriteCsv) -> None:
    table = read_table(write_csv(["a, b", "", " 1 ,2", ""]))

    assert dict(table.columns) == {"a": ("1",), "b": ("2",)}


def test_text_in_a_number_column_is_named_with_column_and_row(write_csv: WriteCsv) -> None:
    table = read_table(write_csv(["a,b", "1,2", "3,worn", "5,new"]))

    with pytest.raises(UsageError) as caught:
        table.numbers(["a", "b"])

    assert "column 'b' holds text, 'worn' in data row 2" in str(caught.value)
    assert str(caught.value).endswith("expected a number; correct it")
    with pytest.raises(UsageError, match="correct it, or leave b out"):
        table.numbers(["b"], otherwise=", or leave b out")


@pytest.mark.parametrize("method", ["text", "numbers"])
def test_unknown_column_is_refused_with_the_known_ones(write_csv: WriteCsv, method: str) -> None:
    table = read_table(write_csv(["a,b", "1,2"]))

    with pytest.raises(UsageError, match=r"data\.csv has no column 'c'; its columns are: a, b"):
        table.text("c") if method == "text" else table.numbers(["a", "c"])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([""], "is empty; expected a header line and rows of numbers"),
        (["a,b"], "has a header but no rows"),
        (["a,b,a", "1,2,3"], "has column 'a' more than once; rename one of them"),
        (["a,b", "1,2", "3"], "data row 2 has 1 cells, the header 2"),
        (["a,b", "1,2,3"], "data row 1 has 3 cells, the header 2"),
    ],
)
def test_malformed_file_is_refused(write_csv: WriteCsv, lines: list[str], message: str) -> None:
    path = write_csv(lines)

    with pytest.raises(UsageError) as caught:
        read_table(path)

    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("content", [b"a\xff,b\n1,2\n", b"a,b\n1,\x002\n" + b"x" * 200_000])
def test_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(content)

    with pytest.raises(UsageError, match="cannot be read as CSV"):
        read_table(path)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.csv", tmp_path):
        with pytest.raises(UsageError, match="cannot be read as CSV"):
            read_table(path)


cells = st.text(alphabet="0123456789.,eE+-_nainf xyz²１\t", max_size=6)


@given(st.lists(cells, min_size=1, max_size=4))
def test_any_cell_is_a_number_or_named_in_an_error(column: list[str]) -> None:
    table = Table(path=Path("t.csv"), columns={"a": column})

    try:
        values = table.numbers(["a"])
    except UsageError as exc:
        assert "in data row" in str(exc)  # noqa: PT017 - either outcome is right, no other is
    else:
        assert values.shape == (len(column), 1)


@given(
    st.lists(
        st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=2),
        min_size=1,
        max_size=5,
    )
)
def test_written_floats_are_read_bit_by_bit(rows: list[list[float]]) -> None:
    columns = {
        name: [repr(value) for value in column]
        for name, column in zip("ab", zip(*rows, strict=True), strict=True)
    }

    np.testing.assert_array_equal(Table(path=Path("t.csv"), columns=columns).numbers("ab"), rows)
