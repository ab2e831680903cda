import re

import pytest

from spinn_edge.report.sheet import Sheet
from spinn_edge.report.tables.latex import latex_tables, sheet_latex
from tests.unit.report.results import result, row
from tests.unit.report.sources import HOSTILE, compared, hostile, sources


def cells_of(tex):
    """Return the cells of every row between rules, as they are printed."""
    rows = re.findall(r"^(.*) \\\\$", tex, re.MULTILINE)
    return [[_printed(cell) for cell in re.split(r"(?<!\\)&", line)] for line in rows]


def _printed(cell):
    for tex, text in (("$-$", "-"), (r"$\mu$", "µ"), (r"$\times$", "×"), ("$^2$", "²"),
                      ("--", "–"), (r"\raggedright ", ""), (r"\%", "%"), (r"\_", "_")):  # fmt: skip
        cell = cell.replace(tex, text)
    return cell.strip()


def test_comparison_holds_the_figures_of_the_other_forms():
    found = {line[0]: line[1:] for line in cells_of(latex_tables(sources(compared())))}
    assert found["parameters"] == ["666,882", "210,000", "-68.5 %"]
    assert found["R² overall"] == ["0.8500", "0.8300", "-0.0200"]
    assert found["RMSE heat"] == ["4", "5", "+25.0 %"]
    assert found["latency, ort-cpu, batch 1, median"] == [
        *("410 µs", "101 µs", "-75.4 %, 4.06× (4.00 to 4.12)"),
    ]
    assert found["dense"][2:4] == ["410 µs", "400 µs to 420 µs"]


def test_tables_are_booktabs_and_captions_name_the_machine():
    tex = latex_tables(sources(compared()))
    assert tex.count(r"\toprule") == tex.count(r"\bottomrule") == tex.count(r"\begin{table}") == 2
    assert r"\caption{pruned beside dense, Xeon, 48 cores.}" in tex
    assert "|" not in tex
    assert r"\hline" not in tex


def test_recommendations_stand_as_comments():
    (line,) = (x for x in latex_tables(sources(compared())).splitlines() if "beside dense:" in x)
    assert line.startswith("% pruned beside dense: 4.06")


def test_labels_differ_where_there_are_several_results():
    tex = latex_tables(sources(compared(), compared()))
    labels = re.findall(r"\\label\{(.*)\}", tex)
    assert labels == [
        *("tab:fleet-1", "tab:fleet-2", "tab:r0-comparison-1", "tab:r0-latency-1"),
        *("tab:r1-comparison-1", "tab:r1-latency-1"),
    ]


def test_long_tables_go_on_in_another_one():
    rows = tuple(row("dense", 1e-4, batch=n) for n in range(1, 96))
    tex = latex_tables(sources(result(rows, result().bundles[:1])))
    assert tex.count(r"\begin{tabular}") == 3
    assert tex.count("copies included, Xeon, 48 cores, continued.") == 2
    assert len([line for line in cells_of(tex) if line[0] == "dense"]) == 95


def test_long_texts_are_broken_and_very_long_ones_cut():
    sheet = Sheet(title="t", head=("name", ">n"), lines=(("y" * 30, "1"), ("z" * 99, "2")))
    tex = sheet_latex(sheet, "label")
    assert r"{@{}p{.3\linewidth}r@{}}" in tex
    assert r"\raggedright " + "y" * 30 in tex
    assert "z" * 59 + r"\ldots{} & 2" in tex


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_add_no_command_and_no_row(name):
    def shape(tex):
        """Return the commands outside what is escaped, and the cells of each row."""
        return (
            re.findall(r"\\(?:begin|end|caption|label|toprule|bottomrule|input|\\)", tex),
            [len(line) for line in cells_of(tex)],
        )

    plain = shape(latex_tables(sources(hostile("name"))))
    tex = latex_tables(sources(hostile(name)))
    assert shape(tex) == plain
    assert not re.search(r"(?<!\\)#|[<>\x00-\x09\x0b-\x1f]", tex)
    tex.encode("utf-8")
    assert len(tex) < 40_000
