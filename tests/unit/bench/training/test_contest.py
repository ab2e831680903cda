"""Launches in turn, and what becomes of those that go wrong; workers are small programs."""

import json
import sys
import textwrap

import pytest

from spinn_edge.bench.training.contest import Outside, TrainingRequest, run_contest
from spinn_edge.bench.training.job import Subject
from spinn_edge.core.errors import RuntimeUnavailableError, UsageError
from spinn_edge.runtimes.base import Availability
from tests.unit.report.results import ENVIRONMENT

HERE = Availability(version="2.13")
NO_COMPILER = Availability(version="2.13", reason="there is no g++", install="apt-get install g++")
NO_CUDA = Availability(version="2.13", reason="torch is a CPU build")


def worker(body):
    """Return a command: ``job`` is what came in, ``answer(**)`` what goes out."""
    program = textwrap.dedent(
        """
        import json, os, sys, time
        job = json.loads(sys.stdin.readline())
        def answer(status="ok", reason="", samples=(0.01,), **more):
            launch = dict(seed=job["seed"], number=0, first_gradient_s=1.0,
                samples_s=samples, sample_steps=[1] * len(samples), steps_per_epoch=1, **more)
            print(json.dumps(dict(status=status, reason=reason, launch=launch)))
        """
    ) + textwrap.dedent(body)
    return (sys.executable, "-c", program)


def contest(body, *, compiler=HERE, cuda=NO_CUDA, **request):
    said: list[tuple[str, int, int]] = []
    outside = Outside(
        command=worker(body),
        cuda=lambda: cuda,
        compiler=lambda device: compiler,
        environment=lambda: ENVIRONMENT,
    )
    request.setdefault("subjects", (Subject(name="burgers"),))
    result = run_contest(
        TrainingRequest(**request), on_launch=lambda *step: said.append(step), outside=outside
    )
    return result, said


def test_launches_alternate_over_ways_and_seeds():
    result, said = contest("answer()", seeds=2, launches=2, ways=("autograd", "compiled"))
    assert [(words.replace("burgers, ", ""), *of) for words, *of in said] == [
        (f"{way}: seed {seed}, launch {number} of 2", number - 1, 2)
        for number in (1, 2)
        for seed in (0, 1)
        for way in ("autograd", "compiled")
    ]
    for row in result.rows:
        assert [(one.seed, one.number) for one in row.launches] == [(0, 1), (1, 1), (0, 2), (1, 2)]
        assert row.per_s == pytest.approx(100)
    assert result.environment is ENVIRONMENT
    assert (result.seeds, result.launches, result.device) == (2, 2, "cpu")


def test_a_worker_gets_threads_cache_and_one_look_at_its_time():
    body = """
    facts = dict(omp=os.environ["OMP_NUM_THREADS"], cache=job["cache"], there=str(
        os.path.isdir(job["cache"])), profile=str(job["profile"]))
    answer(facts=facts)
    """
    result, _ = contest(body, threads=3, launches=2, ways=("func",))
    first, second = (one.facts for one in result.rows[0].launches)
    assert first["omp"] == "3"
    assert first["there"] == "True"
    assert first["cache"] == second["cache"]
    assert (first["profile"], second["profile"]) == ("True", "False")
    assert result.threads == 3


def test_a_crash_is_a_row_with_its_reason_and_is_not_tried_again():
    body = """
    if job["way"] == "compiled":
        sys.stderr.write("boom"); os._exit(3)
    answer()
    """
    result, said = contest(body, launches=3, ways=("autograd", "compiled"))
    eager, compiled = result.rows
    assert eager.status == "ok"
    assert compiled.status == "failed"
    assert compiled.reason == "the training process ended with exit code 3: boom"
    assert compiled.per_s is None
    assert len([words for words, *_ in said if "compiled" in words]) == 1


def test_a_hang_is_ended_and_said():
    result, _ = contest("time.sleep(60)", launches=1, ways=("func",), timeout_s=0.5)
    assert result.rows[0].status == "failed"
    assert "it hung: nothing for 0.5 s, then killed; allow more" in result.rows[0].reason


@pytest.mark.parametrize("body", ["print('{')", "print('{}')", "pass"])
def test_a_torn_answer_is_a_failure(body):
    result, _ = contest(body, launches=1, ways=("func",))
    assert result.rows[0].status == "failed"
    assert "gave no result" in result.rows[0].reason


def test_unequal_gradients_leave_no_figure_and_keep_what_was_found():
    body = "answer(status='unequal', reason='off by 1', samples=())"
    result, _ = contest(body, launches=2, ways=("compiled",))
    row = result.rows[0]
    assert (row.status, row.reason) == ("unequal", "off by 1")
    assert len(row.launches) == 1
    assert row.per_s is None


def test_without_a_compiler_the_compiled_row_says_so_and_the_others_are_timed():
    result, said = contest("answer()", compiler=NO_COMPILER, launches=1)
    statuses = {row.way: row.status for row in result.rows}
    assert statuses == {"autograd": "ok", "func": "ok", "compiled": "unavailable"}
    assert result.rows[2].reason == "there is no g++; install it with: apt-get install g++"
    assert len(said) == 2


def test_cuda_that_is_not_here_is_refused_before_any_launch():
    with pytest.raises(RuntimeUnavailableError, match="--device cuda: torch is a CPU build"):
        contest("answer()", device="cuda")


def test_cuda_that_is_here_is_handed_on():
    body = "answer(facts=dict(device=job['device']))"
    result, _ = contest(body, device="cuda", cuda=HERE, launches=1, ways=("func",))
    assert result.rows[0].launches[0].facts["device"] == "cuda"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"seeds": 0}, "--seeds 0: expected 1 or more"),
        ({"launches": 0}, "--launches 0: expected 1 or more"),
        ({"threads": 0}, "--threads 0: expected 1 or more"),
        ({"timeout_s": float("nan")}, "--timeout nan: expected a time above 0"),
        ({"device": "tpu"}, "unknown device 'tpu'; known: cpu, cuda"),
        ({"subjects": ()}, "nothing to train"),
        ({"subjects": (Subject(name="heat"),)}, "unknown equation 'heat'; known: convection"),
        ({"subjects": (Subject(name="a", bundle="x/a"),) * 2}, "'a' is named twice"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(request_, words):
    with pytest.raises(UsageError, match=words):
        TrainingRequest(**{"subjects": (Subject(name="burgers"),), **request_})


def test_the_document_of_a_contest_is_json():
    from spinn_edge.report.training_speed import read_training_document, training_document

    facts = """facts=dict(problem="p", network="n", parameters="1", rows_of_a_step="r",
        an_epoch="e", optimiser="o")"""
    result, _ = contest(f"answer({facts})", launches=1)
    text = json.dumps(training_document(result), allow_nan=False)
    assert read_training_document(text, "here") == result
