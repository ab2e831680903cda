from dataclasses import replace

import pytest

from spinn_edge.bench.evidence.intervals import FASTER, NO_DIFFERENCE, SLOWER
from spinn_edge.bench.processes.contenders import Schedule
from spinn_edge.bench.understanding.width_advice import (
    MULTIPLES,
    advise_widths,
    roundings,
    was_pruned,
)
from spinn_edge.bench.understanding.width_variants import WidthVariants
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.pruning_record import LayerAudit, PruningAudit
from spinn_edge.pruning.targets.mlp_plan import count_parameters, plan_mlp
from spinn_edge.runtimes.base import OpenOptions
from tests.unit.bench.contests import fake_launches, job_bundle

ORIGINAL = (18, 512, 512, 512, 256, 2)
PRUNED = plan_mlp(ORIGINAL, target=0.685, rounds=3)[-1].widths


def audit(before, after, *, requested=0.685, round_to=1):
    return PruningAudit(
        requested=requested,
        achieved=requested,
        tolerance=0.003,
        round_to=round_to,
        importance="l1-outgoing",
        parameters_before=count_parameters(before),
        parameters_after=count_parameters(after),
        layers=tuple(
            LayerAudit(name=str(n), before=old, after=new)
            for n, (old, new) in enumerate(zip(before[1:-1], after[1:-1], strict=True))
        ),
        rounds=(),
    )


def manifest_of(bundle, widths, pruning=None):
    architecture = Architecture(kind="mlp", widths=widths, activation="tanh")
    return replace(bundle.manifest, architecture=architecture, pruning=pruning)


def advise(manifest, bundle, tmp_path, latency_of, monkeypatch, *, batches=(1,)):
    launches = fake_launches(
        monkeypatch, lambda job, batch: latency_of(job_bundle(job).manifest.architecture.widths)
    )
    given = replace(bundle, manifest=manifest)
    advices = advise_widths(
        manifest,
        WidthVariants(given, tmp_path, runtime="eager", max_batch=1),
        Schedule(batches=batches),
        runtime="eager",
        options=OpenOptions(),
    )
    return advices, launches.jobs


# --- which widths


def test_widths_of_a_pruned_bundle_are_those_of_the_pruning_command(tiny_bundle):
    manifest = manifest_of(tiny_bundle, PRUNED, audit(ORIGINAL, PRUNED))
    assert was_pruned(manifest)
    for rounding in roundings(manifest):
        plans = plan_mlp(ORIGINAL, target=0.685, rounds=3, round_to=rounding.multiple)
        assert rounding.widths == plans[-1].widths
    assert [rounding.multiple for rounding in roundings(manifest)] == list(MULTIPLES)


def test_own_widths_stand_for_the_multiple_that_they_were_pruned_to(tiny_bundle):
    own = (18, 288, 288, 288, 144, 2)  # an older release may have searched otherwise
    manifest = manifest_of(tiny_bundle, own, audit(ORIGINAL, own, round_to=16))
    assert {r.multiple: r.widths for r in roundings(manifest)}[16] == own


def test_widths_that_were_not_pruned_go_to_the_nearest_multiple(tiny_bundle):
    found = {r.multiple: r.widths for r in roundings(manifest_of(tiny_bundle, (18, 300, 5, 2)))}
    assert found == {
        1: (18, 300, 5, 2),
        8: (18, 304, 8, 2),
        16: (18, 304, 16, 2),
        32: (18, 288, 32, 2),
    }


def test_audit_of_other_widths_does_not_count(tiny_bundle):
    manifest = manifest_of(tiny_bundle, (18, 300, 2), audit((18, 512, 2), (18, 256, 2)))
    assert not was_pruned(manifest)
    assert roundings(manifest)[1].widths == (18, 304, 2)


def test_multiple_that_cannot_reach_the_target_says_so(tiny_bundle):
    before, after = (18, 64, 64, 2), (18, 6, 6, 2)
    manifest = manifest_of(tiny_bundle, after, audit(before, after, requested=0.96))
    found = {r.multiple: r for r in roundings(manifest)}
    assert found[32].widths == ()
    assert "cannot be removed" in found[32].unreachable


# --- what is timed


def test_faster_rounding_is_advised_with_its_parameters(tiny_bundle, tmp_path, monkeypatch):
    def latency_of(widths):
        return 1e-5 if all(width % 16 == 0 for width in widths[1:-1]) else 1.1e-5

    manifest = manifest_of(tiny_bundle, (18, 30, 30, 2))
    (advice,), jobs = advise(manifest, tiny_bundle, tmp_path, latency_of, monkeypatch)
    assert [trial.row.verdict if trial.row else None for trial in advice.trials] == [
        None,  # as it is
        FASTER,  # 32-32 is a multiple of 8, of 16 and of 32
        FASTER,
        FASTER,
    ]
    assert advice.best is not None
    assert advice.best.parameters == count_parameters((18, 32, 32, 2))
    assert advice.parameters == count_parameters((18, 30, 30, 2))
    assert [job.label for job in jobs[:2]] * 5 == [job.label for job in jobs]
    assert {job.label for job in jobs} == {"18-30-30-2", "18-32-32-2"}
    assert not advice.pruned


def test_no_difference_stays_no_difference(tiny_bundle, tmp_path, monkeypatch):
    manifest = manifest_of(tiny_bundle, (18, 30, 30, 2))
    (advice,), _ = advise(
        manifest, tiny_bundle, tmp_path, lambda widths: 1e-5 - 1e-9 * widths[1], monkeypatch
    )
    assert {trial.row.verdict for trial in advice.trials if trial.row} == {NO_DIFFERENCE}
    assert advice.best is None
    assert advice.to_json()["best_multiple"] is None


def test_slower_rounding_is_not_advised(tiny_bundle, tmp_path, monkeypatch):
    manifest = manifest_of(tiny_bundle, (18, 20, 20, 2))
    (advice,), _ = advise(
        manifest, tiny_bundle, tmp_path, lambda widths: 1e-6 * sum(widths), monkeypatch
    )
    # to the nearest multiple: 24 with 8 (20 / 8 is even between 2 and 3, so 16), 16, 32
    assert {t.rounding.multiple: t.row.verdict for t in advice.trials if t.row} == {
        8: FASTER,
        16: FASTER,
        32: SLOWER,
    }
    assert advice.best is not None
    assert advice.best.rounding.widths == (18, 16, 16, 2)


def test_widths_that_are_multiples_already_need_no_launch(tiny_bundle, tmp_path, monkeypatch):
    manifest = manifest_of(tiny_bundle, (18, 64, 32, 2))
    advices, jobs = advise(
        manifest, tiny_bundle, tmp_path, lambda widths: 1.0, monkeypatch, batches=(1, 8)
    )
    assert jobs == []
    assert [advice.batch for advice in advices] == [1, 8]
    assert [(advice.own, advice.best) for advice in advices] == [(None, None)] * 2


def test_rounding_that_fails_is_a_trial_with_its_reason(tiny_bundle, tmp_path, monkeypatch):
    manifest = manifest_of(tiny_bundle, (18, 30, 30, 2))
    (advice,), _ = advise(
        manifest,
        tiny_bundle,
        tmp_path,
        lambda widths: None if widths[1] == 32 else 1.0,
        monkeypatch,
    )
    assert advice.best is None
    row = advice.trials[1].row
    assert row is not None
    assert row.reason == "it was ended by SIGSEGV"


@pytest.mark.parametrize("multiple", MULTIPLES)
def test_rounding_is_in_the_document(tiny_bundle, tmp_path, monkeypatch, multiple):
    manifest = manifest_of(tiny_bundle, (18, 30, 30, 2))
    (advice,), _ = advise(manifest, tiny_bundle, tmp_path, lambda widths: 1.0, monkeypatch)
    trial = next(t for t in advice.to_json()["trials"] if t["multiple"] == multiple)
    assert trial["widths"] == ([18, 30, 30, 2] if multiple == 1 else [18, 32, 32, 2])
    assert (trial["latency_s"] is None) == (multiple == 1)
