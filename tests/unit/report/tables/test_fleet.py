import json
from dataclasses import replace

import pytest

from spinn_edge.core.errors import UsageError
from spinn_edge.report.json_document import to_text
from spinn_edge.report.sources import read_sources
from spinn_edge.report.tables.fleet import fleet_document, fleet_lines, fleet_sheets
from tests.unit.report.results import DENSE, ENVIRONMENT, PRUNED, result, row, unavailable
from tests.unit.report.sources import FAST, SLOW, beside, compared, launched, named, sources

PI = replace(ENVIRONMENT, cpu="Cortex-A76", cores=4)


def on_pi(*rows, bundles=(DENSE, PRUNED)):
    return replace(result(rows, bundles), environment=PI)


def test_each_machine_has_its_own_columns_and_no_figure_is_of_both():
    here = compared()
    there = on_pi(launched("dense", *(3 * x for x in SLOW)), beside(FAST, SLOW))
    machines, fleet = fleet_sheets(sources(here, there).results)
    assert [line[:3] for line in machines.lines] == [
        ("A", "r0", "Xeon, 48 cores"),
        ("B", "r1", "Cortex-A76, 4 cores"),
    ]
    assert fleet.head[3:] == (*(">A: median", ">A: speed-up", ">B: median", ">B: speed-up"),)
    dense, pruned = fleet.lines
    assert dense == ("dense", "ort-cpu", "1", "410 µs", "–", "1.23 ms", "–")
    assert pruned[3:] == (*("101 µs", "4.06× (4.00 to 4.12)", "410 µs", "0.25× (0.24 to 0.25)"),)
    assert fleet.caption.endswith("nothing is averaged over machines")


def test_what_a_machine_lacks_was_not_measured_and_what_failed_says_so():
    here = compared()
    there = on_pi(row("dense", 1e-3, runtime="trt"), unavailable("pruned", runtime="ort-cpu"))
    _, fleet = fleet_sheets(sources(here, there).results)
    found = {line[:2]: line[3:] for line in fleet.lines}
    assert found["dense", "ort-cpu"] == ("410 µs", "–", "not measured")
    assert found["pruned", "ort-cpu"][2] == "unavailable"
    assert found["dense", "trt"] == ("not measured", "–", "1.00 ms")


def test_two_results_of_one_machine_stay_two():
    _, fleet = fleet_sheets(sources(compared(), compared(FAST, SLOW)).results)
    assert fleet.lines[0][3:] == ("410 µs", "–", "101 µs", "–")


def test_models_of_one_name_that_are_not_the_same_do_not_share_a_line():
    other = replace(PRUNED, parameters=1, widths=(18, 9, 2))
    there = on_pi(launched("dense", *SLOW), beside(SLOW, FAST), bundles=(DENSE, other))
    lines = fleet_lines(sources(compared(), there).results)
    assert [line.place.model for line in lines] == ["dense", "pruned of r0", "pruned of r1"]
    assert [row is None for row in lines[1].rows] == [False, True]


def test_unlike_conditions_do_not_share_a_line():
    there = on_pi(row("dense", 1e-3, threads=4), row("dense", 1e-3, precision="fp16"))
    _, fleet = fleet_sheets(sources(compared(), there).results)
    assert fleet.head[:5] == ("model", "runtime", "precision", ">batch", ">threads")
    assert len(fleet.lines) == 4


def test_places_that_no_machine_timed_are_left_out():
    everywhere = result((row("dense", 1e-4), unavailable("dense")), (DENSE,))
    assert len(fleet_lines(sources(everywhere, everywhere).results)) == 1


def test_merged_document_holds_every_result_as_it_was_read():
    results = [named(compared(), "a"), named(compared(FAST, SLOW), "b")]
    document = json.loads(to_text(fleet_document(results)))
    assert (document["kind"], document["schema_version"]) == ("fleet", 1)
    assert [item["name"] for item in document["results"]] == ["a", "b"]
    assert [item["result"] for item in document["results"]] == [one.raw for one in results]


def test_merged_document_is_read_like_the_files_it_was_made_of(tmp_path):
    results = [named(compared(), "a"), named(compared(FAST, SLOW), "b")]
    path = tmp_path / "merged.json"
    path.write_text(to_text(fleet_document(results)))
    assert list(read_sources([path]).results) == results


@pytest.mark.parametrize("parts", [None, [3], [{"name": "a", "result": {}}], [{"result": 1}]])
def test_damaged_merged_document_is_refused(tmp_path, parts):
    path = tmp_path / "merged.json"
    path.write_text(json.dumps({"kind": "fleet", "schema_version": 1, "results": parts}))
    with pytest.raises(UsageError, match="one of which is damaged; merge again"):
        read_sources([path])


@pytest.mark.parametrize("version", [None, 0, 2, "1", 1.0, True])
def test_merged_document_of_another_version_is_refused(tmp_path, version):
    document = {**fleet_document([named(compared(), "a")]), "schema_version": version}
    path = tmp_path / "merged.json"
    path.write_text(to_text(document))
    with pytest.raises(UsageError, match="expected 1; merge again with this spinn-edge"):
        read_sources([path])
