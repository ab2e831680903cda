"""The check of planted failures: it sees one that goes wrong, and its workers really fail."""

import json
from pathlib import Path

import pytest

import spinn_edge
from spinn_edge.bench.loops.timing import TimingRule
from spinn_edge.bench.processes import contenders
from spinn_edge.bench.processes.contenders import Contender, Schedule, time_contenders
from spinn_edge.bench.processes.launch import run_in_process
from spinn_edge.runtimes import registry
from tests.fakes.runtime import doubling_bundle
from tests.unit.report.results import row

GB = 10**9
TAKEN = {"taken_bytes": 20 * GB, "resident_bytes": 2 * GB, "limit_bytes": 21 * GB}


@pytest.fixture
def check(program, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(spinn_edge.__file__).parent.parent))
    return program("planted_failures")


def rows_of(check, **reasons):
    said = {
        "segfault": "the runtime's process was ended by SIGSEGV",
        "hang": "it hung: nothing for 20 s, then killed",
        "endless": "out of memory at batch 1, and no smaller one fits",
        "nan": "output 'y' holds NaN or Inf, first in sample 0",
    } | reasons
    failed = [
        row(name, 0.0, status="failed", reason=reason, samples_s=(), launch_samples=())
        for name, reason in said.items()
    ]
    healthy = [
        row(name, 1e-4, launch_samples=(1,) * check.LAUNCHES)
        for name in ("plain", "slow15", "model")
    ]
    return [*failed, *healthy]


def test_every_row_with_its_reason_is_met(check):
    figure = check.figure_of(rows_of(check), 60.0, TAKEN)
    assert figure.met is True
    assert "4 of 4 rows with their reason, 3 of 3 healthy ones timed" in figure.measured
    assert "20.0 GB (2.0 GB resident) of its limit of 21.0 GB" in figure.measured


def test_memory_that_the_machine_had_to_end_is_missed(check):
    rows = rows_of(check, endless="the runtime's process was ended by SIGKILL (out of memory?)")
    figure = check.figure_of(rows, 60.0, None)
    assert figure.met is False
    assert "3 of 4" in figure.measured
    assert "SIGKILL" in figure.measured
    assert "our limit did not end it" in figure.measured


@pytest.mark.parametrize("taken_gb", [10, 22])
def test_memory_far_below_or_beyond_our_limit_is_missed(check, taken_gb):
    taken = TAKEN | {"taken_bytes": taken_gb * GB}
    assert check.figure_of(rows_of(check), 60.0, taken).met is False


def test_a_failure_that_takes_a_healthy_one_along_is_missed(check):
    rows = [r for r in rows_of(check) if r.bundle != "model"]
    assert check.figure_of(rows, 60.0, TAKEN).met is False
    rows.append(row("model", 1e-4, launch_samples=(1,) * (check.LAUNCHES - 1)))
    assert check.figure_of(rows, 60.0, TAKEN).met is False


def test_more_time_than_the_bound_is_missed(check):
    bound_s = (4 + 3 * check.LAUNCHES) * check.TIMEOUT_S
    assert check.figure_of(rows_of(check), bound_s, TAKEN).met is True
    assert check.figure_of(rows_of(check), bound_s + 1, TAKEN).met is False


def test_planted_workers_fail_as_their_names_say(check, program, tmp_path):
    names = ("segfault", "plain", "nan")
    with program("planting").planted_runtime():
        timed = time_contenders(
            [
                Contender(label=name, bundle=doubling_bundle(tmp_path / name), runtime="planted")
                for name in names
            ],
            Schedule(
                batches=(1,),
                launches=1,
                rule=TimingRule(budget_s=0.01, warmup_s=0.0, warmup_cap_s=0.0),
            ),
        )
    ((crashed,), (plain,), (nan,)) = timed
    assert check.REASONS["segfault"] in (crashed.reason or "")
    assert plain.status == "ok"
    assert check.REASONS["nan"] in (nan.reason or "")
    assert "planted" not in registry.RUNTIMES
    assert vars(contenders)["run_in_process"] is run_in_process


def test_the_endless_one_says_how_much_it_got(program, tmp_path, monkeypatch):
    worker = program("planted_worker")
    got: list[int] = []

    def some(size, dtype):
        if len(got) == 5:
            raise MemoryError
        got.append(size)
        return got

    monkeypatch.setattr(worker, "_KEPT", [])
    monkeypatch.setattr(worker, "WRITTEN_BYTES", 2 * worker.BLOCK_BYTES)
    monkeypatch.setattr(worker, "FATE", tmp_path / "oom_score_adj")
    monkeypatch.setattr(worker.np, "ones", some)
    monkeypatch.setattr(worker.np, "empty", some)
    with pytest.raises(MemoryError):
        worker.endless({}, tmp_path)
    note = json.loads((tmp_path / worker.TAKEN_NAME).read_text())
    assert note["taken_bytes"] == 5 * worker.BLOCK_BYTES
    assert (tmp_path / "oom_score_adj").read_text() == "1000", "the kernel ends it, not others"


@pytest.mark.parametrize(("met", "code"), [(True, 0), (False, 1), (None, 0)])
def test_the_harness_check_writes_its_table_and_leaves_with_a_code(
    program, monkeypatch, tiny_bundle, tmp_path, met, code
):
    harness = program("harness_check")
    figure = program("recorded").Figure(name="A/A", wanted="≤ 1", measured="0", met=met)
    monkeypatch.setattr(harness, "CHECKS", {"a-a": lambda bundle: figure})
    assert harness.main([str(tiny_bundle.root), "--out", str(tmp_path)]) == code
    (path,) = tmp_path.glob("harness-*.json")
    assert json.loads(path.read_text())["figures"][0]["met"] is met
    assert figure.line in path.with_suffix(".md").read_text()
