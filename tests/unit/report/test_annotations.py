from dataclasses import replace

from spinn_edge.bench.regression.comparison import compare_results
from spinn_edge.report.annotations import SHOWN_PER_STEP, github_annotations
from tests.unit.report.comparisons import facts, launched, new_result, old_result, slower
from tests.unit.report.results import ENVIRONMENT


def test_failure_is_an_error_with_its_figures_and_percent_signs_escaped():
    (line,) = github_annotations(slower()).splitlines()
    assert line.startswith("::error title=spinn-edge%3A regression::pruned: ort-cpu, fp32, batch 1")
    assert "+15.0 %25" in line
    assert "% " not in line.replace("%25", "")


def test_nothing_to_say_is_an_empty_text():
    assert github_annotations(slower(1.0)) == ""


def test_remark_is_a_warning():
    new = new_result(environment=replace(ENVIRONMENT, python="3.12.0"))
    assert github_annotations(compare_results(old_result(), new)) == (
        "::warning title=spinn-edge compare::Python 3.11 in OLD, 3.12 in NEW\n"
    )


def test_name_with_line_ends_cannot_start_a_command_of_its_own():
    name = "x\r\n::stop-commands::y\n::error::100%0Aplanted"
    old = old_result(launched(1e-4, bundle=name), bundles=facts(name=name))
    new = new_result(launched(2e-4, bundle=name), bundles=facts(name=name))
    text = github_annotations(compare_results(old, new))
    assert text.count("\n") == 1
    assert "\r" not in text
    assert "x%0D%0A::stop-commands::y%0A::error::100%250Aplanted" in text


def test_more_than_github_shows_are_counted_in_the_last_one():
    batches = range(1, SHOWN_PER_STEP + 6)
    old = old_result(*(launched(1e-4, batch=batch) for batch in batches))
    new = new_result(*(launched(2e-4, batch=batch) for batch in batches))
    lines = github_annotations(compare_results(old, new)).splitlines()
    assert len(lines) == SHOWN_PER_STEP
    assert lines[-1].endswith("::6 more: see the table in this step's log")
    old, new = (replace(side, rows=side.rows[:SHOWN_PER_STEP]) for side in (old, new))
    assert "more: see" not in github_annotations(compare_results(old, new))
