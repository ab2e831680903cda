"""Intensity, limit and verdict, from round ceilings: 100 GFLOP/s, 100 GB/s in the cache."""

import dataclasses
import json

import numpy as np
import pytest

from spinn_edge.bench.understanding.roofline import (
    COMPUTE,
    DISPATCH,
    MEASURED,
    MEMORY,
    roofline_of,
    rooflines,
)
from spinn_edge.bench.understanding.work import ENDS, EVERY_LAYER, WEIGHTS_ONLY, work_of
from spinn_edge.core.decode import encode
from spinn_edge.core.tensors import TensorSpec
from spinn_edge.runtimes.base import RuntimeFacts
from tests.fakes.ceilings import CACHE_BYTES, MEMORY_BYTES, ceilings, launch
from tests.fakes.runtime import doubling_bundle
from tests.unit.report.results import DENSE, PRUNED, on_a_gpu, result, row

ONE_THREAD = {1: ceilings()}
CPU = RuntimeFacts()
PRUNED_BYTES = 4 * 210_000 + 4 * (18 + 2) + 8 * 285
UNKNOWN_WIDTHS = dataclasses.replace(PRUNED, widths=())


def on_cpu(bundle, median_s, **changes):
    return row(bundle, median_s, **({"facts": CPU} | changes))


def held(*rows, **options):
    return rooflines(result(rows), options.pop("ceilings", ONE_THREAD), **options)


def one(latency_s, **changes):
    """Hold one row of the pruned network; its limit is 4.19 µs of FLOPs, 8.42 µs of bytes."""
    (found,) = held(on_cpu("pruned", latency_s, **changes))
    return found.roofline


# --- the model


def test_the_limit_is_the_longer_of_flops_and_bytes():
    compute = roofline_of(1e6, 1e5, 20e-6, ceilings())
    assert compute.intensity == pytest.approx(10)
    assert compute.attainable_s == pytest.approx(10e-6)
    assert compute.share == pytest.approx(0.5)
    assert compute.limited_by == COMPUTE
    memory = roofline_of(1e5, 1e6, 20e-6, ceilings())
    assert memory.intensity == pytest.approx(0.1)
    assert memory.attainable_s == pytest.approx(10e-6)
    assert memory.limited_by == MEMORY


def test_bytes_come_from_the_cache_while_they_fit():
    assert roofline_of(1, CACHE_BYTES / 2, 1.0, ceilings()).bytes_per_s == pytest.approx(1e11)
    assert roofline_of(1, MEMORY_BYTES, 1.0, ceilings()).bytes_per_s == pytest.approx(1e10)


@pytest.mark.parametrize(
    ("latency_s", "floor_s", "verdict"),
    [
        (19e-6, None, COMPUTE),
        (21e-6, None, DISPATCH),
        (19e-6, 10e-6, DISPATCH),
        (21e-6, 10e-6, COMPUTE),
        (20e-6, 10e-6, DISPATCH),
        (100e-6, 10e-6, COMPUTE),
    ],
)
def test_a_measured_floor_decides_and_the_limit_where_there_is_none(latency_s, floor_s, verdict):
    assert roofline_of(1e6, 1e5, latency_s, ceilings(), floor_s).bound_by == verdict


def test_the_document_says_what_follows():
    data = json.loads(json.dumps(encode(roofline_of(1e6, 1e5, 20e-6, ceilings(), 1e-6))))
    assert data["share"] == pytest.approx(0.5)
    assert data["bound_by"] == COMPUTE
    assert data["dispatch_floor_s"] == 1e-6
    assert data["intensity"] == pytest.approx(10)


# --- the work of an inference


def counted_in(*given):
    work = work_of(*given)
    assert work is not None
    return work


def test_a_hidden_activation_moves_twice_and_weights_once_whatever_the_batch():
    work = counted_in(PRUNED, 3, "fp32")
    assert work.flops == 3 * 419_000
    assert work.bytes_moved == 4 * 210_000 + 3 * (4 * (18 + 2) + 4 * 2 * 285)
    assert work.counted == EVERY_LAYER


def test_float16_halves_everything_but_inputs_and_outputs():
    work = counted_in(PRUNED, 3, "fp16")
    assert work.bytes_moved == 2 * 210_000 + 3 * (4 * (18 + 2) + 2 * 2 * 285)


def test_int8_quarters_them():
    work = counted_in(PRUNED, 3, "int8")
    assert work.bytes_moved == 210_000 + 3 * (4 * (18 + 2) + 2 * 285)


def test_without_widths_inputs_and_outputs_are_counted_from_the_manifest(tmp_path):
    manifest = doubling_bundle(tmp_path / "bundle").manifest
    work = counted_in(UNKNOWN_WIDTHS, 5, "fp32", manifest)
    assert work.bytes_moved == 4 * 210_000 + 5 * 4 * (3 + 3)
    assert work.counted == ENDS


def test_without_a_known_shape_only_weights_are_counted(tmp_path):
    manifest = doubling_bundle(tmp_path / "bundle").manifest
    open_ended = (TensorSpec("x", (None, None), np.dtype(np.float32)),)
    for given in (None, dataclasses.replace(manifest, inputs=open_ended)):
        work = counted_in(UNKNOWN_WIDTHS, 5, "fp32", given)
        assert work.bytes_moved == 4 * 210_000
        assert work.counted == WEIGHTS_ONLY


# --- rows of a result


def test_a_row_is_held_against_the_ceilings_of_its_threads():
    rows = [on_cpu("pruned", 10e-6, threads=threads) for threads in (1, 2)]
    twice = ceilings(launch(flops_per_s=2e11), threads=2)
    found = held(*rows, ceilings={1: ceilings(), 2: twice})
    assert [item.roofline.flops_per_s for item in found] == [1e11, 2e11]
    assert [item.threads for item in found] == [1, 2]
    assert found[0].roofline.latency_s == 10e-6
    assert found[0].roofline.bytes_moved == PRUNED_BYTES
    assert found[0].roofline.share == pytest.approx(PRUNED_BYTES / 1e11 / 10e-6)
    assert found[0].reason is None


def test_threads_without_a_ceiling_get_a_reason_and_no_other_ceiling():
    (found,) = held(on_cpu("pruned", 10e-6, threads=4))
    assert found.roofline is None
    assert "4 threads" in str(found.reason)
    assert "measure_ceilings(4)" in str(found.reason)


def test_a_gpu_is_never_held_against_the_ceiling_of_the_cpu():
    found = held(*on_a_gpu("pruned"))
    assert len(found) == 1  # its device and enqueue rows are no latencies from host to host
    assert found[0].roofline is None
    assert "a GPU (SM86)" in str(found[0].reason)


def test_a_row_that_does_not_say_its_device_is_not_judged():
    (found,) = held(row("pruned", 10e-6))
    assert found.roofline is None
    assert "what device" in str(found.reason)


def test_a_model_of_unknown_flops_gets_a_reason():
    facts = dataclasses.replace(PRUNED, flops_per_sample=None)
    (found,) = rooflines(result((on_cpu("pruned", 10e-6),), (DENSE, facts)), ONE_THREAD)
    assert found.roofline is None
    assert "FLOPs" in str(found.reason)


def test_what_was_not_timed_or_came_at_a_fixed_rate_is_left_out():
    failed = on_cpu("pruned", 0.0, status="failed", reason="no", samples_s=(), launch_samples=())
    assert held(failed, on_cpu("pruned", 10e-6, rate_per_s=1000.0)) == []


def test_manifests_stand_in_for_unknown_widths(tmp_path):
    manifest = doubling_bundle(tmp_path / "bundle").manifest
    (found,) = rooflines(
        result((on_cpu("pruned", 10e-6),), (DENSE, UNKNOWN_WIDTHS)),
        ONE_THREAD,
        manifests={"pruned": manifest},
    )
    assert found.counted == ENDS


def test_a_stand_in_keeps_both_names():
    facts = RuntimeFacts(served_by="ort-cpu")
    (found,) = held(on_cpu("pruned", 10e-6, runtime="trt", facts=facts))
    assert (found.runtime, found.served_by) == ("trt", "ort-cpu")


# --- the floor


def test_without_evidence_a_latency_far_from_the_limit_is_bound_by_dispatch():
    assert one(100e-6).bound_by == DISPATCH
    assert one(100e-6).dispatch_floor_s is None


def test_a_floor_that_was_measured_is_used():
    (found,) = held(on_cpu("pruned", 100e-6), floor_of=lambda item: 30e-6)
    assert (found.roofline.dispatch_floor_s, found.floor_from) == (30e-6, MEASURED)
    assert found.roofline.bound_by == MEMORY


def test_a_short_smaller_batch_rules_dispatch_out():
    found = held(on_cpu("pruned", 20e-6), on_cpu("pruned", 90e-6, batch=2))[1]
    assert found.floor_from == "pruned at batch 1"
    assert found.roofline.dispatch_floor_s == 20e-6
    assert found.roofline.bound_by == MEMORY


def test_a_long_smaller_batch_rules_nothing_out():
    found = held(on_cpu("pruned", 50e-6), on_cpu("pruned", 90e-6, batch=2))[1]
    assert (found.floor_from, found.roofline.dispatch_floor_s) == ("", None)
    assert found.roofline.bound_by == DISPATCH


def test_a_narrower_network_of_as_many_layers_rules_dispatch_out():
    dense, pruned = held(on_cpu("dense", 90e-6), on_cpu("pruned", 20e-6))
    assert dense.floor_from == "pruned at batch 1"
    assert pruned.floor_from == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"runtime": "eager"},
        {"threads": 2},
        {"precision": "fp16"},
        {"facts": RuntimeFacts(served_by="ort-cpu")},
        {"batch": 2},
    ],
)
def test_other_calls_and_more_work_say_nothing_of_the_floor(changes):
    other = on_cpu("pruned", 20e-6, **changes)
    dense = held(on_cpu("dense", 90e-6, runtime="trt" if "facts" in changes else "ort-cpu"), other)
    assert dense[0].floor_from == ""


def test_another_number_of_layers_says_nothing_of_the_floor():
    shallow = dataclasses.replace(PRUNED, widths=(18, 2))
    rows = (on_cpu("dense", 90e-6), on_cpu("pruned", 20e-6))
    for facts in (shallow, UNKNOWN_WIDTHS):
        assert rooflines(result(rows, (DENSE, facts)), ONE_THREAD)[0].floor_from == ""
