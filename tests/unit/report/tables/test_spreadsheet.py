import csv
import io
from pathlib import Path

import pytest

from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.spreadsheet import csv_paths, csv_tables, safe
from tests.unit.report.sources import HOSTILE, compared, hostile, sources


def table(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_rows_are_raw_figures_in_si_units():
    found = compared()
    dense, pruned = table(csv_tables(sources(found))["rows"])
    row = found.rows[1]
    assert float(pruned["median_s"]) == row.median_s == 1.01e-4
    assert float(pruned["speedup"]) == row.speedup
    assert row.median_interval_s is not None
    assert float(pruned["median_low_s"]) == row.median_interval_s.low
    assert (pruned["verdict"], pruned["parity_passed"]) == ("faster", "true")
    assert (dense["speedup"], dense["rate_per_s"], dense["p99_s"]) == ("", "", "")
    assert (dense["result"], dense["machine"]) == ("r0", "Xeon, 48 cores")


def test_models_are_raw_in_long_form():
    lines = table(csv_tables(sources(compared()))["models"])
    found = {(x["bundle"], x["quantity"], x["of"]): x["value"] for x in lines}
    assert found["dense", "parameters", ""] == "666882"
    assert found["pruned", "r2", "overall"] == "0.83"
    assert found["pruned", "rmse", "heat"] == "5.0"
    assert found["pruned", "file_bytes", "model.onnx"] == "850000"


def test_comparison_is_formatted_as_everywhere():
    found = compared()
    lines = table(csv_tables(sources(found))["comparison"])
    (sheet,) = comparison_sheets(found)
    cells = tuple((x["what"], x["before"], x["after"], x["change"]) for x in lines)
    assert [line[:3] for line in cells] == [line[:3] for line in sheet.lines]
    assert cells[1][3] == "-68.5 %"
    assert cells[-1][3] == "'-75.4 %, 4.06× (4.00 to 4.12)"


def test_lines_end_as_rfc_4180_has_it_and_are_of_one_length():
    for text in csv_tables(sources(compared(), compared())).values():
        assert text.endswith("\r\n")
        assert "\n" not in text.replace("\r\n", "")
        assert len({len(line) for line in csv.reader(io.StringIO(text, newline=""))}) == 1


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd", "'+cmd"),
        ("-x", "'-x"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'=1"),
        ("\t=1", "'=1"),
        ("a;=1", "a;'=1"),
        ("a; @b", "a; '@b"),
        ("-68.5 %", "-68.5 %"),
        ("+0.0123", "+0.0123"),
        ("-1+cmd", "'-1+cmd"),
        ("a-b=c", "a-b=c"),
        ("two\nlines", "two lines"),
    ],
)
def test_no_text_begins_as_a_formula(text, cell):
    assert safe(text) == cell


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_in_their_cells(name):
    for text in csv_tables(sources(hostile(name))).values():
        text.encode("utf-8")
        cells = [cell for line in csv.reader(io.StringIO(text, newline="")) for cell in line]
        assert safe(name) in cells
        assert not [c for c in cells if c[:1] in ("=", "@", "+", "-") and safe(c) != c]
        assert not set(text.replace("\r\n", "")) & set("\r\n\t\0")


def test_tables_lie_beside_each_other():
    assert csv_paths(Path("out/report.csv")) == {
        "rows": Path("out/report.csv"),
        "models": Path("out/report.models.csv"),
        "comparison": Path("out/report.comparison.csv"),
    }
