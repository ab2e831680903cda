import dataclasses

from spinn_edge.bench.loops.saturation import SWEPT
from spinn_edge.bench.loops.sweep import end_of_sweep
from spinn_edge.report.json_document import bench_document
from spinn_edge.report.result_remarks import result_remarks
from spinn_edge.report.sweeps import sweep_remarks
from spinn_edge.runtimes.base import RuntimeFacts
from tests.unit.report.results import PRUNED, result, row


def swept(*throughputs, **changes):
    return tuple(
        row("pruned", 1.0, batch=2**n, throughput_samples_s=(2**n / per_s,), **changes)
        for n, per_s in enumerate(throughputs)
    )


def test_the_knee_is_said_with_what_the_next_doubling_gains():
    rows = swept(1e5, 2e5, 4.12e5, 4.2024e5, 4.21e5)
    assert sweep_remarks(rows) == [
        "pruned, ort-cpu fp32: throughput saturates at batch 4: 412,000/s; the next doubling "
        "gains 2 %"
    ]


def test_a_doubling_that_loses_is_said_as_a_loss():
    (words,) = sweep_remarks(swept(1e5, 2e5, 1.8e5, 1.7e5))
    assert words.endswith("saturates at batch 2: 200,000/s; the next doubling loses 10 %")


def test_a_throughput_that_still_grows_says_what_stops_it():
    (words,) = sweep_remarks(swept(1e5, 2e5, 4e5))
    assert words.endswith("still grows at batch 4, the largest that was timed: 400,000/s")
    (words,) = sweep_remarks(swept(1e5, 2e5, 4e5, facts=RuntimeFacts(max_batch=7)))
    assert "at batch 4, the largest that its file takes" in words
    rows = swept(1e5, 2e5, 4e5)
    full = dataclasses.replace(rows[0], batch=8, samples_s=(), throughput_samples_s=())
    (words,) = sweep_remarks((*rows, end_of_sweep(full)))
    assert "at batch 4, the largest that memory has room for" in words


def test_each_runtime_and_precision_has_a_knee_of_its_own_and_rates_have_none():
    rows = (
        *swept(1e5, 2e5, 4e5),
        *swept(1e5, 1e5, 1e5, precision="fp16"),
        *swept(1e5, 1e5, 1e5, runtime="pt2"),
        *swept(1e5, 1e5, 1e5, runtime="pt2", boundary="bound"),
        *swept(1e5, 1e5, 1e5, runtime="eager", rate_per_s=10.0),
    )
    assert [line.split(":")[0] for line in sweep_remarks(rows)] == [
        "pruned, ort-cpu fp32",
        "pruned, ort-cpu fp16",
        "pruned, pt2 fp32",
    ]


def test_sizes_that_are_no_doublings_have_no_knee():
    rows = swept(1e5, 1e5, 1e5)
    assert sweep_remarks((rows[0], rows[2])) == []


def test_words_and_document_have_the_knee():
    found = result(swept(1e5, 2e5, 4e5), (PRUNED,))
    assert sweep_remarks(found.rows)[0] in result_remarks(found)
    (knee,) = bench_document(found)["saturation"]
    assert (knee["runtime"], knee["knee_batch"], knee["stopped_by"]) == ("ort-cpu", 4, SWEPT)
