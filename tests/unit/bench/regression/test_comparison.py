import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spinn_edge.bench.evidence.intervals import FASTER, NO_DIFFERENCE, SLOWER
from spinn_edge.bench.regression.comparison import (
    FILE_BYTES,
    PARAMETER_BYTES,
    PARITY,
    R2,
    TIMED,
    Limits,
    compare_results,
)
from spinn_edge.bench.regression.latency_change import TOO_FEW, ratio_interval
from spinn_edge.core.errors import UsageError
from spinn_edge.report.json_document import to_text
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.report.comparisons import (
    QUIET,
    facts,
    failed_parity,
    launched,
    new_result,
    old_result,
    scores,
    slower,
)
from tests.unit.report.results import DENSE, ENVIRONMENT, PRUNED, result, row

FAILED_PARITY = failed_parity("differs by 3")


def latency(old_row, new_row, **limits):
    (change,) = compare_results(
        old_result(old_row), new_result(new_row), Limits(**limits)
    ).latencies
    return change


def facts_of(kind, old, new, **limits):
    return [f for f in compare_results(old, new, Limits(**limits)).facts if f.kind == kind]


def failures(comparison):
    assert not any(change.failed for change in comparison.latencies)
    return [fact for fact in comparison.facts if fact.failed]


def not_timed(status="failed", **changes):
    found = row("pruned", 1.0, status=status, reason="it hung", samples_s=(), launch_samples=())
    return replace(found, **changes)


# --- latency: planted changes


def noisy(seed, median_s, launches=5):
    medians = np.random.default_rng(seed).normal(0, 0.01, launches)
    return launched(median_s, np.exp(medians).tolist())


def test_equal_rows_are_called_different_at_most_once_in_20_repeats():
    found = [latency(noisy(2 * n, 1e-4), noisy(2 * n + 1, 1e-4)) for n in range(20)]
    assert sum(change.verdict != NO_DIFFERENCE for change in found) <= 1
    assert not any(change.failed for change in found)


def test_slow_down_of_15_percent_fails_in_at_least_19_of_20_repeats():
    found = [latency(noisy(2 * n, 1e-4), noisy(2 * n + 1, 1.15e-4)) for n in range(20)]
    assert sum(change.verdict == SLOWER and change.failed for change in found) >= 19


def test_speed_up_of_15_percent_is_called_faster_and_never_fails():
    change = latency(launched(1.15e-4), launched(1e-4))
    assert (change.verdict, change.failed) == (FASTER, False)
    assert change.ratio == pytest.approx(1 / 1.15)
    assert change.interval.high < 1


def test_ratio_is_new_over_old_of_the_geometric_means_of_launches():
    change = latency(launched(1e-4, (1.0, 4.0, 2.0)), launched(3e-4, (1.0, 4.0, 2.0)))
    assert (change.old_s, change.new_s) == (pytest.approx(2e-4), pytest.approx(6e-4))
    assert change.ratio == pytest.approx(3)


def test_slower_within_the_limit_does_not_fail():
    change = latency(launched(1e-4), launched(1.08e-4))
    assert (change.verdict, change.failed) == (SLOWER, False)


def test_it_fails_only_when_the_near_end_is_above_the_limit():
    change = latency(launched(1e-4), launched(1.105e-4))
    assert change.interval is not None
    assert change.ratio > 1.10 > change.interval.low
    assert (change.verdict, change.failed) == (SLOWER, False)
    assert latency(launched(1e-4), launched(1.105e-4), fail_over=0.08).failed


def test_slow_down_within_the_noise_floor_does_not_fail():
    noise = (0.8, 0.9, 1.0, 1.1, 1.25)
    change = latency(launched(1e-4, noise), launched(1.2e-4, noise))
    assert change.floor > 0.15
    assert (change.verdict, change.failed) == (NO_DIFFERENCE, False)


def test_interval_above_the_limit_does_not_fail_within_the_noise_floor():
    noise = (0.93, 0.97, 1.0, 1.03, 1.07)
    change = latency(launched(1e-4, noise), launched(1.1e-4, noise), fail_over=0.0)
    assert change.interval is not None
    assert change.floor is not None
    assert 1 < change.interval.low < 1 + change.floor
    assert (change.verdict, change.failed) == (NO_DIFFERENCE, False)


@pytest.mark.parametrize(("before", "after"), [(2, 5), (5, 2), (1, 1)])
def test_too_few_launches_give_a_ratio_and_never_fail(before, after):
    change = latency(launched(1e-4, (1.0,) * before), launched(9e-4, (1.0,) * after))
    assert change.ratio == pytest.approx(9)
    assert (change.verdict, change.failed, change.judged) == (TOO_FEW, False, False)
    assert (change.interval, change.old_launches, change.new_launches) == (None, before, after)


def test_three_launches_are_enough():
    change = latency(launched(1e-4, (1.0,) * 3), launched(2e-4, (1.0,) * 3))
    assert (change.verdict, change.failed) == (SLOWER, True)


def test_order_of_launches_does_not_matter_since_sessions_are_not_paired():
    factors = (0.7, 0.9, 1.0, 1.2, 1.4)
    up = latency(launched(1e-4, factors), launched(1e-4, factors))
    down = latency(launched(1e-4, factors), launched(1e-4, factors[::-1]))
    for change in (up, down):  # paired, the first would be exactly 1, with no width at all
        assert change.interval is not None
        assert change.interval.low < 0.9 < 1.1 < change.interval.high


@given(st.lists(st.floats(1e-6, 1e-2), min_size=3, max_size=6), st.floats(0.5, 2))
def test_interval_holds_the_ratio_and_is_the_same_every_time(medians, factor):
    after = [factor * median for median in medians]
    found = ratio_interval(medians, after)
    assert found is not None
    assert found == ratio_interval(medians, after)
    assert found.low <= factor * (1 + 1e-9)
    assert found.high >= factor * (1 - 1e-9)


# --- which rows are paired


def test_one_bundle_on_each_side_pairs_whatever_its_name():
    new = new_result(launched(1e-4, bundle="renamed"), bundles=(replace(PRUNED, name="renamed"),))
    found = compare_results(old_result(), new)
    assert len(found.latencies) == 1
    assert not found.failures


def test_several_bundles_pair_by_name():
    rows = (launched(4e-4, bundle="dense"), launched(1e-4))
    swapped = (launched(1e-4), launched(4e-4, bundle="dense"))
    old = replace(result(rows, (DENSE, PRUNED)), created_utc="old")
    found = compare_results(old, result(swapped, (PRUNED, DENSE)))
    assert [change.ratio for change in found.latencies] == pytest.approx([1, 1])
    assert not found.failures

    found = compare_results(old, new_result())
    assert [fact.name.split(":")[0] for fact in found.facts if fact.kind == TIMED] == ["dense"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"threads": 2}, "threads=1 in OLD, 2 in NEW"),
        ({"facts": RuntimeFacts(tf32=True)}, "TF32 on in NEW"),
        ({"facts": RuntimeFacts(served_by="eager")}, "served by eager in NEW"),
        ({"boundary": "device"}, "not in NEW"),
        ({"precision": "fp16"}, "not in NEW"),
        ({"batch": 8}, "not in NEW"),
        ({"rate_per_s": 1000.0}, "not in NEW"),
        ({"runtime": "ort-cuda"}, "not in NEW"),
    ],
)
def test_row_of_other_conditions_is_never_paired_and_counts_as_missing(change, reason):
    found = compare_results(old_result(), new_result(launched(1e-4, **change)))
    assert found.latencies == ()
    (lost,) = failures(found)
    assert lost.kind == TIMED
    assert reason in lost.reason


def test_rows_that_only_new_has_are_named_and_never_fail():
    new = new_result(launched(1e-4), launched(1e-4, batch=8))
    found = compare_results(old_result(), new)
    assert not found.failures
    assert found.warnings == (
        "only in NEW, not compared: pruned: ort-cpu, fp32, batch 8, host-to-host",
    )


@pytest.mark.parametrize("side", [0, 1])
def test_result_that_answers_one_question_twice_is_refused(side):
    both = [old_result(), new_result()]
    both[side] = replace(both[side], rows=both[side].rows * 2)
    with pytest.raises(UsageError, match=f"{('OLD', 'NEW')[side]} holds two rows of pruned"):
        compare_results(both[0], both[1])


# --- rows that are gone


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        ((launched(1e-4, batch=8),), "not in NEW"),
        ((launched(1e-4, batch=8), not_timed()), "failed in NEW: it hung"),
        ((launched(1e-4, batch=8), not_timed("unavailable")), "unavailable in NEW: it hung"),
    ],
)
def test_row_that_was_timed_and_is_not_now_fails_unless_allowed(new, reason):
    old = old_result(launched(1e-4), launched(1e-4, batch=8))
    (lost,) = failures(compare_results(old, new_result(*new)))
    assert (lost.kind, lost.reason) == (TIMED, reason)
    allowed = compare_results(old, new_result(*new), Limits(allow_missing=True))
    assert not allowed.failures
    assert [fact.judged for fact in allowed.facts if fact.kind == TIMED] == [False]


def test_row_that_was_not_timed_before_need_not_be_timed_now():
    old = old_result(launched(1e-4), not_timed(runtime="trt"))
    assert not compare_results(old, new_result(launched(1e-4), not_timed(runtime="trt"))).failures
    assert not compare_results(old, new_result(launched(1e-4))).failures


def test_everything_missing_cannot_be_allowed():
    with pytest.raises(UsageError, match=r"no row of OLD and NEW can be compared.*it hung"):
        compare_results(old_result(), new_result(not_timed()), Limits(allow_missing=True))


# --- parity, sizes, scores


def test_parity_that_passed_and_fails_now_fails_even_where_missing_rows_are_allowed():
    old = old_result(launched(1e-4), launched(1e-4, batch=8))
    new = new_result(launched(1e-4, batch=8), not_timed(parity=FAILED_PARITY))
    for limits in (Limits(), Limits(allow_missing=True)):
        (lost,) = failures(compare_results(old, new, limits))
        assert (lost.kind, lost.old, lost.new) == (PARITY, 1, 0)


def test_parity_of_a_timed_row_is_compared():
    passed = facts_of(PARITY, old_result(), new_result())
    assert [(fact.new, fact.failed) for fact in passed] == [(1, False)]
    (failed,) = facts_of(PARITY, old_result(), new_result(launched(1e-4, parity=FAILED_PARITY)))
    assert (failed.new, failed.failed, failed.reason) == (0, True, "differs by 3")


def test_parity_that_failed_before_is_not_compared():
    broken = launched(1e-4, parity=FAILED_PARITY)
    assert facts_of(PARITY, old_result(broken), new_result(broken)) == []


@pytest.mark.parametrize(("share", "failed"), [(1.09, False), (1.11, True), (0.5, False)])
def test_sizes_may_grow_by_the_limit(share, failed):
    new = new_result(
        bundles=facts(
            file_bytes={"model.onnx": round(850_000 * share), "new.ts": 10**9},
            parameter_bytes=round(840_000 * share),
        )
    )
    for kind, old in ((FILE_BYTES, 850_000), (PARAMETER_BYTES, 840_000)):
        (fact,) = facts_of(kind, old_result(), new)
        assert (fact.old, fact.new, fact.failed) == (old, round(old * share), failed)


def test_size_that_one_side_does_not_know_is_not_compared():
    for old, new in ((PRUNED, {"parameter_bytes": None}), (PRUNED, {"file_bytes": {}})):
        found = compare_results(old_result(bundles=(old,)), new_result(bundles=facts(**new)))
        assert not found.failures
    assert not facts_of(
        PARAMETER_BYTES, old_result(bundles=facts(parameter_bytes=None)), new_result()
    )


def test_score_may_fall_by_the_limit_and_no_further():
    new = new_result(bundles=facts(scores=scores(r2={"wear": 0.90, "heat": 0.739})))
    found = {fact.name: fact.failed for fact in facts_of(R2, old_result(), new)}
    assert found == {
        "pruned: overall": False,
        "pruned: target wear": False,  # 0.91 - 0.90 is a little more than 0.01 in binary
        "pruned: target heat": True,
    }
    assert not any(f.failed for f in facts_of(R2, old_result(), new, fail_score=0.02))


def test_better_score_never_fails():
    new = new_result(bundles=facts(scores=scores(r2={"wear": 1.0, "heat": 1.0}, r2_overall=1.0)))
    assert not any(fact.failed for fact in facts_of(R2, old_result(), new, fail_score=0.0))


def test_score_that_new_does_not_have_is_not_judged():
    for bundles in (facts(scores=None), facts(scores=scores(r2={}, r2_overall=None))):
        found = facts_of(R2, old_result(), new_result(bundles=bundles))
        assert [(fact.judged, fact.failed) for fact in found] == [(False, False)] * 3
    assert facts_of(R2, old_result(bundles=facts(scores=None)), new_result()) == []


def test_scores_of_other_rows_are_compared_with_a_warning():
    new = new_result(bundles=facts(scores=scores(source="new rows", rows=7)))
    found = compare_results(old_result(), new)
    assert found.warnings == (
        "pruned was scored on other rows: 100 rows, rows of pruned, in OLD; "
        "7 rows, new rows, in NEW",
    )


# --- what is refused


def test_unlike_machines_are_refused_with_both_sides_named():
    new = new_result(environment=replace(ENVIRONMENT, cpu="EPYC", cores=64))
    with pytest.raises(UsageError) as raised:
        compare_results(old_result(), new)
    for words in ("cpu 'Xeon' and 'EPYC'", "cores 48 and 64", "--any-machine"):
        assert words in str(raised.value)
    found = compare_results(old_result(), new, any_machine=True)
    assert found.warnings == (
        "unlike machines, --any-machine: cpu 'Xeon' and 'EPYC'",
        "unlike machines, --any-machine: cores 48 and 64",
    )


def test_versions_of_used_packages_are_warnings_and_no_obstacle():
    new = new_result(environment=replace(ENVIRONMENT, packages={"numpy": "2.5", "torch": "3"}))
    found = compare_results(old_result(), new)
    assert found.warnings == ("numpy 2.4.1 in OLD, 2.5 in NEW",)
    assert not found.failures


def test_run_compared_with_itself_is_refused():
    with pytest.raises(UsageError, match="one and the same run"):
        compare_results(old_result(), old_result())


def test_old_result_in_which_nothing_was_timed_is_refused():
    with pytest.raises(UsageError, match="no row of OLD was timed"):
        compare_results(old_result(not_timed()), new_result())


@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
def test_limit_that_makes_no_sense_is_refused(value):
    with pytest.raises(UsageError, match=r"--fail-over .*: expected 0 or more"):
        Limits(fail_over=value)
    with pytest.raises(UsageError, match=r"--fail-score .*: expected 0 or more"):
        Limits(fail_score=value)


def test_document_says_what_failed_and_by_how_much():
    document = slower().to_json()
    assert (document["passed"], document["limits"]["fail_over"]) == (False, 0.1)
    (change,) = document["latencies"]
    assert change["ratio"] == pytest.approx(1.15)
    assert (change["verdict"], change["failed"], change["new_launches"]) == (
        SLOWER,
        True,
        len(QUIET),
    )
    assert {fact["kind"] for fact in document["facts"]} == {PARITY, FILE_BYTES, PARAMETER_BYTES, R2}
    assert '"passed": false' in to_text(slower())
