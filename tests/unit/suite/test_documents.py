import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from spinn_edge.bench.regression.stored import read_result
from spinn_edge.core.errors import UsageError
from spinn_edge.suite.documents import model_sheet, show, write_document
from tests.unit.report.results import DENSE, PRUNED
from tests.unit.suite.measurements import (
    BARE_DENSE,
    FAST,
    SLOW,
    UNLIKE,
    against,
    launched,
    measured,
)

TWO = measured(
    launched("dense", *SLOW), against(SLOW, FAST), bundles=(DENSE, PRUNED), difference=UNLIKE
)
ONE = measured(
    launched("dense", *SLOW, runtime="eager"), launched("dense", *FAST), bundles=(BARE_DENSE,)
)


def printed(measurement):
    stream = io.StringIO()
    show(measurement, None, stream)
    return stream.getvalue()


def test_screen_shows_models_latencies_and_recommendations():
    text = printed(TWO)
    assert "666,882" in text
    assert "-68.5 %" in text
    assert "4.06× (4.00 to 4.12)" in text
    assert "Not recommended: accuracy is lost." in text


def test_nothing_is_folded_where_nobody_looks_at_a_terminal():
    (line,) = (line for line in printed(TWO).splitlines() if line.startswith("pruned beside"))
    assert line.endswith("accuracy is lost.")


def test_fastest_runtime_is_said_once():
    assert printed(ONE).count("is the fastest of 2") == 1


def test_what_was_chosen_instead_is_said_everywhere(tmp_path):
    noted = replace(ONE, notes=("pt2 takes the place of eager",))
    assert "pt2 takes the place of eager" in printed(noted)
    for name in ("report.md", "report.json"):
        assert "pt2 takes the place of eager" in write_document(noted, tmp_path / name).read_text()


def test_given_console_is_used(capsys):
    stream = io.StringIO()
    show(TWO, Console(file=stream, width=200), None)
    assert "666,882" in stream.getvalue()
    assert capsys.readouterr().out == ""


def test_standard_output_is_the_default(capsys):
    show(ONE, None, None)
    assert "666,882" in capsys.readouterr().out


def test_markup_in_a_name_stays_text():
    name = "[red]net[/]"
    facts = replace(BARE_DENSE, name=name)
    assert name in printed(measured(launched(name, *FAST), bundles=(facts,)))


def test_models_are_set_against_the_first():
    dense, pruned = model_sheet(TWO.result).lines
    assert dense[:4] == ("dense", "666,882", "2.67 MB", "–")
    assert pruned[:4] == ("pruned", "210,000", "840 kB", "-68.5 %")
    assert pruned[4:] == ("model.onnx 850 kB", "0.8300", "1.5, 5")


def test_model_without_scores_shows_dashes():
    (line,) = model_sheet(ONE.result).lines
    assert line[5:] == ("–", "–")


def test_json_is_a_result_that_compare_reads(tmp_path):
    path = write_document(TWO, tmp_path / "new folder" / "results.JSON")
    document = json.loads(path.read_text())
    assert document["output_differences"]["pruned"]["of_scale"] == 0.0125
    (words,) = document["recommendations"]
    assert words.startswith("pruned beside dense: 4.06× faster")
    assert read_result(path).rows == TWO.result.rows


def test_markdown_holds_models_rows_and_recommendations(tmp_path):
    text = write_document(TWO, tmp_path / "report.md").read_text()
    assert "| pruned | 210,000 | 840 kB | -68.5 % |" in text
    assert "| pruned | ort-cpu | 1 | ok |" in text
    assert "- pruned beside dense: 4.06× faster" in text


def test_markdown_of_one_model_names_the_fastest_runtime_once(tmp_path):
    text = write_document(ONE, tmp_path / "report.md").read_text()
    assert text.count("is the fastest of 2") == 1
    assert "Recommendations" not in text


def test_document_replaces_what_lies_there(tmp_path):
    path = tmp_path / "report.md"
    path.write_text("old")
    write_document(TWO, path)
    assert "old" not in path.read_text().split()


@pytest.mark.parametrize("name", ["report.html", "report.HTM"])
def test_page_holds_rows_recommendations_and_notes(tmp_path, name):
    text = write_document(replace(TWO, notes=("x was chosen",)), tmp_path / name).read_text()
    assert text.startswith("<!doctype html>")
    assert "pruned beside dense: 4.06× faster" in text
    assert "x was chosen" in text


@pytest.mark.parametrize("name", ["report.pdf", "report", "."])
def test_other_suffix_is_refused(tmp_path, name):
    with pytest.raises(UsageError, match=r"expected a \.html, \.md or \.json file; name \S+\.html"):
        write_document(TWO, tmp_path / name)


def test_file_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write"):
        write_document(TWO, tmp_path / "file" / "report.md")
