import itertools

import pytest

from spinn_edge.bench.boundaries import HOST_TO_HOST
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.processes import contenders
from spinn_edge.bench.understanding.latency_probe import LatencyProbe
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError, UsageError
from spinn_edge.pruning.targets.latency import choose_widths
from spinn_edge.pruning.targets.latency_goal import LatencyGoal
from spinn_edge.runtimes.base import OpenOptions
from tests.unit.bench.contests import DRIFT, fake_launches, job_bundle
from tests.unit.bench.test_measurement import row

FLOOR_S, SLOPE_S = 9e-6, 2e-8


def on_the_line(job, batch):
    return FLOOR_S + SLOPE_S * batch * job_bundle(job).manifest.parameters


def count(hidden):
    return sum((a + 1) * b for a, b in itertools.pairwise((18, *hidden, 2)))


@pytest.fixture
def variants(tiny_bundle, tmp_path):
    return WidthVariants(tiny_bundle, tmp_path, runtime="eager", max_batch=4)


def test_networks_are_launched_in_turn_on_the_named_runtime_and_batch(variants, monkeypatch):
    launches = fake_launches(monkeypatch, on_the_line)
    said = []
    probe = LatencyProbe(
        bundle_at=variants.at,
        runtime="eager",
        batch=4,
        options=OpenOptions(threads=2),
        launches=3,
        on_launch=lambda contender, launch: said.append((contender.label, launch)),
    )
    probe([(16, 16), (4, 4)])
    labels = [job.label for job in launches.jobs]
    assert labels == ["18-16-16-2", "18-4-4-2"] * 3
    assert said == [(label, n) for n in (1, 2, 3) for label in labels[:2]]
    assert {job.runtime for job in launches.jobs} == {"eager"}
    assert {job.batches for job in launches.jobs} == {(4,)}
    assert {job.boundaries for job in launches.jobs} == {(HOST_TO_HOST,)}
    assert {job.options.threads for job in launches.jobs} == {2}


def test_latencies_come_in_the_order_that_was_asked_with_their_intervals(variants, monkeypatch):
    fake_launches(monkeypatch, on_the_line)
    asked = [(4, 4), (16, 16), (2, 9)]
    found = LatencyProbe(bundle_at=variants.at, runtime="eager")(asked)
    assert [latency.widths for latency in found] == asked
    for latency in found:
        expected = FLOOR_S + SLOPE_S * count(latency.widths)
        assert latency.latency_s == pytest.approx(expected, rel=1e-3)
        assert latency.low_s is not None
        assert latency.high_s is not None
        assert min(DRIFT) * expected < latency.low_s < latency.latency_s < latency.high_s
        assert latency.high_s < max(DRIFT) * expected


def test_two_launches_give_no_interval(variants, monkeypatch):
    fake_launches(monkeypatch, on_the_line)
    (found,) = LatencyProbe(bundle_at=variants.at, runtime="eager", launches=2)([(4, 4)])
    assert (found.low_s, found.high_s) == (None, None)


def test_network_that_was_not_timed_stops_the_search_with_its_reason(variants, monkeypatch):
    fake_launches(
        monkeypatch, lambda job, batch: None if job.label == "18-4-4-2" else on_the_line(job, batch)
    )
    probe = LatencyProbe(bundle_at=variants.at, runtime="eager")
    with pytest.raises(
        InferenceError, match="4-4 was not timed on eager at batch 1: it was ended by SIGSEGV"
    ):
        probe([(16, 16), (4, 4)])


def test_runtime_that_this_machine_lacks_is_called_unavailable(variants, monkeypatch):
    def absent(job, *, timeout_s):
        return [row(status="unavailable", reason="no GPU", batch=job.batches[0])]

    monkeypatch.setattr(contenders, "run_in_process", absent)
    with pytest.raises(RuntimeUnavailableError, match="no GPU; choose another --runtime"):
        LatencyProbe(bundle_at=variants.at, runtime="eager")([(4, 4)])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"runtime": "no-such"}, "no-such"),
        ({"batch": 0}, "--batch must be at least 1, got 0"),
        ({"launches": 0}, "--launches must be at least 1, got 0"),
    ],
)
def test_request_that_makes_no_sense_is_refused(variants, given, words):
    with pytest.raises(UsageError, match=words):
        LatencyProbe(bundle_at=variants.at, **given)


def test_search_and_probe_work_together(variants, monkeypatch):
    """What a launch takes follows the line; the drift of the launches hits all alike."""
    fake_launches(monkeypatch, on_the_line)
    dense = variants.widths[1:-1]
    plan = choose_widths(
        dense,
        goal=LatencyGoal(share=0.2),
        measure=LatencyProbe(bundle_at=variants.at, runtime="eager"),
        count=count,
        multiples=(1,),
        ratios=(0.25, 0.5, 0.75),
    )
    goal_s = 0.8 * (FLOOR_S + SLOPE_S * count(dense))
    larger = tuple(width + 1 for width in plan.widths)
    assert FLOOR_S + SLOPE_S * count(plan.widths) <= goal_s < FLOOR_S + SLOPE_S * count(larger)


def test_real_runtime_gives_a_latency_and_an_interval_for_each(tiny_bundle):
    rule = TimingRule(warmup_runs=1, warmup_s=0.0, warmup_cap_s=0.01, budget_s=0.01)
    probe = LatencyProbe(bundle_at=lambda widths: tiny_bundle, launches=3, rule=rule)
    found = probe([(16, 16), (16, 16)])  # one network by two names: it has the format already
    assert [latency.widths for latency in found] == [(16, 16), (16, 16)]
    for latency in found:
        assert latency.low_s is not None
        assert latency.high_s is not None
        assert 0 < latency.low_s <= latency.latency_s <= latency.high_s
