import dataclasses
import itertools
import json

import numpy as np
import pytest

from spinn_edge.accuracy.golden_check import check_golden
from spinn_edge.bench.boundaries import BOUNDARIES
from spinn_edge.bench.loops import row_timing
from spinn_edge.bench.loops.energy_timing import SpentEnergy
from spinn_edge.bench.loops.pacing import OVERLOAD, PacedTiming, Pacing
from spinn_edge.bench.loops.timing import BUDGET, Course, Timing, TimingRule
from spinn_edge.bench.machine.energy import PROCESSORS, Energy
from spinn_edge.bench.processes import worker
from spinn_edge.bench.processes.worker import Job, row_from_json, run_job
from spinn_edge.core.decode import decode, encode
from spinn_edge.core.errors import (
    IncompatibleBundleError,
    InferenceError,
    MissingDependencyError,
    ParityError,
    RuntimeUnavailableError,
)
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes.runtime import (
    ENTRY,
    ROWS,
    TOLERANCE,
    FakeDeviceRuntime,
    FakeRuntime,
    double,
    doubling_bundle,
)

RULE = TimingRule(
    warmup_runs=1,
    warmup_s=0.0,
    budget_s=1e-9,
    most_samples=5,
    fewest_samples=5,
    throughput_s=1e-9,
)


@pytest.fixture
def opened():
    """The runtimes that were opened, with their options."""
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, opened):
    """Run a job on the doubling bundle; ``compute`` is the fake runtime's or an error to raise."""
    root = doubling_bundle(tmp_path / "bundle").root
    monkeypatch.setitem(registry.RUNTIMES, "fake", ENTRY)

    def run(
        compute=double,
        batches=(1, 4),
        folder=root,
        boundaries=(),
        make=FakeRuntime,
        rates_per_s=(),
        sweep=False,
        energy=False,
        **options,
    ):
        def open_fake(bundle, given):
            if isinstance(compute, Exception):
                raise compute
            opened.append((make(compute), given))
            return opened[-1][0]

        monkeypatch.setattr("tests.fakes.runtime.open_fake", open_fake)
        job = Job(
            folder=str(folder),
            label="the bundle",
            runtime="fake",
            batches=batches,
            boundaries=boundaries,
            options=OpenOptions(threads=2, **options),
            rule=RULE,
            rates_per_s=rates_per_s,
            sweep=sweep,
            energy=energy,
        )
        return list(run_job(job))

    return run


@pytest.fixture
def timed(monkeypatch):
    """Count how often time was taken."""
    calls = []

    def time_inference(runtime, feeds, rule):
        calls.append(len(feeds["x"]))
        course = Course(warmup_runs=1, steady=True, stopped_by=BUDGET)
        return Timing(samples_s=(0.001,) * 5, course=course)

    monkeypatch.setattr(row_timing, "time_inference", time_inference)
    return calls


def test_each_batch_is_timed_after_its_parity_was_checked(run):
    rows = run()
    assert [(row.batch, row.status, row.reason) for row in rows] == [
        (1, "ok", None),
        (4, "ok", None),
    ]
    for row in rows:
        assert (row.bundle, row.runtime, row.threads) == ("the bundle", "fake", 2)
        assert len(row.samples_s) == 5
        assert row.parity is not None
        assert row.parity.passed
        assert row.file_bytes == len("y = 2 x")


def test_real_golden_inputs_of_the_batch_size_are_timed(run, timed):
    run(batches=(1, 4, 20))
    assert timed == [1, 4, 20]


def off(feeds):
    return {"y": 2 * feeds["x"] + 1}


def test_a_runtime_whose_output_is_off_is_never_timed(run, timed):
    rows = run(off)
    assert timed == []
    for row in rows:
        assert (row.status, row.samples_s, row.median_s) == ("failed", (), None)
        assert row.parity is not None
        assert not row.parity.passed
        assert row.parity.max_abs == pytest.approx(1, rel=1e-5)
        assert "parity failed, so it was not timed" in str(row.reason)
        assert "differs by 1, allowed 0.0001" in str(row.reason)


def test_a_batch_that_is_off_does_not_stop_the_others(run):
    rows = run(lambda feeds: off(feeds) if len(feeds["x"]) == 4 else double(feeds), (1, 4, 2))
    assert [row.status for row in rows] == ["ok", "failed", "ok"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_never_timed(run, timed, value):
    rows = run(lambda feeds: {"y": np.full_like(feeds["x"], value)})
    assert timed == []
    for row in rows:
        assert row.status == "failed"
        assert row.parity is not None
        assert (row.parity.passed, row.parity.max_abs) == (False, None)
        assert "NaN or Inf" in str(row.reason)
        json.dumps(encode(row), allow_nan=False)


def test_one_wrong_sample_among_the_golden_ones_is_found_at_batch_one(run, timed):
    calls = itertools.count()

    def wrong_at_the_fifth(feeds):
        return off(feeds) if next(calls) == 4 else double(feeds)

    (row,) = run(wrong_at_the_fifth, (1,))
    assert (row.status, timed) == ("failed", [])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeUnavailableError("no GPU"),
        MissingDependencyError("tensorrt", "trt", "no module"),
        IncompatibleBundleError("built for SM86"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_runtime_that_cannot_work_here_is_unavailable_at_every_batch(run, error):
    rows = run(error)
    assert [(row.batch, row.status, row.reason) for row in rows] == [
        (1, "unavailable", str(error)),
        (4, "unavailable", str(error)),
    ]
    assert all(row.samples_s == () and row.parity is None for row in rows)


def test_other_errors_while_opening_are_failures(run):
    assert {row.status for row in run(ParityError("broken"))} == {"failed"}


def test_a_bundle_that_is_damaged_is_a_failure(run, tmp_path):
    rows = run(folder=tmp_path / "nowhere")
    assert {row.status for row in rows} == {"failed"}
    assert "manifest.json" in str(rows[0].reason)


def test_a_failure_while_running_keeps_the_other_batches(run):
    def fail_at_four(feeds):
        if len(feeds["x"]) == 4:
            raise InferenceError("profile allows 1..2")
        return double(feeds)

    first, second, third = run(fail_at_four, (1, 4, 2))
    assert (second.status, second.reason) == ("failed", "profile allows 1..2")
    assert (first.status, third.status) == ("ok", "ok")


def test_memory_that_runs_out_names_a_batch_that_fits(run):
    def exhaust(feeds):
        if len(feeds["x"]) > 3:
            raise MemoryError
        return double(feeds)

    (row,) = run(exhaust, (100,))
    assert row.status == "failed"
    assert row.reason == "out of memory at batch 100; 3 fits: --batch 3"


def test_memory_that_is_not_there_for_one_sample_says_so(run):
    def exhaust(feeds):
        raise InferenceError("CUDA out of memory")

    (row,) = run(exhaust, (8,))
    assert "out of memory at batch 8, and no smaller one fits" in str(row.reason)


def test_how_a_timing_went_is_in_its_row(run):
    for row in run():
        assert row.stopped_by == (BUDGET,)
        assert row.steady == (True,)


@pytest.mark.parametrize("compute", [double, off])
def test_the_runtime_is_closed(run, opened, compute):
    run(compute)
    assert opened[-1][0].calls[-1] == "close"


def test_options_are_handed_on_as_they_are(run, opened):
    run(tf32=True, provider_options={"a": "1"}, on_mismatch="rebuild")
    assert opened[-1][1] == OpenOptions(
        threads=2, tf32=True, provider_options={"a": "1"}, on_mismatch="rebuild"
    )


def test_a_row_survives_the_pipe(run):
    for row in (*run(), *run(off), *run(make=FakeDeviceRuntime, precision="fp16")):
        assert row_from_json(json.loads(json.dumps(encode(row)))) == row


def test_a_job_survives_the_pipe():
    options = OpenOptions(precision="fp16", provider_options={"a": "1"}, trust_engine_code=True)
    job = Job(
        folder="f",
        label="l",
        runtime="r",
        batches=(1,),
        boundaries=("device",),
        options=options,
        rule=RULE,
        rates_per_s=(1000.0, 0.5),
        sweep=True,
    )
    assert decode(Job, json.loads(json.dumps(encode(job))), where="job") == job


# --- boundaries


def test_a_runtime_without_a_device_is_timed_host_to_host_and_no_more(run):
    assert [row.boundary for row in run(batches=(1,))] == ["host-to-host"]


def test_every_boundary_is_all_that_a_runtime_has(run):
    assert [row.boundary for row in run(batches=(1,), boundaries=worker.EVERY_BOUNDARY)] == [
        "host-to-host",
        "bound",
    ]
    rows = run(batches=(1,), make=FakeDeviceRuntime, boundaries=worker.EVERY_BOUNDARY)
    assert {row.boundary for row in rows} == set(BOUNDARIES)
    assert {row.status for row in rows} == {"ok"}


def test_a_runtime_that_cannot_be_opened_has_one_row_though_every_boundary_was_asked(run):
    rows = run(ParityError("broken"), batches=(1,), boundaries=worker.EVERY_BOUNDARY)
    assert [row.boundary for row in rows] == ["host-to-host"]


def test_throughput_is_measured_in_loops_of_its_own(run):
    (row,) = run(batches=(4,))
    assert len(row.throughput_samples_s) >= 3
    assert row.throughput_per_s == pytest.approx(
        4 * len(row.throughput_samples_s) / sum(row.throughput_samples_s)
    )


def test_a_runtime_with_a_device_is_timed_at_its_main_boundaries(run):
    rows = {row.boundary: row for row in run(batches=(1,), make=FakeDeviceRuntime)}
    assert set(rows) == {"host-to-host", "device", "enqueue"}
    assert all(row.status == "ok" and len(row.samples_s) == 5 for row in rows.values())
    device = rows["device"]
    assert device.samples_s == (20e-6,) * 5  # compute, and neither of the copies
    assert (device.upload_samples_s, device.download_samples_s) == ((1e-6,) * 5, (3e-6,) * 5)
    assert device.launches == 4
    for name in ("host-to-host", "enqueue"):
        assert (rows[name].upload_samples_s, rows[name].launches) == ((), None)


def test_parity_is_checked_once_for_all_boundaries_of_a_batch(run, monkeypatch):
    checked = []

    def check(runtime, golden, batch, limits):
        checked.append(batch)
        return check_golden(runtime, golden, batch, limits)

    monkeypatch.setattr(worker, "check_golden", check)
    rows = run(batches=(1, 4), make=FakeDeviceRuntime)
    assert checked == [1, 4]
    assert len(rows) == 6
    assert all(row.parity is not None for row in rows)


def test_kernels_are_counted_after_everything_else_was_timed(run, opened):
    run(batches=(1,), make=FakeDeviceRuntime)
    assert opened[-1][0].calls[-2:] == ["count_launches", "close"]


@pytest.mark.parametrize("boundaries", [("device",), ("enqueue", "host-to-host")])
def test_only_the_boundaries_that_were_named_are_timed(run, opened, boundaries):
    rows = run(batches=(1,), make=FakeDeviceRuntime, boundaries=boundaries)
    assert {row.boundary for row in rows} == set(boundaries)
    assert ("time_stages" in opened[-1][0].calls) == ("device" in boundaries)


def test_a_boundary_that_was_named_and_that_the_runtime_lacks_is_said(run):
    host, device = run(batches=(1,), boundaries=("host-to-host", "device"))
    assert (host.status, device.status, device.samples_s) == ("ok", "unavailable", ())
    assert "no clock on a device" in str(device.reason)


def test_a_failure_at_one_boundary_keeps_the_others(run):
    class Refusing(FakeDeviceRuntime):
        def time_stages(self):
            raise InferenceError("cudaEventRecord failed")

    rows = {row.boundary: row for row in run(batches=(1,), make=Refusing)}
    assert {name: row.status for name, row in rows.items()} == {
        "host-to-host": "ok",
        "enqueue": "ok",
        "device": "failed",
    }
    assert rows["device"].reason == "cudaEventRecord failed"


def test_device_memory_that_runs_out_fails_every_boundary_of_that_batch(run):
    class Small(FakeDeviceRuntime):
        def bind(self, feeds):
            if len(feeds["x"]) == 4:
                raise InferenceError("cudaMalloc failed: cudaErrorMemoryAllocation (2)")
            super().bind(feeds)

    rows = run(batches=(1, 4), make=Small)
    assert [row.status for row in rows] == ["ok"] * 3 + ["failed"] * 3
    assert {row.reason for row in rows[3:]} == {"out of memory at batch 4; 2 fits: --batch 2"}


# --- what really loaded


def with_facts(**changes):
    def make(compute):
        runtime = FakeDeviceRuntime(compute)
        runtime.facts = dataclasses.replace(runtime.facts, **changes)
        return runtime

    return make


@pytest.mark.parametrize(("batch", "fits"), [(1, False), (2, True), (4, True), (5, False)])
def test_a_batch_outside_what_the_runtime_takes_is_never_run(run, opened, batch, fits):
    rows = run(batches=(batch,), make=with_facts(min_batch=2, max_batch=4))
    assert {row.status for row in rows} == {"ok" if fits else "unavailable"}
    assert ("bind" in opened[-1][0].calls) == fits
    if not fits:
        assert f"batch {batch} is outside 2 to 4, which model.txt takes" in str(rows[0].reason)
        assert "--max-batch" in str(rows[0].reason)


def test_a_row_has_the_facts_that_stand_when_it_was_timed(run):
    class Learning(FakeDeviceRuntime):
        def time_stages(self):
            self.facts = dataclasses.replace(self.facts, notices=("no CUDA graph",))
            return super().time_stages()

    rows = {row.boundary: row for row in run(batches=(1,), make=Learning)}
    assert rows["host-to-host"].facts.notices == ()
    assert rows["device"].facts.notices == ("no CUDA graph",)


def test_the_size_is_that_of_the_file_that_really_loaded(run, tmp_path):
    folder = doubling_bundle(tmp_path / "two", precisions=("fp32", "fp16")).root
    sizes = {
        file: run(folder=folder, batches=(1,), make=with_facts(file=file))[0].file_bytes
        for file in ("model.txt", "model.fp16.txt", "")
    }
    assert sizes == {"model.txt": len("y = 2 x"), "model.fp16.txt": len("y = 2 x;"), "": None}


@pytest.mark.parametrize(
    ("precision", "tf32", "allowed"),
    [("fp32", False, 1), ("fp16", False, 40), ("fp32", True, 40)],
)
def test_the_limit_is_that_of_the_precision_that_really_computes(run, precision, tf32, allowed):
    def off_by(share):
        return lambda feeds: {"y": 2 * feeds["x"] + share * TOLERANCE}

    def passes(share):
        rows = run(off_by(share), (ROWS,), make=with_facts(tf32=tf32), precision=precision)
        return rows[0].status == "ok"

    assert passes(0.9 * allowed)
    assert not passes(60)
    assert passes(2) == (allowed > 2)


# --- fixed rates


@pytest.fixture
def paced(monkeypatch):
    """Catch what is timed at a fixed rate; nothing sleeps."""
    caught = []

    def time_paced(runtime, feeds, rate_per_s, rule):
        caught.append((rate_per_s, len(feeds["x"]), rule))
        runtime.calls.append(f"paced {rate_per_s:g}")
        pacing = Pacing(
            rate_per_s=rate_per_s, lateness_s=(0.0,) * 3, responses_s=(0.002,) * 3, ticks=(4,)
        )
        course = Course(warmup_runs=0, steady=True, stopped_by=OVERLOAD)
        return PacedTiming(timing=Timing(samples_s=(0.002,) * 3, course=course), pacing=pacing)

    monkeypatch.setattr(row_timing, "time_paced", time_paced)
    return caught


def test_each_batch_is_timed_at_each_rate_beside_the_ordinary_row(run, paced):
    rows = run(rates_per_s=(1000.0, 100.0))
    assert [(row.batch, row.rate_per_s, row.status) for row in rows] == [
        *((1, None, "ok"), (1, 1000.0, "ok"), (1, 100.0, "ok")),
        *((4, None, "ok"), (4, 1000.0, "ok"), (4, 100.0, "ok")),
    ]
    assert paced == [(rate, batch, RULE) for batch in (1, 4) for rate in (1000.0, 100.0)]


def test_a_paced_row_has_the_service_times_and_what_the_loop_saw(run, paced):
    ordinary, row = run(batches=(1,), rates_per_s=(1000.0,))
    assert row.samples_s == (0.002,) * 3
    assert (row.launch_samples, row.stopped_by) == ((3,), (OVERLOAD,))
    assert row.boundary == "host-to-host"
    assert row.pacing is not None
    assert row.pacing.missed == 4
    assert row.pacing.back_to_back_medians_s == (ordinary.median_s,)
    assert row.parity is not None
    assert row.footprints
    assert row.file_bytes == len("y = 2 x")
    assert (ordinary.pacing, row.throughput_per_s) == (None, None)


def test_a_rate_is_timed_right_behind_the_row_that_it_is_set_against(run, paced, opened):
    rows = run(batches=(1,), make=FakeDeviceRuntime, rates_per_s=(1000.0,))
    assert [(row.boundary, row.rate_per_s) for row in rows] == [
        ("host-to-host", None),
        ("host-to-host", 1000.0),
        ("enqueue", None),
        ("device", None),
    ]


def test_without_an_ordinary_row_there_is_nothing_to_set_a_rate_against(run, paced):
    bound, row = run(batches=(1,), boundaries=("bound",), rates_per_s=(1000.0,))[::-1]
    assert (bound.boundary, row.rate_per_s, row.status) == ("bound", 1000.0, "ok")
    assert row.pacing.back_to_back_medians_s == ()
    assert row.idle_gap_penalty is None


def test_what_cannot_be_timed_has_a_row_at_each_rate_too(run, paced):
    for rows in (run(off, (1,), rates_per_s=(9.0,)), run(ParityError("x"), rates_per_s=(9.0,))):
        assert [row.rate_per_s for row in rows[:2]] == [None, 9.0]
        assert {row.status for row in rows} == {"failed"}
    assert paced == []


def test_a_failure_at_a_rate_keeps_the_ordinary_row(run, monkeypatch):
    def time_paced(*arguments):
        raise InferenceError("lost the device")

    monkeypatch.setattr(row_timing, "time_paced", time_paced)
    ordinary, row = run(batches=(1,), rates_per_s=(1000.0,))
    assert (ordinary.status, row.status, row.reason) == ("ok", "failed", "lost the device")


def test_a_paced_row_survives_the_pipe(run, paced):
    for row in run(rates_per_s=(1000.0,)):
        assert row_from_json(json.loads(json.dumps(encode(row)))) == row


# --- sweeps


@pytest.fixture
def times(monkeypatch):
    """Inferences take what a test says: batch size to seconds; none follow each other."""
    table: dict[int, float] = {}

    def time_inference(runtime, feeds, rule):
        course = Course(warmup_runs=1, steady=True, stopped_by=BUDGET)
        return Timing(samples_s=(table[len(feeds["x"])],), course=course)

    monkeypatch.setattr(row_timing, "time_inference", time_inference)
    monkeypatch.setattr(row_timing, "time_throughput", lambda *args, **options: ())
    return table


def test_a_sweep_doubles_until_throughput_is_saturated(run, times):
    times.update({1: 1.0, 2: 1.0, 4: 1.0, 8: 1.99, 16: 3.97, 32: 9e9})
    rows = run(batches=(), sweep=True)
    assert [(row.batch, row.status) for row in rows] == [(2**n, "ok") for n in range(5)]


def test_a_sweep_ends_at_the_largest_batch_of_the_file(run, times):
    times.update({2**n: 1.0 for n in range(20)})
    rows = run(batches=(), sweep=True, make=with_facts(max_batch=12))
    assert [row.batch for row in rows if row.boundary == "host-to-host"] == [1, 2, 4, 8]
    assert {row.status for row in rows} == {"ok"}


def test_memory_that_runs_out_ends_a_sweep_and_is_no_failure(run):
    def exhaust(feeds):
        if len(feeds["x"]) > 3:
            raise MemoryError
        return double(feeds)

    for batches in ((), (1, 2, 4)):  # the first launch finds the sizes, later ones repeat them
        rows = run(exhaust, batches, sweep=True)
        assert [(row.batch, row.status, row.ends_sweep) for row in rows] == [
            *((1, "ok", False), (2, "ok", False), (4, "unavailable", True)),
        ]
        assert rows[-1].reason == "out of memory at batch 4, where the sweep ends"


def test_memory_that_is_not_there_for_the_first_size_is_a_failure(run):
    def exhaust(feeds):
        raise MemoryError

    (row,) = run(exhaust, (), sweep=True)
    assert (row.batch, row.status, row.ends_sweep) == (1, "failed", False)


def test_any_other_failure_ends_a_sweep_as_a_failure(run):
    rows = run(lambda feeds: off(feeds) if len(feeds["x"]) == 2 else double(feeds), (), sweep=True)
    assert [(row.batch, row.status) for row in rows] == [(1, "ok"), (2, "failed")]


def test_a_sweep_of_what_cannot_be_opened_is_one_row(run):
    (row,) = run(RuntimeUnavailableError("no GPU"), (), sweep=True)
    assert (row.batch, row.status) == (1, "unavailable")


# --- energy


def test_energy_is_measured_where_it_was_asked_for_and_can_be_read(run, monkeypatch):
    asked = []

    def time_energy(start, finish, *, gpu, about_s):
        start()
        asked.append(gpu)
        energy = Energy(joules=1.0, window_s=1.1, sources=(PROCESSORS,))
        return SpentEnergy(inferences=10, energy=energy)

    monkeypatch.setattr(row_timing, "time_energy", time_energy)
    monkeypatch.setattr(row_timing, "energy_readable", lambda gpu: True)
    assert [row.energies for row in run()] == [(), ()]
    assert asked == []
    rows = run(batches=(1,), boundaries=worker.EVERY_BOUNDARY, energy=True)
    assert {row.boundary: row.joules_per_inference for row in rows} == {
        "host-to-host": 0.1,
        "bound": None,
    }
    run(make=FakeDeviceRuntime, batches=(1,), energy=True)
    assert asked == [False, True]
    monkeypatch.setattr(row_timing, "energy_readable", lambda gpu: False)
    assert {row.energies for row in run(energy=True)} == {()}
