import pytest

from spinn_edge.bench.understanding.launch_bound import (
    ENQUEUE_SHARE,
    FLOOR,
    GRAPH_RUNTIMES,
    KERNEL_FLOOR_S,
    LAUNCHES,
    launch_verdicts,
)
from spinn_edge.runtimes import registry
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.bench.test_measurement import row


def rows(enqueue_s, device_s, *, kernels=10, cuda_graph=False, **changes):
    facts = RuntimeFacts(cuda_graph=cuda_graph)
    return (
        row([10 * device_s], runtime="eager-cuda", facts=facts),
        row([device_s], runtime="eager-cuda", facts=facts, boundary="device", launches=kernels),
        row([enqueue_s], **({"runtime": "eager-cuda", "facts": facts, "boundary": "enqueue"}
                            | changes)),
    )  # fmt: skip


def test_a_device_that_waits_for_the_host_is_launch_bound_with_its_figures():
    (verdict,) = launch_verdicts(rows(80e-6, 90e-6))
    assert verdict.bound_by == LAUNCHES
    assert (verdict.bundle, verdict.runtime) == ("pruned", "eager-cuda")
    assert (verdict.precision, verdict.batch, verdict.cuda_graph) == ("fp32", 1, False)
    assert (verdict.kernels, verdict.enqueue_s, verdict.device_s) == (10, 80e-6, 90e-6)
    assert verdict.gap_s == pytest.approx(8e-6)


@pytest.mark.parametrize(("share", "bound"), [(1.0, True), (1.001, True), (0.999, False)])
def test_the_enqueue_counts_from_its_share_of_the_devices_time_on(share, bound):
    assert bool(launch_verdicts(rows(share * ENQUEUE_SHARE * 1e-3, 1e-3))) == bound


@pytest.mark.parametrize(("share", "bound"), [(0.99, True), (1.0, False), (20.0, False)])
def test_kernels_in_a_graph_are_at_their_floor_below_it(share, bound):
    found = launch_verdicts(rows(1.0, 8 * share * KERNEL_FLOOR_S, kernels=8, cuda_graph=True))
    assert [verdict.bound_by for verdict in found] == [FLOOR] * bound


def test_a_graph_is_never_called_launch_bound_and_kernels_alone_never_at_their_floor():
    assert launch_verdicts(rows(1.0, 1.0, cuda_graph=True)) == ()
    assert launch_verdicts(rows(0.01e-6, 1e-6)) == ()


@pytest.mark.parametrize("kernels", [None, 0])
def test_without_a_count_of_kernels_nothing_is_said(kernels):
    assert launch_verdicts(rows(80e-6, 90e-6, kernels=kernels)) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"batch": 2},
        {"precision": "fp16"},
        {"bundle": "dense"},
        {"runtime": "pt2-cuda"},
        {"boundary": "host-to-host"},
        {"facts": RuntimeFacts(served_by="ort-cuda")},
    ],
    ids=str,
)
def test_figures_of_another_inference_are_not_used(other):
    assert launch_verdicts(rows(80e-6, 90e-6, **other)) == ()


def test_rows_that_were_not_timed_say_nothing():
    host, device, enqueue = rows(80e-6, 90e-6)
    failed = row(runtime="eager-cuda", status="failed", reason="x", boundary="device", launches=3)
    assert launch_verdicts((host, failed, enqueue)) == ()
    assert launch_verdicts((host, device)) == ()


def test_what_helps_can_be_typed():
    assert all(registry.find(name) for name in GRAPH_RUNTIMES)
