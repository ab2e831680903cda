"""Every form of a report says what the JSON of a real run says, read back from what it prints."""

import csv
import json
import re
import shutil
import sys

import pytest

from spinn_edge.cli.app import main

UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
TIMES = ("median_s", "p90_s", "p99_s")
HALF_A_DIGIT = 0.0051
"""Of three digits that are printed."""


@pytest.fixture(scope="module")
def forms(exported, tmp_path_factory):
    """Return a recorded run of two models, and the folder of its forms."""
    folder = tmp_path_factory.mktemp("forms")
    other = shutil.copytree(exported, folder / "pruned")
    results = folder / "results.json"
    run(
        *("bench", other, "--baseline", exported, "--runtime", "ort-cpu"),
        *("--batch", "1,7", "--launches", 3, "--seconds", 0.05, "--json", results),
    )
    forms = ("markdown", "latex", "csv", "html")
    run("report", results, *(x for form in forms for x in (f"--{form}", folder / form)))
    return json.loads(results.read_text()), folder


def run(*arguments):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["spinn-edge", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            main()
    assert not done.value.code


def seconds(text):
    """Read ``31.2 µs``; None for a dash."""
    found = re.fullmatch(r"([\d.]+) (ns|µs|ms|s)", text)
    return float(found[1]) * UNITS[found[2]] if found else None


def assert_same(printed, row):
    """Compare the cells of a row, by their heads, with the JSON's."""
    for key in TIMES:
        if (head := key.removesuffix("_s")) not in printed:
            continue
        if row[key] is None:
            assert printed[head] == "–"
        else:
            assert seconds(printed[head]) == pytest.approx(row[key], rel=HALF_A_DIGIT)
    if row["speedup"] is None:
        assert printed["speed-up"] == "–"
    elif row["verdict"] == "no difference seen":
        assert printed["speed-up"] == row["verdict"]
    else:
        within = row["speedup_interval"]
        figures = [float(text) for text in re.findall(r"[\d.]+", printed["speed-up"])]
        expected = [row["speedup"], within["low"], within["high"]]
        assert figures == pytest.approx(expected, abs=0.0051)


def by_place(document):
    return {(row["bundle"], row["runtime"], str(row["batch"])): row for row in document["rows"]}


def table_of(lines, separator):
    """Return the cells of each line by the heads of the first."""
    cells = [[cell.strip() for cell in line.strip("| \\").split(separator)] for line in lines]
    return [dict(zip(cells[0], line, strict=True)) for line in cells[1:] if len(line) > 1]


def assert_all_rows(document, printed):
    rows = by_place(document)
    assert len(printed) == len(rows) == 4
    for cells in printed:
        assert_same(cells, rows[cells["bundle"], cells["runtime"], cells["batch"]])


def test_markdown_prints_the_figures_of_the_json(forms):
    document, folder = forms
    lines = (folder / "markdown").read_text().splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("| bundle | runtime | batch"))
    length = next(n for n, line in enumerate(lines[start:]) if not line)
    kept = [line for line in lines[start : start + length] if "---" not in line]
    assert_all_rows(document, table_of(kept, "|"))


def test_latex_prints_the_figures_of_the_json(forms):
    document, folder = forms
    text = (folder / "latex").read_text()
    for tex, plain in ((r"$\mu$", "µ"), (r"$\times$", "×"), ("--", "–"), (r"\%", "%")):
        text = text.replace(tex, plain)
    lines = text.splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("bundle & runtime & batch"))
    end = lines.index(r"\bottomrule", start)
    assert_all_rows(document, table_of([x for x in lines[start:end] if " & " in x], "&"))


def test_csv_holds_the_very_figures_of_the_json(forms):
    document, folder = forms
    rows = by_place(document)
    with (folder / "csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert len(found) == len(rows)
    for line in found:
        row = rows[line["bundle"], line["runtime"], line["batch"]]
        for key in (*TIMES, "p95_s", "p999_s", "mean_s", "std_s", "throughput_per_s", "speedup"):
            assert line[key] == ("" if row[key] is None else repr(row[key])), key
        interval = row["median_interval_s"]
        assert [line["median_low_s"], line["median_high_s"]] == [
            *map(repr, (interval["low"], interval["high"])),
        ]


def test_page_sorts_by_the_very_figures_and_prints_them(forms):
    document, folder = forms
    page = (folder / "html").read_text()
    rows = by_place(document)
    found = re.findall(r"<tr data-result=.*?</tr>", page)
    assert len(found) == len(rows)
    for line in found:
        named = dict(re.findall(r'data-(bundle|runtime|batch)="([^"]*)"', line))
        row = rows[named["bundle"], named["runtime"], named["batch"]]
        cells = dict(re.findall(r'data-sort="([^"]*)">([^<]*)<', line))
        for key in TIMES:
            if row[key] is not None:
                assert seconds(cells[repr(row[key])]) == pytest.approx(row[key], rel=HALF_A_DIGIT)
        if row["speedup"] is not None:
            assert repr(row["speedup"]) in cells
