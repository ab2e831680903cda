from dataclasses import replace

import pytest
from rich.console import Console

from spinn_edge.bench.regression.comparison import Limits, compare_results
from spinn_edge.report import formatting as f
from spinn_edge.report.comparison_tables import comparison_markdown, comparison_table
from spinn_edge.report.comparison_words import (
    change_words,
    comparison_remarks,
    percent,
    relative,
    rule_words,
    summary,
)
from tests.unit.report.comparisons import (
    facts,
    failed_parity,
    launched,
    new_result,
    old_result,
    scores,
    slower,
)
from tests.unit.report.results import ENVIRONMENT, PRUNED

NAME = "pruned: ort-cpu, fp32, batch 1, host-to-host"


def shown(comparison):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(comparison_table(comparison))
    return captured.get()


def line_of(text, start):
    return next(line for line in text.splitlines() if start in line)


def words(comparison):
    return [change_words(change, comparison) for change in comparison.changes]


def test_row_shows_both_times_the_interval_the_floor_and_what_the_gate_says():
    line = line_of(shown(slower()), NAME).split("  ")
    cells = [cell.strip() for cell in line if cell.strip()]
    assert cells[0] == NAME
    assert cells[1:4] == [f.seconds(99.998e-6), "115 µs", "+15.0 %"]
    assert cells[4].startswith("+14.")
    assert cells[-2:] == ["slower", "FAILED"]


def test_screen_leaves_parity_out_where_it_passes_and_shows_it_where_it_fails():
    assert "parity" not in shown(slower())
    broken = failed_parity("differs by 3")
    found = compare_results(old_result(), new_result(launched(1e-4, parity=broken)))
    assert line_of(shown(found), "parity").rstrip().endswith("FAILED")


def test_foreign_names_are_text_and_never_markup():
    name = "[red]x|<b>*y*"
    old = old_result(launched(1e-4, bundle=name), bundles=facts(name=name))
    found = compare_results(old, new_result(launched(2e-4, bundle=name), bundles=facts(name=name)))
    assert name in shown(found)
    text = comparison_markdown(found)
    assert r"\[red\]x\|\<b\>\*y\*" in text
    assert name not in text


def test_markdown_tells_outcome_failures_tables_rule_and_both_dates():
    text = comparison_markdown(slower())
    assert text.startswith("# Comparison: 1 of 7 comparisons failed\n")
    assert f"\n- {words(slower())[0]}\n" in text
    head = next(line for line in text.splitlines() if line.startswith("| latency |"))
    for line in text.splitlines():
        if line.startswith(f"| {NAME}"):
            assert line.count("|") == head.count("|")
            assert line.endswith("| slower | FAILED |")
            break
    else:
        pytest.fail("the row is not in the table")
    assert rule_words(slower()) in text
    assert "measured 2026-01-01T00:00:00+00:00, NEW 2026-02-02T00:00:00+00:00" in text


def test_failure_is_told_with_its_figures_and_what_is_allowed():
    (first, *_) = words(slower())
    assert first.startswith(f"{NAME}: {f.seconds(99.998e-6)} → 115 µs, +15.0 % (95 % interval +14.")
    assert "noise floor" in first
    assert "slower beyond the noise floor, and the interval's near end +14." in first
    assert first.endswith("above the 10 % that are allowed")


def test_slow_down_that_does_not_fail_says_why():
    (first, *_) = words(slower(1.08))
    assert first.endswith(
        "slower beyond the noise floor, but the interval's near end is not above the 10 % "
        "that are allowed"
    )


def test_too_few_launches_are_told_row_by_row_and_once_for_all():
    found = compare_results(
        old_result(launched(1e-4, (1.0,))), new_result(launched(3e-4, (1.0, 1.0)))
    )
    (first, *_) = words(found)
    assert "+200.0 % over 1 and 2 launches: too few" in first
    assert first.endswith("so it cannot fail")
    (remark,) = comparison_remarks(found)
    assert remark.startswith("1 of 1 latencies had too few launches and cannot fail")
    assert "not judged" in line_of(shown(found), NAME)


def test_noise_floor_above_the_limit_is_a_blind_spot_that_is_named():
    noise = (0.7, 0.8, 1.0, 1.2, 1.4)
    found = compare_results(old_result(launched(1e-4, noise)), new_result(launched(1e-4, noise)))
    (remark,) = comparison_remarks(found)
    assert f"{NAME}: its noise floor of" in remark
    assert "is above the limit of 10 %" in remark
    assert comparison_remarks(slower()) == []


def test_facts_are_told_in_their_own_units():
    new = new_result(
        bundles=facts(
            file_bytes={"model.onnx": 1_700_000},
            parameter_bytes=420_000,
            scores=scores(r2={"wear": 0.5}, r2_overall=0.83),
        )
    )
    found = compare_results(old_result(), new)
    told = "\n".join(words(found))
    assert (
        "pruned: model.onnx: file bytes 850 kB → 1.70 MB (+100.0 %): larger by more than the 10 % "
        "that are allowed"
    ) in told
    assert "pruned: parameter bytes 840 kB → 420 kB (-50.0 %)\n" in told
    assert "target wear: R² 0.9100 → 0.5000 (-0.4100): lower by more than the 0.01" in told
    assert "target heat: R² 0.7500 → – (–): NEW has no such score" in told
    assert summary(found) == "2 of 6 comparisons failed"
    assert [line for line in comparison_remarks(found) if "target heat" in line] == [
        "not judged: pruned: target heat: R² 0.7500 → – (–): NEW has no such score"
    ]
    assert "–" in line_of(shown(found), "target heat")


def test_rows_that_are_gone_are_told_with_the_reason():
    gone = compare_results(old_result(), new_result(launched(1e-4, batch=8)))
    assert words(gone)[0] == f"{NAME}: timed before, not now: not in NEW"
    line = line_of(shown(gone), NAME).split()
    assert line[-3:] == ["yes", "no", "FAILED"]


def test_parity_is_told_in_one_line_whatever_the_reason_holds():
    broken = failed_parity("differs\n by 3")
    found = compare_results(old_result(), new_result(launched(1e-4, parity=broken)))
    assert f"{NAME}: parity passed before, failed now: differs by 3" in words(found)


def test_warnings_come_before_what_was_not_judged():
    new = new_result(
        environment=replace(ENVIRONMENT, packages={"numpy": "3"}),
        bundles=(replace(PRUNED, scores=None),),
    )
    first, *others = comparison_remarks(compare_results(old_result(), new))
    assert first == "numpy 2.4.1 in OLD, 3 in NEW"
    assert len(others) == 3
    assert all(line.startswith("not judged: ") for line in others)


def test_rule_names_the_limits_that_hold():
    old, new = old_result(), new_result()
    assert "above +10 %" in rule_words(compare_results(old, new))
    limits = Limits(fail_over=0.025, fail_score=0.5, allow_missing=True)
    told = rule_words(compare_results(old, new, limits))
    for part in ("above +2.5 %", "more than 0.5 lower", "allowed here by --allow-missing"):
        assert part in told


@pytest.mark.parametrize(
    ("ratio", "text"), [(1.15, "+15.0 %"), (0.5, "-50.0 %"), (1.0, "+0.0 %"), (0.99999, "+0.0 %")]
)
def test_change_has_its_sign_and_nothing_has_none_below_zero(ratio, text):
    assert relative(ratio) == text


@pytest.mark.parametrize(("share", "text"), [(0.1, "10 %"), (0.025, "2.5 %"), (0.0, "0 %")])
def test_shares_are_written_short(share, text):
    assert percent(share) == text
