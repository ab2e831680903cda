from dataclasses import replace
from typing import Any

import pytest

from spinn_edge.bench.understanding import explanation
from spinn_edge.bench.understanding.ceiling_launch import CeilingLaunch, Rate
from spinn_edge.bench.understanding.ceilings import Ceilings
from spinn_edge.bench.understanding.explain_request import PARTS, ExplainRequest
from spinn_edge.bench.understanding.explanation import explain
from spinn_edge.bench.understanding.roofline import MEASURED
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import InferenceError, RuntimeUnavailableError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.runtimes import registry
from tests.fakes.runtime import ENTRY, doubling_bundle
from tests.unit.bench.contests import fake_launches, job_bundle
from tests.unit.bench.test_measurement import ENVIRONMENT

FLOOR_S, SLOPE_S = 9e-6, 1e-9
CEILINGS = Ceilings(
    threads=1,
    working_set_bytes=2**20,
    cache_bytes=2**25,
    launches=(
        CeilingLaunch(
            blas="a BLAS",
            gemms=(Rate(size=256, work=1e9, samples_s=(1.0,)),),
            copies=(
                Rate(size=2**20, work=1e10, samples_s=(1.0,)),
                Rate(size=2**28, work=1e9, samples_s=(1.0,)),
            ),
        ),
    ),
)


@pytest.fixture
def launches(monkeypatch):
    """Let widths cost a floor and a slope, and a second thread half as much again."""

    def latency_of(job, batch):
        flops = job_bundle(job).manifest.flops_per_sample or 0
        return (FLOOR_S + SLOPE_S * batch * flops) * (1 + job.options.threads) / 2

    monkeypatch.setattr(explanation, "measure_ceilings", lambda **given: CEILINGS)
    return fake_launches(monkeypatch, latency_of)


def ask(**changes):
    given: dict[str, Any] = {"runtime": "eager", "launches": 3}
    return ExplainRequest(**(given | changes))


def run(bundle, request, **changes):
    return explain(bundle, request, describe=lambda: replace(ENVIRONMENT, affinity=2), **changes)


def foreign(bundle):
    """Return the bundle as if it had been made from somebody's factory."""
    manifest = replace(bundle.manifest, architecture=Architecture(kind="factory", factory="a.b:c"))
    return Bundle(root=bundle.root, manifest=manifest)


def test_every_part_is_explained(tiny_bundle, launches):
    found = run(tiny_bundle, ask(every_part=True))
    assert found.floors[0].floor_s == pytest.approx(FLOOR_S, rel=1e-3)
    assert found.threads[0].cores == 2
    assert found.threads[0].best.threads == 1
    assert found.widths[0].widths == (18, 16, 16, 2)
    assert found.ceilings is CEILINGS
    assert found.left_out == ()
    assert found.load is not None


@pytest.mark.parametrize("part", PARTS)
def test_part_that_is_named_comes_alone(tiny_bundle, launches, part):
    document = run(tiny_bundle, ask(parts=(part,))).to_json()
    empty = {name for name in ("floor", "threads", "widths") if not document[name]}
    assert empty == {"floor", "threads", "widths"} - {part}
    assert (document["roofline"]["ceilings"] is not None) == (part == "roofline")


def test_roofline_is_of_the_row_that_the_floor_measured(tiny_bundle, launches):
    found = run(tiny_bundle, ask(parts=("roofline", "floor"), batches=(1, 2)))
    assert [job.label for job in launches.jobs].count("tiny") == 3
    assert found.timed == tuple(floor.own for floor in found.floors)
    held = [row.roofline for row in found.rooflines]
    assert [one.dispatch_floor_s for one in held if one] == [f.floor_s for f in found.floors]
    assert {row.floor_from for row in found.rooflines} == {MEASURED}


def test_roofline_alone_times_the_bundle_and_knows_no_floor(tiny_bundle, launches):
    found = run(tiny_bundle, ask(parts=("roofline",)))
    assert [job.label for job in launches.jobs] == ["tiny"] * 3
    (row,) = found.rooflines
    assert row.roofline is not None
    assert row.roofline.dispatch_floor_s is None
    assert found.rows == found.timed


def test_everything_is_written_before_anything_is_timed(tiny_bundle, launches):
    said: list[str] = []
    run(tiny_bundle, ask(parts=("floor", "widths")), on_step=lambda words, *_: said.append(words))
    first = next(n for n, words in enumerate(said) if "launch" in words)
    assert all(words.startswith("writing") for words in said[:first])
    assert not any(words.startswith("writing") for words in said[first:])
    assert said[first] == "floor: launch 1 of 3: tiny"


def test_model_without_widths_leaves_two_parts_out_of_all(tiny_bundle, launches):
    found = run(foreign(tiny_bundle), ask(every_part=True))
    assert [item.part for item in found.left_out] == ["floor", "widths"]
    assert "is no MLP" in found.left_out[0].reason
    assert (found.floors, found.widths) == ((), ())
    assert found.threads
    assert found.rooflines


@pytest.mark.parametrize("part", ["floor", "widths"])
def test_model_without_widths_refuses_a_part_that_was_named(tiny_bundle, launches, part):
    with pytest.raises(UsageError, match="--only roofline,threads"):
        run(foreign(tiny_bundle), ask(parts=(part,)))
    assert launches.jobs == []


def test_ceilings_that_fail_take_no_other_part_along(tiny_bundle, launches, monkeypatch):
    def fail(**given):
        raise InferenceError("the machine's ceilings were not measured: it hung")

    monkeypatch.setattr(explanation, "measure_ceilings", fail)
    found = run(tiny_bundle, ask(every_part=True))
    assert [item.part for item in found.left_out] == ["roofline"]
    assert found.floors
    assert found.threads
    with pytest.raises(InferenceError, match="ceilings were not measured"):
        run(tiny_bundle, ask(parts=("roofline",)))


def test_bundle_that_could_not_be_timed_needs_no_ceilings(tiny_bundle, launches):
    launches.latency_of = lambda job, batch: None
    found = run(tiny_bundle, ask(parts=("roofline",)))
    assert found.ceilings is None
    assert [row.status for row in found.rows] == ["failed"]


def test_rows_of_all_parts_can_be_looked_through(tiny_bundle, launches):
    found = run(tiny_bundle, ask(parts=("floor", "threads")))
    assert {row.bundle for row in found.rows} == {
        "tiny",
        *(f"18-{n}-{n}-2, random weights" for n in (2, 4, 8, 12, 16)),
        "tiny, 1 thread",
        "tiny, 2 threads",
    }


def test_runtime_that_cannot_work_here_is_refused_before_anything_is_written(
    tmp_path, launches, monkeypatch
):
    entry = replace(ENTRY, probe="tests.unit.bench.understanding.test_explanation:no_device")
    monkeypatch.setitem(registry.RUNTIMES, "fake", entry)
    said: list[str] = []
    with pytest.raises(RuntimeUnavailableError, match="fake cannot work here: no device; buy one"):
        run(
            doubling_bundle(tmp_path / "b"),
            ask(runtime="fake"),
            on_step=lambda words, *_: said.append(words),
        )
    assert said == []


def no_device():
    from spinn_edge.runtimes.base import Availability

    return Availability(version=None, reason="no device", install="buy one")


def test_bundle_without_the_runtimes_file_is_refused_with_the_command(tmp_path, launches):
    with pytest.raises(RuntimeUnavailableError, match="--format torchscript"):
        run(doubling_bundle(tmp_path / "b"), ask(runtime="torchscript"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"batches": (0,)}, "--batch must be at least 1"),
        ({"batches": ()}, "--batch must be at least 1"),
        ({"launches": 0}, "--launches must be at least 1, got 0"),
        ({"parts": ("flor",)}, "--only flor: expected some of roofline, floor, threads, widths"),
        ({"parts": ()}, "expected some of roofline"),
        ({"runtime": "ort"}, "unknown runtime 'ort'"),
    ],
)
def test_request_that_makes_no_sense_is_refused(changes, words):
    with pytest.raises(UsageError, match=words):
        ask(**changes)
