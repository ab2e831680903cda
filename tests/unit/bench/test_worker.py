import itertools
import json

import numpy as np
import pytest

from spinn_edge.bench import worker
from spinn_edge.bench.timing import Timing, TimingRule
from spinn_edge.bench.worker import Job, row_from_json, run_job
from spinn_edge.core.decode import encode
from spinn_edge.core.errors import (
    IncompatibleBundleError,
    InferenceError,
    MissingDependencyError,
    ParityError,
    RuntimeUnavailableError,
)
from spinn_edge.runtimes import registry
from tests.fakes.runtime import ENTRY, FakeRuntime, double, doubling_bundle

RULE = TimingRule(warmup_runs=1, warmup_s=0.0, budget_s=1e-9, most_samples=5, fewest_samples=5)


@pytest.fixture
def opened():
    """The runtimes that were opened, with their options."""
    return []


@pytest.fixture
def run(tmp_path, monkeypatch, opened):
    """Run a job on the doubling bundle; ``compute`` is the fake runtime's or an error to raise."""
    root = doubling_bundle(tmp_path / "bundle").root
    monkeypatch.setitem(registry.RUNTIMES, "fake", ENTRY)

    def run(compute=double, batches=(1, 4), runtime="fake", folder=root):
        def open_fake(bundle, options):
            if isinstance(compute, Exception):
                raise compute
            opened.append((FakeRuntime(compute), options))
            return opened[-1][0]

        monkeypatch.setattr("tests.fakes.runtime.open_fake", open_fake)
        job = Job(
            folder=str(folder),
            label="the bundle",
            runtime=runtime,
            batches=batches,
            threads=2,
            trust_factory=True,
            rule=RULE,
        )
        return list(run_job(job))

    return run


@pytest.fixture
def timed(monkeypatch):
    """Count how often time was taken."""
    calls = []

    def time_inference(runtime, feeds, rule):
        calls.append(len(feeds["x"]))
        return Timing(samples_s=(0.001,) * 5, warmup_runs=1)

    monkeypatch.setattr(worker, "time_inference", time_inference)
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


def test_memory_that_runs_out_says_what_to_do(run):
    def exhaust(feeds):
        raise MemoryError

    (row,) = run(exhaust, (1,))
    assert row.status == "failed"
    assert "--batch" in str(row.reason)


@pytest.mark.parametrize("compute", [double, off])
def test_the_runtime_is_closed(run, opened, compute):
    run(compute)
    assert opened[-1][0].calls[-1] == "close"


def test_threads_and_trust_are_handed_on(run, opened):
    run()
    options = opened[-1][1]
    assert (options.threads, options.trust_factory) == (2, True)


def test_a_row_survives_the_pipe(run):
    for row in (*run(), *run(off)):
        assert row_from_json(json.loads(json.dumps(encode(row)))) == row
