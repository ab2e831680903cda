import json
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from spinn_edge.bench.result import BundleFacts
from spinn_edge.cli.options import INTERRUPTED
from spinn_edge.cli.predicting import predictions_of
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.report.json_document import bench_document, to_text
from tests.unit.report.results import ENVIRONMENT, result, row


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(to_text(bench_document(result())))
    return path


@pytest.fixture
def other(tmp_path):
    found = replace(result(), environment=replace(ENVIRONMENT, cpu="EPYC"))
    path = tmp_path / "other.json"
    path.write_text(to_text(bench_document(found)))
    return path


def test_tables_are_shown_where_nothing_else_is_asked_for(cli, results):
    done = cli("report", results)
    assert done.code == 0
    assert "400 µs" in done.out


def test_several_results_are_shown_machine_by_machine(cli, results, other):
    done = cli("report", results, other)
    assert done.code == 0
    assert "Xeon, 48 cores" in done.out
    assert "EPYC, 48 cores" in done.out


def test_every_document_is_written_and_holds_the_same_median(cli, results, tmp_path):
    out = tmp_path / "new folder"
    places = {name: out / f"r.{name}" for name in ("html", "markdown", "latex", "csv", "json")}
    options = [x for name, path in places.items() for x in (f"--{name}", path)]
    done = cli("report", results, *options, "--junit", out / "r.xml")
    assert done.code == 0
    assert done.out == ""
    assert done.err.count("wrote") == 8  # CSV is three tables
    for name in ("html", "markdown", "latex"):
        assert "400" in places[name].read_text()
    assert "0.0004" in places["csv"].read_text()
    assert (out / "r.models.csv").exists()
    assert json.loads(places["json"].read_text()) == json.loads(results.read_text())
    assert ElementTree.parse(out / "r.xml").getroot() is not None


def test_merged_json_holds_each_result_whole(cli, results, other):
    done = cli("report", results, other, "--json", "-")
    held = json.loads(done.out)["results"]
    assert [one["result"] for one in held] == [
        json.loads(results.read_text()),
        json.loads(other.read_text()),
    ]


def test_markdown_of_several_has_each_machine(cli, results, other):
    done = cli("report", results, other, "--markdown", "-")
    assert "# results: Xeon, 48 cores" in done.out
    assert "# other: EPYC, 48 cores" in done.out


def test_rows_alone_go_to_standard_output(cli, results):
    done = cli("report", results, "--csv", "-")
    assert done.out.splitlines()[0].startswith("result,machine,bundle")
    assert len(done.out.splitlines()) == 3


def test_summary_is_added_where_github_reads_it_and_else_printed(
    cli, results, tmp_path, monkeypatch
):
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    printed = cli("report", results, "--github-summary")
    assert "400 µs" in printed.out
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "")
    assert cli("report", results, "--github-summary") == printed
    place = tmp_path / "summary.md"
    place.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place))
    done = cli("report", results, "--github-summary")
    assert done.out == ""
    assert place.read_text().startswith("before\n")
    assert "400 µs" in place.read_text()


def test_figures_are_drawn_and_the_others_named(cli, results, tmp_path):
    pytest.importorskip("matplotlib")
    done = cli("report", results, "--figures", tmp_path / "figures")
    assert done.code == 0
    assert list((tmp_path / "figures").glob("*.svg"))
    assert "not drawn" in done.err
    steps = [line for line in done.err.splitlines() if line.startswith("drawing ")]
    assert steps[0] == f"drawing pruning progress (1 of {len(steps)})"


@pytest.mark.parametrize("option", ["--html", "--markdown", "--json", "--latex", "--csv"])
def test_place_that_cannot_be_written_is_said_before_anything_is_read(cli, tmp_path, option):
    done = cli("report", tmp_path / "missing.json", option, tmp_path)
    assert done.code == 2
    assert f"cannot write {tmp_path}" in done.err


@pytest.mark.parametrize("option", ["--html", "--json", "--csv"])
def test_what_is_read_is_not_written_over(cli, results, option):
    before = results.read_text()
    done = cli("report", results, option, results)
    assert done.code == 2
    assert "is read, so nothing is written there" in done.err
    assert results.read_text() == before


def test_labelled_rows_and_bundles_are_not_written_over(cli, results, exported, table):
    manifest = exported / "manifest.json"
    for place in (table, manifest):
        before = place.read_bytes()
        done = cli("report", results, "--bundle", exported, "--data", table, "--markdown", place)
        assert done.code == 2
        assert f"{place} is read, so nothing is written there" in done.err
        assert place.read_bytes() == before


@pytest.mark.parametrize("option", ["--html", "--csv", "--markdown"])
def test_step_summary_is_not_added_to_what_is_read(cli, results, tmp_path, monkeypatch, option):
    before = results.read_text()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(results))
    done = cli("report", results, option, tmp_path / "x", "--github-summary")
    assert (done.code, results.read_text()) == (2, before)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        (("--html", "x", "--markdown", "x"), "x"),
        (("--html", "x", "--markdown", "./y/../x"), "x"),
        (("--csv", "x.csv", "--json", "x.models.csv"), "x.models.csv"),
    ],
)
def test_two_documents_do_not_share_a_file(cli, results, monkeypatch, options, taken):
    monkeypatch.chdir(results.parent)
    done = cli("report", results, *options)
    assert done.code == 2
    assert f"two documents would be written to {taken};" in done.err
    assert not (results.parent / taken).exists()


@pytest.mark.parametrize(
    "options", [("--figures", "out"), ("--html", "out/p.html"), ("--csv", "out/r.csv")]
)
def test_interrupted_report_leaves_no_half_of_a_file(cli, results, tmp_path, monkeypatch, options):
    """At the worst moment: all is written, nothing has its name yet."""
    pytest.importorskip("matplotlib")
    seen = []

    def interrupt(source, target):
        seen.append(Path(source).stat().st_size)
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "replace", interrupt)
    done = cli("report", results, *options)
    assert done.code == INTERRUPTED
    assert done.err.splitlines()[-1] == "stopped by you"
    assert "Traceback" not in done.err
    assert len(seen) == 1
    assert seen[0] > 100
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("below", ["", "/figures"])
def test_figures_into_a_file_are_refused_before_anything_is_read(cli, tmp_path, below):
    pytest.importorskip("matplotlib")
    place = tmp_path / "file"
    place.write_text("mine")
    done = cli("report", tmp_path / "missing.json", "--figures", f"{place}{below}")
    assert done.code == 2
    assert f"{place} is a file; name a folder" in done.err
    assert place.read_text() == "mine"


def test_figures_without_a_name_are_not_drawn_where_one_stands(cli, results, monkeypatch):
    monkeypatch.chdir(results.parent)
    done = cli("report", results, "--figures", "")
    assert done.code == 2
    assert "--figures is empty; name a folder" in done.err
    assert list(results.parent.iterdir()) == [results]


def test_figures_without_matplotlib_say_what_to_install(cli, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = cli("report", tmp_path / "missing.json", "--figures", tmp_path / "figures")
    assert done.code == 3
    assert "pip install 'spinn-edge[report]'" in done.err


def test_two_documents_do_not_share_standard_output(cli, results):
    done = cli("report", results, "--json", "-", "--csv", "-")
    assert done.code == 2
    assert "only one document fits standard output" in done.err


def test_foreign_file_and_missing_bundle_are_refused(cli, results, tmp_path):
    (tmp_path / "x.json").write_text('{"a": 1}')
    done = cli("report", tmp_path / "x.json")
    assert (done.code, "which no report knows" in done.err) == (2, True)
    done = cli("report", results, "--bundle", tmp_path / "missing")
    assert (done.code, "is no bundle" in done.err) == (5, True)


def test_data_needs_bundles(cli, results, table):
    done = cli("report", results, "--data", table)
    assert done.code == 2
    assert "name them with --bundle FOLDER" in done.err


def test_data_without_figures_would_be_for_nothing(cli, results, exported, table):
    done = cli("report", results, "--bundle", exported, "--data", table, "--html", "-")
    assert (done.code, done.out) == (2, "")
    assert "name a folder with --figures" in done.err


def test_text_among_labelled_rows_advises_what_can_be_typed(exported, table, tmp_path):
    lines = table.read_text().splitlines()
    lines[3] = lines[3].rpartition(",")[0] + ",worn"
    data = tmp_path / "text.csv"
    data.write_text("\n".join(lines))
    with pytest.raises(UsageError, match="column 'heat' holds text, 'worn' in data row 3") as said:
        predictions_of([Bundle.load(exported)], data)
    assert str(said.value).endswith("correct it")


def test_predictions_are_those_of_the_model(exported, table):
    bundle = Bundle.load(exported)
    found = predictions_of([bundle], table)
    assert found.targets == ("wear", "heat")
    assert found.measured.shape == found.predicted["dense"].shape == (240, 2)
    again = predictions_of([bundle], table, runtime="eager")
    assert abs(again.predicted["dense"] - found.predicted["dense"]).max() < 1e-4


def test_foreign_model_has_no_columns(exported, table, tmp_path):
    root = shutil.copytree(exported, tmp_path / "dense")
    manifest = json.loads((root / "manifest.json").read_text())
    (root / "manifest.json").write_text(json.dumps({**manifest, "training": None}))
    with pytest.raises(UsageError, match="says which of its columns"):
        predictions_of([Bundle.load(root)], table)


def test_page_of_a_bundle_has_its_audit_note(cli, exported, tmp_path):
    bundle = Bundle.load(exported)
    facts = BundleFacts.of(bundle, "dense", baseline=True)
    found = result((row("dense", 1e-4),), bundles=(facts,))
    path = tmp_path / "r.json"
    path.write_text(to_text(bench_document(found)))
    page = tmp_path / "page.html"
    assert cli("report", path, "--bundle", exported, "--html", page).code == 0
    assert "this tool did not prune it" in page.read_text()
    assert cli("report", path, "--html", page).code == 0
    assert "name the model&#x27;s folder with --bundle" in page.read_text()


def test_bench_writes_the_page_of_what_it_measured(cli, exported, tmp_path):
    page, results = tmp_path / "page.html", tmp_path / "r.json"
    done = cli(
        *("bench", exported, "--runtime", "ort-cpu", "--batch", 1, "--launches", 1),
        *("--seconds", 0.02, "--html", page, "--json", results),
    )
    assert done.code == 0, done.err
    median = json.loads(results.read_text())["rows"][0]["median_s"]
    assert f'data-sort="{median!r}"' in page.read_text()
