import dataclasses

import pytest
from rich.console import Console

from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.report.console import bench_table
from spinn_edge.report.deadlines import deadline_remarks
from spinn_edge.report.fastest import fastest_remarks
from spinn_edge.report.markdown import results_markdown
from spinn_edge.report.remarks import row_remarks
from spinn_edge.report.result_remarks import result_remarks
from tests.unit.report.results import PRUNED, result, row

RATE = 1000.0


def paced(service_s=200e-6, late_s=50e-6, *, count=1000, slow=(), never=0, **changes):
    """A row of a loop whose first ticks are served as ``slow`` says: (lateness, service)."""
    pairs = [*slow, *[(late_s, service_s)] * (count - len(slow))]
    pacing = Pacing(
        rate_per_s=RATE,
        lateness_s=tuple(late for late, _ in pairs),
        responses_s=tuple(late + service for late, service in pairs),
        ticks=(count + never,),
        behind_s=(0.0,),
        back_to_back_medians_s=(100e-6,) * 5,
    )
    per_launch = count // 5
    base = row(
        "pruned",
        service_s,
        samples_s=tuple(service for _, service in pairs),
        launch_samples=(per_launch,) * 5,
        rate_per_s=RATE,
        pacing=pacing,
    )
    return dataclasses.replace(base, **changes)


def words(*rows):
    return deadline_remarks(rows)


# --- tables


def shown(*rows, width=400):
    screen = Console(width=width, height=50, color_system=None, force_terminal=False)
    with screen.capture() as capture:
        screen.print(bench_table(result(rows, (PRUNED,)), width=width))
    return capture.get()


def test_each_rate_has_a_table_of_its_own_behind_the_ordinary_one():
    slower = paced()
    slower = dataclasses.replace(
        slower, rate_per_s=0.5, pacing=dataclasses.replace(slower.pacing, rate_per_s=0.5)
    )
    text = shown(row("pruned", 1e-4), paced(), slower)
    titles = [line.strip() for line in text.splitlines() if line.startswith(("Lat", "Dead"))]
    assert titles == [
        "Latency, host to host, fp32",
        "Deadline, 0.5 a second: period 2.00 s, fp32",
        "Deadline, 1,000 a second: period 1.00 ms, fp32",
    ]


def test_a_line_has_response_missed_jitter_and_penalty():
    found = paced(slow=[(5e-3, 200e-6)] * 20)
    (line,) = (line for line in shown(found).splitlines() if "pruned" in line)
    assert " ".join(line.split()) == (
        "pruned ort-cpu 1 250 µs 5.20 ms 20 of 1,000 (2 %) 4.95 ms 200 µs 20 % "
        "2.00× (2.00 to 2.00) –"
    )


def test_a_loop_that_never_served_half_its_ticks_has_no_median_response():
    found = paced(never=1500)
    (line,) = (line for line in shown(found).splitlines() if "pruned" in line)
    assert " ".join(line.split()).startswith("pruned ort-cpu 1 – – 1,500 of 2,500 (60 %)")


def test_a_row_that_failed_says_so_in_its_table():
    failed = paced(status="failed", reason="x", samples_s=(), launch_samples=(), pacing=None)
    text = shown(failed)
    assert "Deadline, 1,000 a second" in text
    assert "failed" in text


def test_markdown_has_the_table_and_what_it_spans():
    text = results_markdown(result((row("pruned", 1e-4), paced()), (PRUNED,)))
    assert "Boundary host-to-host: numpy in, numpy out, copies included.\n\n| bundle" in text
    assert "Deadline, 1,000 a second: period 1.00 ms; one inference at each tick" in text
    assert "| missed | jitter | service | busy | idle-gap penalty |" in text
    assert "| 0 of 1,000 |" in text


def test_the_comparison_names_the_rate():
    before = dataclasses.replace(paced(400e-6), bundle="dense")
    after = paced(baseline_median_s=400e-6)
    text = results_markdown(result((before, after)))
    assert (
        "| latency, ort-cpu, batch 1, 1,000 a second, service, median | 400 µs | 200 µs |" in text
    )


# --- words


def test_no_missed_deadline_says_how_little_that_shows():
    first = words(paced())[0]
    assert first == (
        "pruned, ort-cpu fp32, batch 1, 1,000 a second: missed none of 1,000 deadlines, which "
        "shows that fewer than 0.3 % are missed, not that none is"
    )


def test_deadlines_that_were_missed_by_waking_late_are_told_apart():
    (first, _) = words(paced(slow=[(2e-3, 200e-6)] * 7))
    assert "missed 7 of 1,000 deadlines (0.7 %); the longest response took 2.20 ms" in first
    assert "no inference alone more than 200 µs: they began too late" in first
    assert "chrt --fifo 50" in first


def test_deadlines_that_were_missed_by_slow_inferences_are_told_apart():
    (first, _) = words(paced(slow=[(50e-6, 3e-3), (2e-3, 200e-6)]))
    assert "missed 2 of 1,000 deadlines (0.2 %)" in first
    assert "inferences longer than the period by themselves: 1; the others" in first
    assert "taskset" in first


def test_a_loop_that_does_not_keep_up_says_what_rate_it_could():
    found = paced(2e-3, never=500)
    pacing = dataclasses.replace(found.pacing, behind_s=(0.1, 0.7, 0.2))
    (first, _) = words(dataclasses.replace(found, pacing=pacing))
    assert (
        "does not keep up: an inference takes 2.00 ms in the mean, the period is 1.00 ms" in first
    )
    assert "missed 1,500 of 1,500 deadlines, 500 of them never begun" in first
    assert "up to 700 ms behind" in first
    assert "at most 500 a second" in first


def test_a_pause_that_costs_is_said_with_both_times():
    second = words(paced())[1]
    assert "the pause between inferences costs 2.00× (2.00 to 2.00): 200 µs after a pause" in second
    assert "100 µs back to back" in second
    assert "governor" in second


@pytest.mark.parametrize("service_s", [100e-6, 50e-6])
def test_a_pause_that_costs_nothing_needs_no_words(service_s):
    assert len(words(paced(service_s))) == 1


def test_rows_without_a_rate_need_no_words():
    assert words(row("pruned", 1e-4)) == []


def test_the_words_are_among_those_of_the_result():
    everything = result_remarks(result((paced(),), (PRUNED,)))
    assert words(paced())[0] in everything


def test_the_fastest_is_named_for_each_rate_apart():
    rows = (
        paced(),
        paced(400e-6, runtime="pt2"),
        row("pruned", 1e-4, launch_samples=(200,) * 5),
        row("pruned", 3e-4, runtime="pt2", launch_samples=(200,) * 5),
    )
    found = fastest_remarks(result(rows, (PRUNED,)))
    assert [line.split(": ")[0] for line in found] == [
        "pruned, batch 1, 1,000 a second",
        "pruned, batch 1",
    ]


def test_a_reason_that_holds_for_a_rate_alone_names_it():
    failed = paced(status="failed", reason="killed", samples_s=(), launch_samples=(), pacing=None)
    remarks = row_remarks(result((row("pruned", 1e-4), failed), (PRUNED,)))
    assert remarks == ["pruned, ort-cpu, batch 1, 1,000 a second: failed: killed"]
