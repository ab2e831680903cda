"""Fixed rates and sweeps over launches, with the processes faked."""

import dataclasses

import pytest

from spinn_edge.bench.loops.pacing import Pacing
from spinn_edge.bench.loops.sweep import SWEEP, end_of_sweep
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.processes import contenders
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.processes.worker import failed_rows
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.errors import UsageError
from spinn_edge.report.json_document import to_text
from spinn_edge.runtimes.base import OpenOptions, RuntimeFacts
from tests.fakes.runtime import doubling_bundle
from tests.unit.bench.test_measurement import row

RULE = TimingRule(warmup_runs=1, warmup_s=0.0, budget_s=1e-9, most_samples=3, fewest_samples=3)


@pytest.fixture
def bundles(tmp_path):
    return doubling_bundle(tmp_path / "pruned"), doubling_bundle(tmp_path / "dense")


@pytest.fixture
def launches(monkeypatch):
    """Catch jobs; ``answer`` makes the rows of each."""
    caught = []

    def start(answer):
        def run_in_process(job, *, timeout_s):
            caught.append(job)
            return answer(job)

        monkeypatch.setattr(contenders, "run_in_process", run_in_process)
        return caught

    return start


def request_for(*runtimes, **options):
    return BenchRequest(runtimes=runtimes or ("ort-cpu",), rule=RULE, **options)


# --- fixed rates


def at_each_rate(job):
    """An ordinary row of a millisecond, and rows that take a hundredth more for each hertz less.

    Everything takes twice as long in the bundle ``dense``.
    """
    factor = 2 if job.label == "dense" else 1
    rows = []
    for rate in (None, *job.rates_per_s):
        service_s = factor * (0.001 if rate is None else 0.001 + 0.01 / rate)
        pacing = rate and Pacing(
            rate_per_s=rate,
            lateness_s=(0.0,) * 3,
            responses_s=(service_s,) * 3,
            ticks=(3,),
            behind_s=(0.0,),
            back_to_back_medians_s=(factor * 0.001,),
        )
        rows.append(
            row(
                [service_s] * 3,
                launch_samples=(3,),
                bundle=job.label,
                rate_per_s=rate,
                pacing=pacing,
            )
        )
    return rows


def test_rates_reach_the_workers(bundles, launches):
    jobs = launches(at_each_rate)
    run_bench(bundles[0], request_for(batches=(1,), rates_per_s=(100.0, 10.0), launches=2))
    assert [(job.rates_per_s, job.sweep) for job in jobs] == [((100.0, 10.0), False)] * 2


def test_launches_are_joined_within_one_rate(bundles, launches):
    launches(at_each_rate)
    request = request_for(batches=(1,), rates_per_s=(100.0, 10.0), launches=3)
    rows = run_bench(bundles[0], request).rows
    assert [(r.rate_per_s, r.launch_samples) for r in rows] == [
        *((None, (3, 3, 3)), (10.0, (3, 3, 3)), (100.0, (3, 3, 3))),
    ]
    ordinary, *paced = rows
    assert ordinary.pacing is None
    for r in paced:
        assert r.pacing is not None
        assert r.pacing.ticks == (3, 3, 3)
        assert len(r.pacing.responses_s) == 9
        assert r.idle_gap_penalty == pytest.approx(r.samples_s[0] / ordinary.samples_s[0])


def test_speedups_are_formed_within_one_rate(bundles, launches):
    launches(at_each_rate)
    request = request_for(batches=(1,), rates_per_s=(100.0, 10.0))
    rows = run_bench(bundles[0], request, baseline=bundles[1]).rows
    pruned = [r for r in rows if r.bundle == "pruned"]
    assert [r.speedup for r in pruned] == [pytest.approx(2)] * 3
    assert len({r.baseline_median_s for r in pruned}) == 3


def test_a_rate_that_only_one_bundle_has_is_compared_with_no_other(bundles, launches):
    def answer(job):
        found = at_each_rate(job)
        return found[:1] if job.label == "dense" else found[1:]

    launches(answer)
    request = request_for(batches=(1,), rates_per_s=(100.0,))
    rows = run_bench(bundles[0], request, baseline=bundles[1]).rows
    assert [(r.bundle, r.rate_per_s, r.speedup) for r in rows] == [
        ("dense", None, None),
        ("pruned", 100.0, None),
    ]


def test_a_launch_that_failed_at_a_rate_fails_that_row_alone(bundles, launches):
    def answer(job):
        ordinary, paced = at_each_rate(job)
        return [ordinary, failed_rows(job, 1, "killed")[1] if len(jobs) > 1 else paced]

    jobs = launches(answer)
    request = request_for(batches=(1,), rates_per_s=(100.0,), launches=2)
    ordinary, paced = run_bench(bundles[0], request).rows
    assert (ordinary.status, paced.status, paced.reason) == ("ok", "failed", "killed")


def test_the_document_of_a_rate_is_plain_json(bundles, launches):
    launches(at_each_rate)
    result = run_bench(bundles[0], request_for(batches=(1,), rates_per_s=(100.0,)))
    assert '"missed_share": 0.0' in to_text(result)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"rates_per_s": (0.0,)}, "--rate 0: expected 0.1 to 20,000"),
        ({"rates_per_s": (1000.0, float("nan"))}, "--rate nan: expected"),
        ({"rates_per_s": (1.0,), "batches": SWEEP}, "--rate with --batch sweep"),
        ({"rates_per_s": (1.0,), "boundaries": ("bound", "device")}, "--boundary bound,device"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(options, match):
    with pytest.raises(UsageError, match=match):
        request_for(**options)


@pytest.mark.parametrize("boundaries", [(), ("all",), ("bound", "host-to-host")])
def test_a_rate_goes_with_every_choice_that_has_host_to_host(boundaries):
    assert request_for(rates_per_s=(1.0,), boundaries=boundaries).rates_per_s == (1.0,)


# --- sweeps


def sizes(job, largest, end=None):
    """Rows of a sweep that finds sizes up to ``largest``, or of the sizes that were named."""
    batches = job.batches or tuple(2**n for n in range(largest.bit_length()))
    rows = [
        row([1.0], launch_samples=(1,), bundle=job.label, runtime=job.runtime, batch=batch)
        for batch in batches
    ]
    return rows if end is None or job.batches else [*rows, end]


def test_the_first_launch_finds_the_sizes_and_the_others_repeat_them(bundles, launches):
    jobs = launches(lambda job: sizes(job, 8))
    rows = run_bench(bundles[0], request_for(batches=SWEEP, launches=3)).rows
    assert [(job.batches, job.sweep) for job in jobs] == [
        ((), True),
        ((1, 2, 4, 8), True),
        ((1, 2, 4, 8), True),
    ]
    assert [(r.batch, r.launch_samples) for r in rows] == [(n, (1, 1, 1)) for n in (1, 2, 4, 8)]


def test_the_shorter_sweep_is_made_as_long_as_the_longer_one(bundles, launches):
    jobs = launches(lambda job: sizes(job, 4 if job.label == "dense" else 16))
    told = []
    request = request_for(batches=SWEEP, launches=2)
    rows = run_bench(
        bundles[0],
        request,
        baseline=bundles[1],
        on_launch=lambda contender, launch: told.append((contender.label, launch)),
    ).rows
    assert [(job.label, job.batches) for job in jobs] == [
        ("dense", ()),
        ("pruned", ()),
        ("dense", (8, 16)),
        ("dense", (1, 2, 4, 8, 16)),
        ("pruned", (1, 2, 4, 8, 16)),
    ]
    assert told == [(job.label, 1 + (n > 2)) for n, job in enumerate(jobs)]
    for name in ("dense", "pruned"):
        assert [(r.batch, len(r.samples_s)) for r in rows if r.bundle == name] == [
            (2**n, 2) for n in range(5)
        ]
    assert all(r.speedup == 1 for r in rows if r.bundle == "pruned")


def test_sweeps_of_other_runtimes_and_options_are_left_as_they_are(bundles, launches):
    lengths = iter((4, 8, 16))
    jobs = launches(lambda job: sizes(job, next(lengths)))
    things = [
        Contender(label="a", bundle=bundles[0], runtime="ort-cpu"),
        Contender(label="b", bundle=bundles[0], runtime="pt2"),
        Contender(
            label="c", bundle=bundles[0], runtime="pt2", options=OpenOptions(precision="fp16")
        ),
    ]
    time_contenders(things, Schedule(batches=SWEEP, launches=1))
    assert [job.label for job in jobs] == ["a", "b", "c"]


def test_a_sweep_is_not_made_longer_than_its_file_allows(bundles, launches):
    def answer(job):
        dense = job.label == "dense"
        facts = RuntimeFacts(max_batch=8) if dense else RuntimeFacts()
        found = sizes(job, 4 if dense else 32)
        return [dataclasses.replace(r, facts=facts) for r in found]

    jobs = launches(answer)
    run_bench(bundles[0], request_for(batches=SWEEP), baseline=bundles[1])
    assert [job.batches for job in jobs] == [(), (), (8,)]


@pytest.mark.parametrize("ended", [True, False], ids=["memory", "a failure"])
def test_a_sweep_that_was_cut_short_is_not_made_longer_nor_tried_there_again(
    bundles, launches, ended
):
    def answer(job):
        if job.label != "dense":
            return sizes(job, 16)
        (lost,) = failed_rows(job, 8, "ended by SIGSEGV")
        return sizes(job, 4, end_of_sweep(lost) if ended else lost)

    jobs = launches(answer)
    request = request_for(batches=SWEEP, launches=2)
    rows = run_bench(bundles[0], request, baseline=bundles[1]).rows
    assert [(job.label, job.batches) for job in jobs] == [
        ("dense", ()),
        ("pruned", ()),
        ("dense", (1, 2, 4)),
        ("pruned", (1, 2, 4, 8, 16)),
    ]
    last = [r for r in rows if r.bundle == "dense"][-1]
    assert (last.batch, last.status) == (8, "unavailable" if ended else "failed")
    assert last.ends_sweep == ended


def test_memory_that_runs_out_in_a_later_launch_ends_the_sweep_there(bundles, launches):
    def answer(job):
        found = sizes(job, 4)
        if len(jobs) == 2:
            found[-1] = end_of_sweep(failed_rows(job, 4, "")[0])
        return found

    jobs = launches(answer)
    rows = run_bench(bundles[0], request_for(batches=SWEEP, launches=3)).rows
    assert [job.batches for job in jobs] == [(), (1, 2, 4), (1, 2)]
    assert [(r.batch, r.status) for r in rows] == [(1, "ok"), (2, "ok"), (4, "unavailable")]


def test_a_runtime_that_is_not_here_is_swept_once(bundles, launches):
    jobs = launches(lambda job: failed_rows(job, 1, "no GPU", "unavailable"))
    rows = run_bench(bundles[0], request_for("trt", batches=SWEEP, launches=3)).rows
    assert len(jobs) == 1
    assert [(r.batch, r.status) for r in rows] == [(1, "unavailable")]
