"""Real processes that crash, hang and babble; each must end as rows."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import spinn_edge
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.processes.exchange import Program
from spinn_edge.bench.processes.launch import run_in_process, run_started_together
from spinn_edge.bench.processes.worker import Job
from spinn_edge.runtimes.base import OpenOptions
from tests.fakes.runtime import doubling_bundle

ROOT = str(Path(spinn_edge.__file__).parent.parent)
RULE = TimingRule(warmup_runs=1, warmup_s=0.0, budget_s=1e-9, most_samples=3, fewest_samples=3)
PATIENCE_S = 120.0

SCRIPT = """
import json, os, signal, subprocess, sys, time
job = json.load(sys.stdin)
def write(text):
    sys.stdout.write(text)
    sys.stdout.flush()
def row(batch, reason=None, boundary="host-to-host"):
    return json.dumps({
        "bundle": job["label"], "runtime": job["runtime"], "batch": batch, "status": "ok",
        "reason": reason, "threads": job["options"]["threads"], "samples_s": [0.001],
        "boundary": boundary,
    })
def fail(number):
    os.kill(os.getpid(), number)
    time.sleep(600)
"""

WORKER = f"""
import os, sys
sys.path.insert(0, {ROOT!r})
from spinn_edge.runtimes import registry
from tests.fakes import runtime as fakes
registry.RUNTIMES["fake"] = fakes.ENTRY
class Theirs(fakes.FakeRuntime):
    def run(self):
        THEIRS
        super().run()
fakes.open_fake = lambda bundle, options: Theirs()
from spinn_edge.bench.processes.worker import main
main()
"""


def job_for(folder="nowhere", batches=(1, 2, 3), threads=1, boundaries=()):
    return Job(
        folder=str(folder),
        label="pruned",
        runtime="fake",
        batches=batches,
        boundaries=boundaries,
        options=OpenOptions(threads=threads),
        rule=RULE,
    )


def launch(code, job=None, timeout_s=PATIENCE_S):
    """Run a script that has read the job."""
    command = (sys.executable, "-c", SCRIPT + code)
    return run_in_process(job or job_for(), timeout_s=timeout_s, command=command)


def launch_worker(theirs, folder, batches=(1, 2)):
    """Run the real worker on a runtime whose ``run`` does ``theirs`` first."""
    command = (sys.executable, "-c", WORKER.replace("THEIRS", theirs))
    return run_in_process(job_for(folder, batches), timeout_s=PATIENCE_S, command=command)


def states(rows):
    return [(row.batch, row.status) for row in rows]


# --- what goes well


def test_rows_come_back_as_they_were_written():
    rows = launch("for batch in job['batches']: write(row(batch) + '\\n')")
    assert states(rows) == [(1, "ok"), (2, "ok"), (3, "ok")]
    assert rows[0].samples_s == (0.001,)
    assert rows[0].bundle == "pruned"


def test_a_large_result_is_read_whole():
    rows = launch("write(row(1, 'x' * 2_000_000) + '\\n')", job_for(batches=(1,)))
    assert len(str(rows[0].reason)) == 2_000_000


@pytest.mark.parametrize("threads", [1, 3])
def test_the_worker_is_told_its_threads_in_its_environment_too(threads):
    names = "OMP_NUM_THREADS MKL_NUM_THREADS OPENBLAS_NUM_THREADS"
    code = f"write(row(1, ' '.join(os.environ[n] for n in '{names}'.split())) + '\\n')"
    (row,) = launch(code, job_for(batches=(1,), threads=threads))
    assert row.reason == " ".join([str(threads)] * 3)
    assert row.threads == threads


def test_the_rest_of_the_environment_is_kept(monkeypatch):
    monkeypatch.setenv("SPINN_EDGE_TEST", "kept")
    code = "write(row(1, os.environ['SPINN_EDGE_TEST']) + '\\n')"
    assert launch(code, job_for(batches=(1,)))[0].reason == "kept"


# --- crashes


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_worker_that_a_signal_ended_becomes_failed_rows_that_name_it(name):
    rows = launch(f"fail(signal.{name})")
    assert states(rows) == [(1, "failed"), (2, "failed"), (3, "failed")]
    assert f"ended by {name}" in str(rows[0].reason)
    assert ("out of memory?" in str(rows[0].reason)) == (name == "SIGKILL")


def test_a_signal_without_a_name_is_given_by_number():
    number = signal.SIGRTMIN + 3
    assert number not in set(signal.Signals)
    assert f"signal {number}" in str(launch(f"fail({number})")[0].reason)


def test_rows_that_were_finished_before_a_crash_stay():
    rows = launch("write(row(1) + '\\n'); fail(signal.SIGSEGV)")
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]


def test_half_a_line_is_no_row_and_the_finished_one_stays():
    rows = launch("write(row(1) + '\\n'); write(row(2)[:40]); fail(signal.SIGKILL)")
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]


def test_a_whole_line_without_its_end_is_not_trusted():
    rows = launch("write(row(1) + '\\n'); write(row(2))")
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]


@pytest.mark.parametrize("line", ["{", "no JSON", "[]", '{"batch": 2}'])
def test_a_line_that_is_no_row_ends_the_results_without_an_error(line):
    rows = launch(f"write(row(1) + '\\n'); write({line!r} + '\\n')")
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]


def test_the_last_words_on_standard_error_are_in_the_reason():
    lines = "; ".join(f"print('line {n}', file=sys.stderr)" for n in range(8))
    rows = launch(f"{lines}; sys.exit(7)")
    assert "ended with exit code 7: line 3 | line 4" in str(rows[0].reason)
    assert str(rows[0].reason).endswith("line 7")
    assert "line 2" not in str(rows[0].reason)


def test_the_underlines_of_a_traceback_are_no_words():
    lines = "; ".join(f"print({line!r}, file=sys.stderr)" for line in ("why", "  ^^^^", "~~~^^^~"))
    assert str(launch(f"{lines}; sys.exit(7)")[0].reason).endswith("exit code 7: why")


PLAN = "write(json.dumps({'boundaries': ['host-to-host', 'device']}) + '\\n'); "


def test_a_crash_fails_every_boundary_that_was_planned_and_not_finished():
    code = "write(row(1) + '\\n'); write(row(1, None, 'device') + '\\n'); write(row(2) + '\\n'); "
    rows = launch(PLAN + code + "fail(signal.SIGSEGV)", job_for(batches=(1, 2)))
    assert [(r.batch, r.boundary, r.status) for r in rows] == [
        (1, "host-to-host", "ok"),
        (1, "device", "ok"),
        (2, "host-to-host", "ok"),
        (2, "device", "failed"),
    ]
    assert "SIGSEGV" in str(rows[3].reason)


def test_a_crash_before_the_plan_fails_the_boundaries_that_were_named():
    rows = launch("fail(signal.SIGSEGV)", job_for(batches=(1,), boundaries=("device", "enqueue")))
    assert [(r.boundary, r.status) for r in rows] == [("device", "failed"), ("enqueue", "failed")]


def test_bytes_that_are_no_text_on_standard_error_do_no_harm():
    rows = launch("write(row(1) + '\\n'); os.write(2, b'bad \\xff\\xfe bytes\\n'); sys.exit(1)")
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]
    assert "bytes" in str(rows[1].reason)


def test_a_worker_that_does_not_read_its_job_becomes_failed_rows():
    rows = run_in_process(
        job_for(), timeout_s=PATIENCE_S, command=(sys.executable, "-c", "raise SystemExit(3)")
    )
    assert "exit code 3" in str(rows[0].reason)


# --- hangs


def test_a_worker_that_hangs_is_killed_with_its_children_and_its_finished_row_stays(tmp_path):
    # The grandchild shares standard error, so that if it outlived the kill, the parent would read
    # on until it had written the file.
    mark = tmp_path / "survived"
    grandchild = f"import time; time.sleep(20); open({str(mark)!r}, 'w').close()"
    rows = launch(
        f"subprocess.Popen([sys.executable, '-c', {grandchild!r}])\n"
        "write(row(1) + '\\n')\n"
        "time.sleep(600)",
        timeout_s=3.0,
    )
    assert states(rows) == [(1, "ok"), (2, "failed"), (3, "failed")]
    assert "hung" in str(rows[1].reason)
    assert "3 s" in str(rows[1].reason)
    assert "--timeout" in str(rows[1].reason)
    assert not mark.exists()


def test_an_interruption_kills_the_worker_and_goes_on(monkeypatch):
    started: list[subprocess.Popen[str]] = []

    class Interrupted(subprocess.Popen):
        def communicate(self, *given, **options):
            if not started:
                started.append(self)
                raise KeyboardInterrupt
            return super().communicate(*given, **options)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        launch("time.sleep(600)")
    assert started[0].returncode == -signal.SIGKILL


def test_a_worker_that_ended_just_before_the_kill_is_no_error(monkeypatch):
    def gone(*given):
        raise ProcessLookupError

    monkeypatch.setattr(os, "killpg", gone)
    rows = launch("time.sleep(600)", timeout_s=0.5)
    assert {row.status for row in rows} == {"failed"}


# --- the real worker


@pytest.fixture
def folder(tmp_path):
    return doubling_bundle(tmp_path / "bundle").root


def test_what_a_runtime_prints_does_not_mix_with_the_results(folder):
    theirs = (
        "print('noise'); print('{\"batch\": 2}', flush=True); "
        "os.write(1, b'{}\\n'); os.system('echo from a child')"
    )
    rows = launch_worker(theirs, folder)
    assert states(rows) == [(1, "ok"), (2, "ok")]
    assert [len(row.samples_s) for row in rows] == [3, 3]


def test_a_runtime_that_crashes_at_its_second_batch_keeps_the_first(folder):
    theirs = "len(self._feeds['x']) == 2 and os.kill(os.getpid(), 11)"
    rows = launch_worker(theirs, folder)
    assert states(rows) == [(1, "ok"), (2, "failed")]
    assert "SIGSEGV" in str(rows[1].reason)


def test_a_runtime_that_raises_something_foreign_becomes_failed_rows(folder):
    rows = launch_worker("raise ValueError('their own mistake')", folder)
    assert states(rows) == [(1, "failed"), (2, "failed")]
    assert "ValueError: their own mistake" in str(rows[0].reason)


def test_the_worker_module_serves_a_job_as_a_program(tiny_bundle):
    job = Job(
        folder=str(tiny_bundle.root),
        label="tiny",
        runtime="ort-cpu",
        batches=(1, 7),
        boundaries=(),
        options=OpenOptions(),
        rule=RULE,
    )
    rows = run_in_process(job, timeout_s=PATIENCE_S)
    assert states(rows) == [(1, "ok"), (7, "ok")]
    assert all(row.parity is not None and row.parity.passed for row in rows)
    assert rows[0].file_bytes == (tiny_bundle.root / "model.onnx").stat().st_size


# --- fixed rates and sweeps


def test_rows_at_a_rate_that_a_crash_took_are_failed_and_the_others_stay():
    job = replace(job_for(batches=(1,)), rates_per_s=(1000.0, 100.0))
    rows = launch("write(row(1) + '\\n'); fail(signal.SIGSEGV)", job)
    assert [(row.rate_per_s, row.status) for row in rows] == [
        (None, "ok"),
        (1000.0, "failed"),
        (100.0, "failed"),
    ]


def test_a_sweep_that_a_signal_ended_fails_at_the_size_after_the_last():
    code = "write(row(1) + '\\n' + row(2) + '\\n'); fail(signal.SIGSEGV)"
    rows = launch(code, replace(job_for(batches=()), sweep=True))
    assert states(rows) == [(1, "ok"), (2, "ok"), (4, "failed")]
    assert "SIGSEGV" in str(rows[-1].reason)


def test_a_sweep_that_never_began_fails_at_one():
    rows = launch("fail(signal.SIGSEGV)", replace(job_for(batches=()), sweep=True))
    assert states(rows) == [(1, "failed")]


def test_a_sweep_that_ended_by_itself_lost_nothing():
    rows = launch("write(row(1) + '\\n')", replace(job_for(batches=()), sweep=True))
    assert states(rows) == [(1, "ok")]


# --- started together

TOGETHER = """
def log(what):
    with open(job["folder"], "a") as file:
        file.write(f"{job['label']} {what}\\n")
log("starts")
ON_START
write(json.dumps({"boundaries": ["host-to-host"]}) + "\\n")
sys.stdin.read()
log("works")
time.sleep(0.05)
ON_WORK
write(row(1) + "\\n")
log("is done")
"""
READ_A_LINE = SCRIPT.replace("json.load(sys.stdin)", "json.loads(sys.stdin.readline())")


def start_two(tmp_path, *, on_start="", on_work="", timeout_s=PATIENCE_S):
    """Start ``first`` and ``second``; return their rows and what they wrote down, in order."""
    journal = tmp_path / "journal"
    jobs = [replace(job_for(journal, batches=(1,)), label=name) for name in ("first", "second")]
    code = TOGETHER.replace("ON_START", on_start).replace("ON_WORK", on_work)
    command = (sys.executable, "-c", READ_A_LINE + code)
    rows = run_started_together(jobs, timeout_s=timeout_s, command=command)
    return rows, journal.read_text().splitlines()


def test_two_that_start_together_work_one_after_the_other(tmp_path):
    (first, second), journal = start_two(tmp_path)
    assert [states(rows) for rows in (first, second)] == [[(1, "ok")]] * 2
    assert [rows[0].bundle for rows in (first, second)] == ["first", "second"]
    assert sorted(journal[:2]) == ["first starts", "second starts"]
    assert journal[2:] == ["first works", "first is done", "second works", "second is done"]


def test_one_that_dies_while_it_starts_stops_no_other(tmp_path):
    dies = "if job['label'] == 'first': fail(signal.SIGSEGV)"
    (first, second), journal = start_two(tmp_path, on_start=dies)
    assert "SIGSEGV" in str(first[0].reason)
    assert states(second) == [(1, "ok")]
    assert "first works" not in journal


def test_one_that_hangs_while_it_starts_is_killed_before_the_other_works(tmp_path):
    hangs = "if job['label'] == 'first': print('stuck', file=sys.stderr); time.sleep(600)"
    (first, second), _ = start_two(tmp_path, on_start=hangs, timeout_s=2.0)
    assert "it hung: nothing for 2 s, then killed" in str(first[0].reason)
    assert str(first[0].reason).endswith("stuck")
    assert states(second) == [(1, "ok")]


def test_one_that_dies_at_work_keeps_what_it_wrote(tmp_path):
    dies = "if job['label'] == 'second': write(row(1) + '\\n'); fail(signal.SIGABRT)"
    (first, second), _ = start_two(tmp_path, on_work=dies)
    assert states(first) == states(second) == [(1, "ok")]


def test_much_said_on_standard_error_stops_nobody(tmp_path):
    talks = "sys.stderr.write('x' * 1_000_000)"
    (first, second), _ = start_two(tmp_path, on_start=talks, on_work=talks)
    assert states(first) == states(second) == [(1, "ok")]


def test_a_start_beside_another_has_no_times_but_its_memory(tmp_path):
    folder = doubling_bundle(tmp_path / "bundle").root
    command = (sys.executable, "-c", WORKER.replace("THEIRS", "pass"))
    alone = run_in_process(job_for(folder, (1,)), timeout_s=PATIENCE_S, command=command)
    jobs = [job_for(folder, (1,))] * 2
    for (row,) in run_started_together(jobs, timeout_s=PATIENCE_S, command=command):
        assert row.status == "ok"
        (footprint,) = row.footprints
        assert (footprint.load_s, footprint.first_inference_s) == (None, None)
        assert (footprint.peak_resident_bytes or 0) > 1e6
    assert alone[0].footprints[0].first_inference_s is not None


def test_an_interrupt_ends_every_worker(tmp_path, monkeypatch):
    started = []
    real = subprocess.Popen

    def remember(*given, **options):
        started.append(real(*given, **options))
        return started[-1]

    def interrupt(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "Popen", remember)
    monkeypatch.setattr(Program, "finish", interrupt)
    with pytest.raises(KeyboardInterrupt):
        start_two(tmp_path)
    assert [process.returncode for process in started] == [-signal.SIGKILL] * 2
