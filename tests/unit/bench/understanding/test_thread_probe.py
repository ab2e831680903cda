import pytest

from spinn_edge.bench.evidence.intervals import FASTER, NO_DIFFERENCE, SLOWER
from spinn_edge.bench.processes.contenders import Schedule
from spinn_edge.bench.understanding.thread_probe import (
    ThreadSetting,
    probe_threads,
    thread_settings,
)
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes.runtime import doubling_bundle
from tests.unit.bench.contests import fake_launches

ONE = ThreadSetting(threads=1)


@pytest.fixture
def bundle(tmp_path):
    return doubling_bundle(tmp_path / "pruned")


def probe(
    bundle, monkeypatch, latencies_s, *, runtime="ort-cpu", cores=2, batches=(1,), launches=5
):
    fake = fake_launches(
        monkeypatch, lambda job, batch: latencies_s[job.options.threads, job.options.spinning]
    )
    found = probe_threads(
        bundle,
        Schedule(batches=batches, launches=launches),
        runtime=runtime,
        options=OpenOptions(trust_factory=True),
        cores=cores,
    )
    return found, fake.jobs


def test_onnxruntime_is_tried_with_and_without_spinning():
    assert [setting.words for setting in thread_settings("ort-cpu", 2)] == [
        "1 thread",
        "2 threads, spinning",
        "2 threads, not spinning",
    ]


def test_runtime_without_the_switch_is_tried_once_a_count():
    assert thread_settings("eager", 3) == tuple(ThreadSetting(threads=n) for n in (1, 2, 3))


def test_many_cores_are_tried_in_powers_of_two():
    counts = [setting.threads for setting in thread_settings("eager", 48)]
    assert counts == [1, 2, 3, 4, 8, 16, 32, 48]


def test_slower_threads_leave_one(bundle, monkeypatch):
    (found,), _ = probe(
        bundle, monkeypatch, {(1, None): 14e-6, (2, True): 25e-6, (2, False): 30e-6}
    )
    assert [trial.row.verdict for trial in found.trials] == [None, SLOWER, SLOWER]
    assert found.best == ONE


def test_faster_threads_are_chosen_the_fastest_first(bundle, monkeypatch):
    (found,), _ = probe(bundle, monkeypatch, {(1, None): 14e-6, (2, True): 8e-6, (2, False): 7e-6})
    assert [trial.row.verdict for trial in found.trials] == [None, FASTER, FASTER]
    assert found.best == ThreadSetting(threads=2, spinning=False)


def test_difference_within_the_noise_is_none(bundle, monkeypatch):
    """Launches scatter by some per cent, so one per cent is nothing, though every pair shows it."""
    (found,), _ = probe(
        bundle, monkeypatch, {(1, None): 14e-6, (2, True): 13.86e-6, (2, False): 25e-6}
    )
    assert [trial.row.verdict for trial in found.trials] == [None, NO_DIFFERENCE, SLOWER]
    assert found.best == ONE


def test_each_batch_size_has_an_answer_of_its_own(bundle, monkeypatch):
    found, jobs = probe(
        bundle,
        monkeypatch,
        {(1, None): 1e-3, (2, True): 5e-4, (2, False): 5.2e-4},
        batches=(1, 1000),
    )
    assert [item.batch for item in found] == [1, 1000]
    assert {job.batches for job in jobs} == {(1, 1000)}


def test_launches_alternate_and_carry_the_setting(bundle, monkeypatch):
    _, jobs = probe(
        bundle, monkeypatch, {(1, None): 1.0, (2, True): 1.0, (2, False): 1.0}, launches=2
    )
    assert [(job.options.threads, job.options.spinning) for job in jobs] == [
        (1, None),
        (2, True),
        (2, False),
    ] * 2
    assert all(job.options.trust_factory for job in jobs)


def test_one_core_is_not_tried_at_all(bundle, monkeypatch):
    (found,), jobs = probe(bundle, monkeypatch, {}, cores=1)
    assert (found.trials, jobs, found.best) == ((), [], ONE)
    assert found.to_json()["cores"] == 1


def test_too_few_launches_choose_nothing(bundle, monkeypatch):
    (found,), _ = probe(
        bundle, monkeypatch, {(1, None): 9.0, (2, True): 1.0, (2, False): 1.0}, launches=2
    )
    assert found.best is None
    assert found.to_json()["best"] is None


def test_setting_that_fails_does_not_hide_the_others(bundle, monkeypatch):
    (found,), _ = probe(bundle, monkeypatch, {(1, None): 2.0, (2, True): None, (2, False): 1.0})
    assert found.trials[1].row.status == "failed"
    assert found.best == ThreadSetting(threads=2, spinning=False)


def test_one_thread_that_fails_leaves_nothing_to_compare_with(bundle, monkeypatch):
    (found,), _ = probe(bundle, monkeypatch, {(1, None): None, (2, True): 1.0, (2, False): 1.0})
    assert found.best is None
