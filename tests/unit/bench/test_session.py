import shutil
from typing import Any

import pytest

from spinn_edge.bench.boundaries import DEVICE, ENQUEUE, HOST_TO_HOST
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.bench.processes import contenders
from spinn_edge.bench.processes.worker import failed_rows
from spinn_edge.bench.session import BenchRequest, run_bench
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import UsageError
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions, RuntimeFacts
from tests.fakes.runtime import ENTRY, doubling_bundle
from tests.unit.bench.test_measurement import row

ON_A_GPU = (HOST_TO_HOST, DEVICE, ENQUEUE)

RULE = TimingRule(warmup_runs=1, warmup_s=0.0, budget_s=1e-9, most_samples=3, fewest_samples=3)


@pytest.fixture
def bundles(tmp_path):
    return doubling_bundle(tmp_path / "pruned"), doubling_bundle(tmp_path / "dense")


def facts_of(job):
    """Say that everything loaded as it should; tests put their own function here."""
    return RuntimeFacts()


@pytest.fixture
def jobs(monkeypatch):
    """Catch the jobs; each row takes a millisecond, twice that for the bundle ``dense``."""
    caught = []

    def run_in_process(job, *, timeout_s):
        caught.append((job, timeout_s))
        if job.runtime == "trt":
            return [r for b in job.batches for r in failed_rows(job, b, "no GPU", "unavailable")]
        median_s = 0.002 if job.label.endswith("dense") else 0.001
        boundaries = job.boundaries or (ON_A_GPU if "cuda" in job.runtime else ("host-to-host",))
        return [
            row(
                # each boundary and precision has figures of its own
                [median_s * (1 + 10 * n) * (1 if job.options.precision == "fp32" else 0.5)] * 3,
                bundle=job.label,
                runtime=job.runtime,
                batch=batch,
                boundary=boundary,
                precision=job.options.precision,
                facts=facts_of(job),
            )
            for batch in job.batches
            for n, boundary in enumerate(boundaries)
        ]

    monkeypatch.setattr(contenders, "run_in_process", run_in_process)
    return caught


def request_for(*runtimes, **options):
    return BenchRequest(runtimes=runtimes or ("ort-cpu", "pt2"), rule=RULE, **options)


def test_the_baseline_comes_right_before_the_bundle_on_each_runtime(bundles, jobs):
    bundle, baseline = bundles
    run_bench(bundle, request_for(), baseline=baseline)
    assert [(job.label, job.runtime) for job, _ in jobs] == [
        ("dense", "ort-cpu"),
        ("pruned", "ort-cpu"),
        ("dense", "pt2"),
        ("pruned", "pt2"),
    ]


def test_a_row_stands_for_everything_that_was_asked(bundles, jobs):
    bundle, baseline = bundles
    result = run_bench(bundle, request_for("ort-cpu", "trt", batches=(1, 7)), baseline=baseline)
    assert [(r.bundle, r.runtime, r.batch, r.status) for r in result.rows] == [
        ("dense", "ort-cpu", 1, "ok"),
        ("dense", "ort-cpu", 7, "ok"),
        ("pruned", "ort-cpu", 1, "ok"),
        ("pruned", "ort-cpu", 7, "ok"),
        ("dense", "trt", 1, "unavailable"),
        ("dense", "trt", 7, "unavailable"),
        ("pruned", "trt", 1, "unavailable"),
        ("pruned", "trt", 7, "unavailable"),
    ]


def test_the_speedup_is_the_baselines_median_over_ones_own(bundles, jobs):
    bundle, baseline = bundles
    rows = run_bench(bundle, request_for("ort-cpu"), baseline=baseline).rows
    assert {(r.bundle, r.speedup) for r in rows} == {("dense", None), ("pruned", 2.0)}


def test_without_a_baseline_there_is_no_speedup(bundles, jobs):
    result = run_bench(bundles[0], request_for("ort-cpu"))
    assert [r.speedup for r in result.rows] == [None, None]
    assert [(facts.name, facts.baseline) for facts in result.bundles] == [("pruned", False)]


def test_rows_that_were_not_timed_have_no_speedup(bundles, jobs):
    bundle, baseline = bundles
    rows = run_bench(bundle, request_for("trt"), baseline=baseline).rows
    assert [r.speedup for r in rows] == [None] * 4


def test_baseline_and_bundle_are_told_apart(bundles, jobs):
    bundle, baseline = bundles
    result = run_bench(bundle, request_for("ort-cpu"), baseline=baseline)
    facts = [(facts.name, facts.baseline) for facts in result.bundles]
    assert facts == [("dense", True), ("pruned", False)]


def test_two_bundles_of_one_name_are_called_by_their_paths(tmp_path, jobs):
    bundle, baseline = (doubling_bundle(tmp_path / where / "m") for where in ("new", "old"))
    result = run_bench(bundle, request_for("ort-cpu"), baseline=baseline)
    names = [facts.name for facts in result.bundles]
    assert names == [str(tmp_path / "old" / "m"), str(tmp_path / "new" / "m")]
    assert all(r.speedup is not None for r in result.rows if r.bundle == names[1])


def test_a_bundle_is_not_compared_with_itself(bundles, jobs, tmp_path):
    (tmp_path / "link").symlink_to(bundles[0].root)
    same = Bundle.load(tmp_path / "link")
    with pytest.raises(UsageError, match="both bundle and baseline"):
        run_bench(bundles[0], request_for("ort-cpu"), baseline=same)
    assert jobs == []


def test_what_was_asked_reaches_the_worker(bundles, jobs):
    choices: dict[str, Any] = {
        "threads": 4,
        "on_mismatch": "rebuild",
        "tf32": True,
        "provider_options": {"a": "1"},
        "trust_factory": True,
        "trust_engine_code": True,
    }
    request = request_for(
        "ort-cpu", batches=(3,), timeout_s=9.0, boundaries=("host-to-host",), **choices
    )
    run_bench(bundles[0], request)
    ((job, timeout_s),) = jobs
    assert (job.batches, job.boundaries, job.rule) == ((3,), ("host-to-host",), RULE)
    assert job.options == OpenOptions(**choices)
    assert job.folder == str(bundles[0].root)
    assert timeout_s == 9.0


def test_each_job_is_announced(bundles, jobs):
    told = []
    run_bench(
        bundles[0],
        request_for("ort-cpu", "pt2"),
        baseline=bundles[1],
        on_launch=lambda item, launch: told.append((item.label, item.runtime, launch)),
    )
    assert told == [(job.label, job.runtime, 1) for job, _ in jobs]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"runtimes": ("nonsense",)}, "unknown runtime 'nonsense'; known: eager"),
        ({"runtimes": ()}, "name at least one runtime"),
        ({"runtimes": ("pt2",), "batches": ()}, "batch sizes of 1 or more"),
        ({"runtimes": ("pt2",), "batches": (1, 0)}, "batch sizes of 1 or more"),
        ({"runtimes": ("pt2",), "precisions": ()}, "at least one precision of fp32, fp16"),
        ({"runtimes": ("pt2",), "precisions": ("fp32", "int4")}, "--precision int4: expected"),
        ({"runtimes": ("pt2",), "boundaries": ("gpu",)}, "--boundary gpu: expected main, all, or"),
        ({"runtimes": ("pt2",), "on_mismatch": "x"}, "--on-mismatch x: expected one of error"),
        ({"runtimes": ("pt2",), "threads": 0}, "--threads must be at least 1, got 0"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(options, match):
    with pytest.raises(UsageError, match=match):
        BenchRequest(**options)


def test_a_runtime_of_a_plugin_may_be_asked_for(monkeypatch):
    monkeypatch.setitem(registry.RUNTIMES, "fake", ENTRY)
    assert BenchRequest(runtimes=("fake",)).runtimes == ("fake",)


def test_real_runtimes_are_timed_and_the_missing_ones_are_named(tiny_bundle, tmp_path):
    shutil.copytree(tiny_bundle.root, tmp_path / "copy")
    missing = [name for name in registry.entries() if not registry.probe(name).available]
    request = BenchRequest(
        runtimes=("ort-cpu", "torchscript", *missing[:1]), batches=(1, 7), rule=RULE
    )
    result = run_bench(tiny_bundle, request, baseline=Bundle.load(tmp_path / "copy"))
    assert len(result.rows) == 2 * 2 * len(request.runtimes)
    for r in result.rows:
        if r.runtime in missing:
            assert (r.status, r.samples_s, r.speedup) == ("unavailable", (), None)
            assert r.reason
            continue
        assert (r.status, len(r.samples_s)) == ("ok", 3)
        assert r.parity is not None
        assert r.parity.passed
        assert (r.speedup is None) == (r.bundle == "copy")


def test_launches_alternate_between_baseline_and_bundle(bundles, jobs):
    bundle, baseline = bundles
    result = run_bench(bundle, request_for("ort-cpu", launches=3), baseline=baseline)
    assert [job.label for job, _ in jobs] == ["dense", "pruned"] * 3
    assert all(r.launch_samples == (3, 3, 3) and len(r.samples_s) == 9 for r in result.rows)


def test_launches_alternate_over_runtimes_too(bundles, jobs):
    run_bench(bundles[0], request_for("ort-cpu", "trt", "pt2", launches=2))
    assert [job.runtime for job, _ in jobs] == ["ort-cpu", "trt", "pt2", "ort-cpu", "pt2"]


def test_what_was_not_timed_is_not_launched_again(bundles, jobs):
    result = run_bench(bundles[0], request_for("trt", batches=(1, 7), launches=3))
    assert len(jobs) == 1
    assert [r.status for r in result.rows] == ["unavailable"] * 2


def test_batch_that_fails_in_a_later_launch_fails_as_a_whole(bundles, monkeypatch):
    tried = []

    def run_in_process(job, *, timeout_s):
        tried.append(job.batches)
        good = [row([0.001], bundle=job.label, runtime=job.runtime, batch=1)]
        return (
            [*good, *failed_rows(job, 7, "ended by SIGSEGV")]
            if len(tried) == 2
            else [
                row([0.001], bundle=job.label, runtime=job.runtime, batch=batch)
                for batch in job.batches
            ]
        )

    monkeypatch.setattr(contenders, "run_in_process", run_in_process)
    rows = run_bench(bundles[0], request_for("ort-cpu", batches=(1, 7), launches=3)).rows
    assert tried == [(1, 7), (1, 7), (1,)]
    assert [(r.batch, r.status, r.reason) for r in rows] == [
        (1, "ok", None),
        (7, "failed", "ended by SIGSEGV"),
    ]


# --- precisions and boundaries


def test_each_precision_has_processes_and_rows_of_its_own(bundles, jobs):
    request = request_for("ort-cpu", batches=(1,), precisions=("fp32", "fp16"))
    result = run_bench(bundles[0], request, baseline=bundles[1])
    assert [(job.label, job.options.precision) for job, _ in jobs] == [
        *(("dense", "fp32"), ("pruned", "fp32"), ("dense", "fp16"), ("pruned", "fp16")),
    ]
    assert [(r.bundle, r.precision, r.median_s) for r in result.rows] == [
        ("dense", "fp32", 0.002),
        ("pruned", "fp32", 0.001),
        ("dense", "fp16", 0.001),
        ("pruned", "fp16", 0.0005),
    ]
    assert [r.speedup for r in result.rows if r.bundle == "pruned"] == [2.0, 2.0]


def test_speedups_are_formed_within_one_boundary(bundles, jobs):
    rows = run_bench(bundles[0], request_for("ort-cuda"), baseline=bundles[1]).rows
    assert [(r.bundle, r.batch, r.boundary) for r in rows] == [
        (bundle, batch, boundary)
        for bundle in ("dense", "pruned")
        for batch in (1, 1000)
        for boundary in ON_A_GPU
    ]
    for r in rows:
        if r.bundle == "pruned":
            assert r.speedup == pytest.approx(2)


def test_a_row_that_only_the_bundle_has_is_compared_with_no_other_boundary(bundles, jobs):
    def run_in_process(job, *, timeout_s):
        boundary = "host-to-host" if job.label == "dense" else "device"
        return [row([0.001], bundle=job.label, runtime=job.runtime, boundary=boundary)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contenders, "run_in_process", run_in_process)
        request = request_for("ort-cuda", batches=(1,))
        rows = run_bench(bundles[0], request, baseline=bundles[1]).rows
    assert [(r.bundle, r.boundary, r.speedup) for r in rows] == [
        ("dense", "host-to-host", None),
        ("pruned", "device", None),
    ]


@pytest.mark.parametrize(
    ("dense", "pruned", "speedup"),
    [
        (RuntimeFacts(), RuntimeFacts(served_by="ort-cpu"), None),
        (RuntimeFacts(served_by="ort-cuda"), RuntimeFacts(served_by="ort-cpu"), None),
        (RuntimeFacts(served_by="ort-cpu"), RuntimeFacts(served_by="ort-cpu"), 2.0),
        (RuntimeFacts(tf32=False), RuntimeFacts(tf32=True), None),
    ],
)
def test_a_baseline_that_was_served_in_another_way_gives_no_speedup(
    bundles, jobs, monkeypatch, dense, pruned, speedup
):
    monkeypatch.setitem(globals(), "facts_of", lambda job: dense if job.label[0] == "d" else pruned)
    request = request_for("trt-no-graph", batches=(1,))
    rows = run_bench(bundles[0], request, baseline=bundles[1]).rows
    assert [r.speedup for r in rows] == [None, speedup]


def test_a_later_launch_that_dies_fails_every_boundary_of_the_first(bundles, monkeypatch):
    asked = []

    def run_in_process(job, *, timeout_s):
        asked.append(job.boundaries)
        if len(asked) == 2:
            return failed_rows(job, 1, "ended by SIGSEGV")
        return [
            row([0.001], bundle=job.label, runtime=job.runtime, boundary=name)
            for name in ("host-to-host", "enqueue", "device")
        ]

    monkeypatch.setattr(contenders, "run_in_process", run_in_process)
    rows = run_bench(bundles[0], request_for("ort-cuda", batches=(1,), launches=3)).rows
    assert asked == [(), ON_A_GPU]
    assert [(r.boundary, r.status) for r in rows] == [(name, "failed") for name in ON_A_GPU]


def test_a_boundary_that_is_not_there_does_not_stop_the_others(bundles, monkeypatch):
    launches = []

    def run_in_process(job, *, timeout_s):
        launches.append(job)
        return [
            row([0.001], bundle=job.label, runtime=job.runtime),
            *failed_rows(job, 1, "no clock", "unavailable", boundaries=("device",)),
        ]

    monkeypatch.setattr(contenders, "run_in_process", run_in_process)
    request = request_for(
        "ort-cpu", batches=(1,), launches=3, boundaries=("host-to-host", "device")
    )
    host, device = run_bench(bundles[0], request).rows
    assert len(launches) == 3
    assert (host.status, host.launch_samples) == ("ok", (1, 1, 1))
    assert device.status == "unavailable"


# --- starting together


def test_later_launches_start_in_pairs_and_the_first_alone(bundles, monkeypatch):
    started = []

    def rows_of(job):
        held = Footprint(peak_resident_bytes=1000)
        fields = {"bundle": job.label, "runtime": job.runtime, "batch": 1}
        return [row([1e-3], facts=RuntimeFacts(), footprints=(held,), **fields)]

    def alone(job, *, timeout_s):
        started.append(job.label)
        return rows_of(job)

    def together(jobs, *, timeout_s):
        assert timeout_s == 9.0
        started.append(tuple(job.label for job in jobs))
        return [rows_of(job) for job in jobs]

    monkeypatch.setattr(contenders, "run_in_process", alone)
    monkeypatch.setattr(contenders, "run_started_together", together)
    monkeypatch.setattr(contenders, "may_start_together", lambda first, second: bool(first))
    request = request_for("ort-cpu", batches=(1,), launches=2, timeout_s=9.0)
    told = []
    result = run_bench(
        bundles[0],
        request,
        baseline=bundles[1],
        on_launch=lambda item, launch: told.append((item.label, launch)),
    )
    assert started == ["dense", "pruned", ("dense", "pruned")]
    assert told == [("dense", 1), ("pruned", 1), ("dense", 2), ("pruned", 2)]
    assert [r.launch_samples for r in result.rows] == [(1, 1), (1, 1)]


def test_an_odd_one_out_starts_alone(bundles, monkeypatch):
    jobs = []
    monkeypatch.setattr(contenders, "may_start_together", lambda first, second: True)

    def take(found):
        jobs.append(tuple(job.runtime for job in found))
        return [[row([1e-3], bundle=job.label, runtime=job.runtime, batch=1)] for job in found]

    monkeypatch.setattr(contenders, "run_in_process", lambda job, *, timeout_s: take([job])[0])
    monkeypatch.setattr(contenders, "run_started_together", lambda found, *, timeout_s: take(found))
    run_bench(bundles[0], request_for("ort-cpu", "pt2", "eager", batches=(1,)))
    assert jobs == [("ort-cpu", "pt2"), ("eager",)]
