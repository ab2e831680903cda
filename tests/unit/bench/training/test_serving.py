"""One launch, in this process, on a problem made small."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from spinn_edge.bench.training import tasks
from spinn_edge.bench.training.job import StepRule, Subject, TrainingJob
from spinn_edge.bench.training.result import TrainingLaunch
from spinn_edge.bench.training.serving import Answer, serve
from spinn_edge.core.decode import decode, encode


@pytest.fixture
def job(tmp_path):
    return TrainingJob(
        subject=Subject(name="reaction"),
        way="autograd",
        seed=1,
        device="cpu",
        threads=torch.get_num_threads(),
        rule=StepRule(iterations=4),
        cache=str(tmp_path),
    )


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr("spinn_edge.bench.training.step_timing.WARM_S", 0.0)
    monkeypatch.setattr("spinn_edge.training.equations.conditions.INTERIOR", 50)


def test_a_launch_is_proved_timed_and_profiled(job):
    answer = serve(replace(job, profile=True))
    assert (answer.status, answer.reason) == ("ok", "")
    launch = answer.launch
    assert launch is not None
    assert launch.steps == 4
    assert launch.seed == 1
    assert launch.steps_per_epoch == 1
    assert launch.proof is not None
    assert launch.proof.passed
    assert launch.shares is not None
    assert launch.shares.products_s > 0
    assert launch.first_gradient_s > 0
    assert launch.facts["optimiser"] == "Adam, fused, learning rate 0.0001"
    assert launch.facts["threads"] == str(torch.get_num_threads())
    assert decode(Answer, json.loads(json.dumps(encode(answer))), where="x") == answer


def test_without_profile_there_are_no_shares(job):
    launch = serve(replace(job, way="func")).launch
    assert isinstance(launch, TrainingLaunch)
    assert launch.shares is None


def test_another_gradient_than_eager_s_is_not_timed(job, monkeypatch):
    from spinn_edge.training import pinn_step

    honest = pinn_step.gradient_of

    def spoilt(network, loss, way):
        gradient = honest(network, loss, way)
        return lambda points: gradient(points) * 1.01

    monkeypatch.setattr(pinn_step, "gradient_of", spoilt)  # the proof has the honest one
    answer = serve(job)
    assert answer.status == "unequal"
    assert "so it was not timed: they are 1.0e-02 and" in answer.reason
    assert answer.launch is not None
    assert answer.launch.samples_s == ()


def test_a_foreign_error_is_an_answer_in_one_line(job, monkeypatch):
    def broken(subject, seed):
        raise RuntimeError("no kernel\nfor this")

    monkeypatch.setattr(tasks, "make_task", broken)
    answer = serve(job)
    assert (answer.status, answer.reason) == ("failed", "RuntimeError: no kernel")


def test_an_error_of_ours_is_an_answer(job):
    answer = serve(replace(job, subject=Subject(name="heat")))
    assert answer.status == "failed"
    assert answer.reason.startswith("unknown equation 'heat'")


def test_the_process_answers_in_one_line_whatever_libraries_print(job):
    done = subprocess.run(
        [sys.executable, "-m", "spinn_edge.bench.training.serving"],
        input=json.dumps(encode(replace(job, profile=True))) + "\n",
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answer = decode(Answer, json.loads(done.stdout), where="x")
    assert answer.status == "ok"
    assert done.stdout.count("\n") == 1
