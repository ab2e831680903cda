from dataclasses import replace

from spinn_edge.report.tables.comparison import comparison_sheets
from spinn_edge.report.tables.latencies import DASHES, latency_sheets
from tests.unit.report.results import DENSE, PRUNED, result, row, unavailable
from tests.unit.report.sources import AS_NOISY, FAST, NOISY, SLOW, beside, compared, launched

LATENCY = "latency, ort-cpu, batch 1, median"


def lines_of(found):
    (sheet,) = comparison_sheets(found)
    return {line[0]: line[1:] for line in sheet.lines}


def test_change_beyond_the_noise_floor_has_its_sign_and_interval():
    assert lines_of(compared())[LATENCY] == ("410 µs", "101 µs", "-75.4 %, 4.06× (4.00 to 4.12)")
    assert lines_of(compared(FAST, SLOW))[LATENCY][2] == "+305.9 %, 0.25× (0.24 to 0.25)"


def test_change_within_the_noise_floor_is_no_difference_and_no_figure():
    assert lines_of(compared(NOISY, AS_NOISY))[LATENCY] == (
        *("110 µs", "110 µs", "no difference seen"),
    )


def test_models_stand_beside_the_first_one_each():
    third = replace(PRUNED, name="third", parameters=100_000)
    rows = (
        launched("dense", *SLOW),
        beside(SLOW, FAST),
        replace(beside(SLOW, FAST), bundle="third"),
    )
    second, last = comparison_sheets(result(rows, (DENSE, PRUNED, third)))
    assert (second.title, last.title) == ("pruned beside dense", "third beside dense")
    assert last.head == ("", ">dense", ">third", ">change")
    assert dict((line[0], line[2]) for line in last.lines)["parameters"] == "100,000"


def test_a_model_alone_is_compared_with_nothing():
    assert comparison_sheets(result((row("dense", 1e-4),), (DENSE,))) == ()


def test_brief_tables_keep_the_status_only_where_something_failed():
    (well,) = latency_sheets(compared(), brief=True)
    assert well.head == (
        *("bundle", "runtime", ">batch", ">median", ">95 % interval", ">p99", ">speed-up"),
    )
    (full,) = latency_sheets(compared())
    assert {">samples", ">launches", ">p99.9", "status"} <= set(full.head)
    (ill,) = latency_sheets(result((row("dense", 1e-4), unavailable("pruned"))), brief=True)
    assert "status" in ill.head


def test_a_dash_under_a_percentile_is_explained_where_one_stands():
    (few,) = latency_sheets(compared(), brief=True)
    assert few.caption == DASHES
    (many,) = latency_sheets(result((row("dense", 1e-4),), (DENSE,)), brief=True)
    assert many.caption == ""
    (failed,) = latency_sheets(result((unavailable("pruned"),), (PRUNED,)), brief=True)
    assert failed.caption == ""


def test_a_score_that_one_model_lacks_has_no_line():
    assert PRUNED.scores is not None
    scores = replace(PRUNED.scores, rmse={"wear": 1.5}, linear_r2={})
    found = lines_of(result(bundles=(DENSE, replace(PRUNED, scores=scores))))
    assert "RMSE wear" in found
    assert "RMSE heat" not in found
    assert "R² heat" in found
    assert not [label for label in found if "linear" in label]
