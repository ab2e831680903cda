"""What helps, in words, and the table beside it."""

import dataclasses

import pytest

from spinn_edge.bench.understanding.roofline import MEASURED, RooflineRow, roofline_of
from spinn_edge.bench.understanding.work import EVERY_LAYER, WEIGHTS_ONLY
from spinn_edge.report.roofline import ceiling_words, roofline_sheet, roofline_words
from tests.fakes.ceilings import MEMORY_BYTES, ceilings, launch
from tests.unit.report.test_console import line_of, shown


def held(flops, bytes_moved, latency_s, floor_s=None, **changes):
    """Return a row against 100 GFLOP/s and 100 GB/s."""
    base = RooflineRow(
        bundle="pruned",
        runtime="ort-cpu",
        served_by="ort-cpu",
        precision="fp32",
        batch=1,
        threads=1,
        roofline=roofline_of(flops, bytes_moved, latency_s, ceilings(), floor_s),
        reason=None,
        counted=EVERY_LAYER,
        floor_from="" if floor_s is None else MEASURED,
    )
    return dataclasses.replace(base, **changes)


COMPUTED = held(1e6, 1e5, 12.5e-6)
COPIED = held(1e5, 1e6, 12.5e-6)
FAR = held(1e6, 1e5, 100e-6)


def test_compute_bound_names_the_gemm_rate_and_fewer_flops():
    assert roofline_words([COMPUTED]) == [
        "pruned, ort-cpu, batch 1: 80 % of the GEMM rate of this core: compute-bound; fewer FLOPs "
        "help"
    ]


def test_memory_bound_names_the_size_that_is_copied():
    assert roofline_words([COPIED]) == [
        "pruned, ort-cpu, batch 1: 80 % of the rate at which this core can copy 1.00 MB: "
        "memory-bound; fewer parameters help, or a larger batch, which reads them once"
    ]


def test_dispatch_bound_without_a_floor_says_that_slow_kernels_look_the_same():
    (words,) = roofline_words([FAR])
    assert words.startswith("pruned, ort-cpu, batch 1: 10 % of the limit: dispatch-bound (no ")
    assert "slow kernels would look the same" in words
    assert words.endswith("fewer layers or larger batches help, narrower layers little")


def test_dispatch_bound_by_a_measured_floor_states_it():
    (words,) = roofline_words([held(1e6, 1e5, 100e-6, 80e-6)])
    assert "dispatch-bound (the dispatch floor of 80.0 µs is 80 % of it)" in words


def test_far_from_the_limit_with_a_low_floor_the_kernels_are_slow():
    (words,) = roofline_words([held(1e6, 1e5, 100e-6, 20e-6, floor_from="pruned at batch 1")])
    assert "10 % of the GEMM rate of this core: compute-bound" in words
    assert words.endswith(
        "pruned at batch 1 takes 20.0 µs, so dispatch is at most 20 %, and slow kernels have a part"
    )


def test_a_limit_that_is_beaten_was_measured_too_low():
    (words,) = roofline_words([held(1e6, 1e5, 8e-6)])
    assert "125 % of the GEMM rate" in words
    assert "measured too low" in words
    assert "too low" not in roofline_words([COMPUTED])[0]


def test_several_threads_are_no_core():
    (words,) = roofline_words([dataclasses.replace(COMPUTED, threads=2)])
    assert "the GEMM rate of 2 threads" in words


def test_threads_and_precision_are_named_where_they_differ():
    other = dataclasses.replace(COMPUTED, threads=2, precision="fp16")
    words = roofline_words([COMPUTED, other])
    assert words[0].startswith("pruned, ort-cpu, fp32, threads 1, batch 1: ")
    assert words[1].startswith("pruned, ort-cpu, fp16, threads 2, batch 1: ")
    assert any(line.startswith("fp16 rows are held against float32 products") for line in words)
    more = roofline_words([other, dataclasses.replace(COMPUTED, precision="int8")])
    assert any(line.startswith("fp16 and int8 rows are held against") for line in more)


def test_what_was_not_counted_is_said_once_a_bundle():
    rows = [dataclasses.replace(COMPUTED, counted=WEIGHTS_ONLY, batch=batch) for batch in (1, 2)]
    words = roofline_words(rows)
    assert len([line for line in words if "(counted: weights)" in line]) == 1
    assert len(words) == 3


def test_rows_without_a_roofline_share_a_reason():
    rows = [
        dataclasses.replace(COMPUTED, runtime=name, served_by=name, roofline=None, reason="a GPU")
        for name in ("trt", "ort-cuda")
    ]
    assert roofline_words(rows) == [
        "no roofline: pruned, trt, batch 1, pruned, ort-cuda, batch 1: a GPU"
    ]
    assert roofline_sheet(rows).lines == ()


def test_the_table_shows_figures_with_units():
    stand_in = dataclasses.replace(COMPUTED, runtime="trt")
    line = line_of(roofline_sheet([stand_in]).to_rich(), "trt")
    assert line == ("pruned trt → ort-cpu 1 12.5 µs 1,000,000 100 kB 10 10.0 µs 80 % compute")
    page = roofline_sheet([held(1e5, 5e5, 12.5e-6)]).to_markdown()
    assert "| pruned | ort-cpu | 1 | 12.5 µs | 100,000 | 500 kB | 0.20 | 5.00 µs | 40 % |" in page


def test_names_cannot_become_markup():
    row = dataclasses.replace(COMPUTED, bundle="[red]a[/red]|b")
    assert "[red]a[/red]|b" in shown(roofline_sheet([row]).to_rich())
    assert "\\[red\\]a\\[/red\\]\\|b" in roofline_sheet([row]).to_markdown()


# --- ceilings


def test_ceilings_are_stated_with_what_they_are_of():
    (line,) = ceiling_words(ceilings())
    assert line == (
        "ceilings of 1 thread, of 1 launch: 100 GFLOP/s in a float32 GEMM of a BLAS; "
        "copies, read and written: 100 GB/s in 1.05 MB, 10 GB/s in 1.07 GB"
    )


def test_three_launches_bring_intervals():
    (line,) = ceiling_words(ceilings(launch(), launch(), launch(), threads=2))
    assert "ceilings of 2 threads, the fastest of 3 launches" in line
    assert "(mean of all 100 to 100 GFLOP/s)" in line
    assert "(mean of all 10 to 10 GB/s)" in line


@pytest.mark.parametrize(
    ("cache_bytes", "words"),
    [(MEMORY_BYTES, "less than 4 times the cache of 1.07 GB"), (None, "does not name its caches")],
)
def test_doubts_about_memory_are_said(cache_bytes, words):
    assert words in ceiling_words(ceilings(cache_bytes=cache_bytes))[1]
