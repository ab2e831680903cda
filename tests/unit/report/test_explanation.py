import json
from typing import Any

import pytest

from spinn_edge.bench.evidence.paired_rows import beside
from spinn_edge.bench.understanding.dispatch_floor import WidthPoint, find_floor
from spinn_edge.bench.understanding.explain_obstacles import LeftOut
from spinn_edge.bench.understanding.explanation import Explanation
from spinn_edge.bench.understanding.thread_probe import ThreadProbe, ThreadSetting, ThreadTrial
from spinn_edge.bench.understanding.width_advice import Rounding, WidthAdvice, WidthTrial
from spinn_edge.cli.output import make_console
from spinn_edge.report.explanation import (
    explanation_document,
    explanation_markdown,
    explanation_tables,
)
from spinn_edge.report.explanation_words import (
    explanation_words,
    floor_words,
    thread_words,
    width_words,
)
from spinn_edge.report.json_document import to_text
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.bench.contests import steady_row, timed
from tests.unit.bench.test_measurement import ENVIRONMENT, row
from tests.unit.report.results import PRUNED

FLOPS = (1_000, 4_000, 16_000, 36_000, 64_000)
FAILED = row(status="failed", reason="it hung:\nnothing", bundle="2-1-2")


def floor_of(latencies_s=None, own_s=14.4e-6):
    latencies_s = latencies_s or [9e-6 + flops * 5.4e-6 / 64_000 for flops in FLOPS]
    points = [
        WidthPoint(widths=(2, n, 2), parameters=n, flops=flops, row=steady_row(latency_s))
        for n, (flops, latency_s) in enumerate(zip(FLOPS, latencies_s, strict=True), 1)
    ]
    return find_floor(steady_row(own_s), points)


def probe_of(one, *others, cores=2, spinning=(True, False)):
    settings = [ThreadSetting(threads=2, spinning=busy) for busy in spinning]
    trials = [ThreadTrial(setting=ThreadSetting(threads=1), row=one)]
    trials += [
        ThreadTrial(setting=setting, row=beside(other, one))
        for setting, other in zip(settings, others, strict=True)
    ]
    return ThreadProbe(batch=1, cores=cores, trials=tuple(trials))


def advice_of(own, *trials, pruned=True):
    return WidthAdvice(
        batch=1, widths=(18, 285, 2), parameters=1000, pruned=pruned, own=own, trials=trials
    )


def trial_of(multiple, widths, parameters, timed_row, own):
    rounding = Rounding(multiple=multiple, widths=widths)
    beside_own = None if timed_row is None else beside(timed_row, own)
    return WidthTrial(rounding=rounding, parameters=parameters, row=beside_own)


def explanation_of(**changes):
    given: dict[str, Any] = {
        "created_utc": "2026-01-02T03:04:05+00:00",
        "environment": ENVIRONMENT,
        "bundle": PRUNED,
        "runtime": "ort-cpu",
        "launches": 5,
    }
    return Explanation(**(given | changes))


def whole():
    own = steady_row(14e-6)
    return explanation_of(
        floors=(floor_of(),),
        threads=(probe_of(own, steady_row(25e-6), FAILED),),
        widths=(
            advice_of(
                own,
                trial_of(1, (18, 285, 2), 1000, None, own),
                trial_of(16, (18, 288, 2), 1030, steady_row(12e-6), own),
                WidthTrial(
                    rounding=Rounding(multiple=32, unreachable="too\nnarrow"),
                    parameters=None,
                    row=None,
                ),
            ),
        ),
        left_out=(LeftOut(part="roofline", reason="it hung"),),
    )


# --- floor


def test_floor_is_told_with_its_interval_and_what_can_be_saved():
    (words,) = floor_words(floor_of(), "ort-cpu")
    assert words.startswith("floor, ort-cpu, batch 1: 9.00 µs (8.89 µs to 9.11 µs) of 14.4 µs: ")
    assert "further pruning can save at most 38 % on this runtime at batch 1" in words
    assert "misses no width by more than 0.0 %" in words


def test_line_that_was_fitted_to_narrow_widths_only_says_so():
    (words,) = floor_words(floor_of([9.1e-6, 9.4e-6, 10.6e-6, 20e-6, 14.4e-6]), "ort-cpu")
    assert "no width of the 3 narrowest that it was fitted to (wider ones depart from it)" in words


def test_bad_fit_states_no_floor_but_what_was_measured():
    (words,) = floor_words(floor_of([7.2e-6, 20e-6, 9e-6, 12e-6, 14.4e-6]), "ort-cpu")
    assert "none is stated: a straight line in FLOPs misses" in words
    assert words.endswith("measured: 2-1-2 takes 7.20 µs of 14.4 µs, 50 % less")
    assert "at most" not in words


def test_bundle_unlike_its_twin_is_told():
    _, words = floor_words(floor_of(own_s=30e-6), "ort-cpu")
    assert "the bundle itself takes 30.0 µs, a network of its widths with random weights" in words
    assert "slower by more than the noise" in words


# --- threads


def test_slower_threads_keep_one():
    found = probe_of(steady_row(14.4e-6), steady_row(25e-6), steady_row(30e-6))
    (words,) = thread_words(found, "ort-cpu")
    assert words.startswith(
        "threads, ort-cpu, batch 1: 1 thread: 14.4 µs; 2 threads, spinning: 25.0 µs, slower, 0.58×"
    )
    assert words.endswith("keep --threads 1")


@pytest.mark.parametrize(
    ("latencies_s", "advice"),
    [
        ((8e-6, 9e-6), "use --threads 2, spinning"),
        ((9e-6, 8e-6), "use --threads 2, not spinning: OpenOptions(spinning=False) in Python"),
    ],
)
def test_faster_threads_are_advised(latencies_s, advice):
    found = probe_of(steady_row(14e-6), *map(steady_row, latencies_s))
    (words,) = thread_words(found, "ort-cpu")
    assert words.endswith(advice)


def test_no_difference_is_called_that():
    found = probe_of(steady_row(14e-6), steady_row(14.1e-6), steady_row(13.9e-6))
    (words,) = thread_words(found, "ort-cpu")
    assert words.count("no difference seen") == 2
    assert words.endswith("keep --threads 1")


def test_one_core_is_said():
    (words,) = thread_words(ThreadProbe(batch=1, cores=1, trials=()), "ort-cpu")
    assert "may use 1 core, so there is nothing to try" in words


def test_runtime_without_a_switch_for_spinning_is_said():
    found = probe_of(steady_row(1e-5), steady_row(1e-5), spinning=(None,))
    assert "only ort-cpu has a switch" in list(thread_words(found, "eager"))[1]


def test_runtime_on_a_gpu_is_said():
    one = steady_row(1e-5, facts=RuntimeFacts(device="a GPU (SM86)"))
    found = probe_of(one, steady_row(1e-5), spinning=(None,))
    assert "it runs on a GPU (SM86)" in list(thread_words(found, "ort-cuda"))[1]


# --- widths


def test_faster_rounding_is_told_with_parameters_and_verdict():
    (words,) = width_words(whole().widths[0], "ort-cpu")
    assert "as it is, 285: 14.0 µs; --round-to 1: as it is" in words
    assert "--round-to 16: 288, +3.0 % parameters, 12.0 µs, faster, 1.17× (1.17 to 1.17)" in words
    assert "--round-to 32: not to be had (too narrow)" in words
    assert words.endswith("prune again with --round-to 16")


def test_network_that_was_not_pruned_is_trained_with_other_widths():
    own = steady_row(14e-6)
    trial = trial_of(16, (18, 288, 2), 1030, steady_row(12e-6), own)
    (words,) = width_words(advice_of(own, trial, pruned=False), "ort-cpu")
    assert "multiples of 16: 288" in words
    assert words.endswith("train it with --hidden 288")


def test_rounding_without_a_difference_keeps_the_widths():
    own = steady_row(14e-6)
    trial = trial_of(16, (18, 288, 2), 1030, steady_row(13.9e-6), own)
    (words,) = width_words(advice_of(own, trial), "ort-cpu")
    assert "no difference seen" in words
    assert words.endswith("no rounding can be called faster: keep the widths")


def test_widths_that_are_round_already_are_said():
    trial = trial_of(8, (18, 285, 2), 1000, None, None)
    (words,) = width_words(advice_of(None, trial), "ort-cpu")
    assert "nothing to try" in words


# --- the whole


def test_too_few_launches_are_said():
    own = timed(1e-5, 1e-5)
    found = explanation_of(launches=2, threads=(probe_of(own, own, own),))
    words = explanation_words(found)
    assert "not judged" in words[0]
    assert "no intervals and no verdicts from --launches 2: take 3 or more" in words


def test_part_that_was_left_out_is_said_with_its_reason():
    assert "roofline: left out: it hung" in explanation_words(whole())


def test_tables_show_every_measured_point():
    console = make_console(stderr=False)
    with console.capture() as capture:
        console.print(explanation_tables(whole()))
    text = capture.get()
    for expected in (
        "Dispatch floor, ort-cpu, batch 1",
        "the bundle itself",
        "64,000",
        "Threads, ort-cpu, batch 1, 2 cores usable",
        "2 threads, not spinning",
        "Widths, ort-cpu, batch 1",
        "18-288-2",
        "+3.0 %",
        "not to be had",
    ):
        assert expected in text


def test_points_that_were_not_fitted_are_marked():
    found = explanation_of(floors=(floor_of([9.1e-6, 9.4e-6, 10.6e-6, 20e-6, 14.4e-6]),))
    lines = explanation_markdown(found).splitlines()
    assert [line.count("(not fitted)") for line in lines if line.startswith("| 2-")] == [
        *(0, 0, 0),
        *(1, 1),
    ]


def test_markdown_holds_words_tables_and_machine():
    text = explanation_markdown(whole())
    assert text.startswith("# pruned on ort-cpu\n\n- floor, ort-cpu")
    assert "| widths | parameters | FLOPs | latency |" in text
    assert "| --- | ---: | ---: | ---: |" in text
    assert "Machine: a CPU, 8 cores (2 usable)" in text


def test_document_holds_rows_findings_and_remarks():
    document = json.loads(to_text(explanation_document(whole())))
    assert document["schema_version"] == 1
    assert document["floor"][0]["most_saving"] == pytest.approx(0.375, abs=1e-3)
    assert document["floor"][0]["points"][0]["row"]["samples_s"]
    assert document["threads"][0]["best"] == {"threads": 1, "spinning": None}
    assert document["widths"][0]["best_multiple"] == 16
    assert document["widths"][0]["trials"][2]["unreachable"] == "too\nnarrow"
    assert document["left_out"] == [{"part": "roofline", "reason": "it hung"}]
    assert document["remarks"] == explanation_words(whole())
