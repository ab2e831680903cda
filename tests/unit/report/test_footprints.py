"""Start, first inference and memory, from the launches of a row."""

from spinn_edge.bench.machine.footprint import Footprint
from spinn_edge.report.console import bench_table
from spinn_edge.report.footprints import footprint_lines
from spinn_edge.report.markdown import results_markdown
from tests.unit.report.results import result, row, unavailable
from tests.unit.report.test_console import line_of, shown


def launch(import_s, peak):
    return Footprint(
        import_s=import_s,
        load_s=0.02,
        first_inference_s=0.003,
        resident_after_load_bytes=50_000_000,
        peak_resident_bytes=peak,
    )


WATCHED = row("pruned", 1e-4, footprints=(launch(0.2, 70_000_000), launch(0.4, 60_000_000)))
LATER = row("pruned", 1e-3, batch=9, footprints=(launch(0.3, 90_000_000),))


def test_times_are_medians_and_the_peak_is_the_highest_of_all_batches():
    (line,) = footprint_lines([WATCHED, LATER])
    assert line.cells == (
        "pruned", "ort-cpu", "300 ms", "20.0 ms", "3.00 ms", "50.0 MB", "90.0 MB", "–",
    )  # fmt: skip


def test_memory_of_a_device_has_a_column_where_it_was_told():
    here = row("pruned", 1e-4, footprints=(Footprint(device_bytes=7_000_000),))
    there = row("dense", 1e-4, footprints=(Footprint(device_bytes=9_000_000), Footprint()))
    assert "device memory" not in results_markdown(result((WATCHED,)))
    text = results_markdown(result((WATCHED, here, there)))
    assert "| device memory |" in text
    assert "7.00 MB" in text
    assert "9.00 MB" in text


def test_what_was_not_watched_has_no_line():
    assert footprint_lines([row("pruned", 1e-4), unavailable("pruned")]) == []
    assert "Footprint" not in shown(bench_table(result()))
    assert "Footprint" not in results_markdown(result())


def test_what_is_unknown_is_a_dash():
    (line,) = footprint_lines([row("pruned", 1e-4, footprints=(Footprint(),))])
    assert line.cells[2:] == ("–",) * 6


def test_precisions_and_stand_ins_keep_lines_of_their_own():
    half = row("pruned", 1e-4, precision="fp16", footprints=(Footprint(),))
    assert [line.runtime for line in footprint_lines([WATCHED, half])] == [
        "ort-cpu",
        "ort-cpu fp16",
    ]


def test_both_reports_show_the_table():
    both = result((WATCHED,))
    assert "70.0 MB" in line_of(bench_table(both), "MB")
    page = results_markdown(both)
    assert "| pruned | ort-cpu | 300 ms | 20.0 ms | 3.00 ms | 50.0 MB | 70.0 MB |" in page
