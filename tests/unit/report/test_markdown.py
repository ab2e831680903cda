import dataclasses
import re
from dataclasses import replace

import pytest

from spinn_edge.report.markdown import results_markdown
from tests.unit.report.results import (
    DENSE,
    ENVIRONMENT,
    PRUNED,
    on_a_gpu,
    result,
    row,
    stand_in,
    unavailable,
)

HOSTILE = [
    "a | b",
    "two\nlines",
    "two\r\n\r\nlines",
    "| --- |\n| x |",
    "<script>alert(1)</script>",
    "`code` *bold* _it_ [link](http://x)",
    "ends with \\",
    "\\| half escaped",
    "line\u2028separator",
    "form\x0cfeed",
]


def tables(text):
    """Read every table as a Markdown renderer does: a list of lists of unescaped cells."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append(cells(line))
        inside = line.startswith("|")
    return found


def cells(line):
    assert line.startswith("| ")
    assert line.endswith(" |")
    parts, current, escaped = [], "", False
    for character in line[1:]:
        if escaped:
            current, escaped = current + character, False
        elif character == "\\":
            escaped = True
        elif character == "|":
            parts.append(current.strip())
            current = ""
        else:
            current += character
    assert (current, escaped) == ("", False)
    return parts


def comparison(text):
    return {line[0]: line[1:] for line in tables(text)[0]}


# --- the comparison


def test_the_comparison_states_value_value_and_change():
    table = comparison(results_markdown(result()))
    assert table[""] == ["dense", "pruned", "change"]
    assert table["widths"] == ["18-512-2", "18-285-2", ""]
    assert table["parameters"] == ["666,882", "210,000", "-68.5 %"]
    assert table["FLOPs per sample"] == ["1,330,176", "419,000", "-68.5 %"]
    assert table["parameter bytes"] == ["2.67 MB", "840 kB", "-68.5 %"]
    assert table["size of model.onnx"] == ["2.70 MB", "850 kB", "-68.5 %"]
    assert table["R² overall"] == ["0.8500", "0.8300", "-0.0200"]
    assert table["R² wear"] == ["0.9000", "0.9100", "+0.0100"]
    assert table["RMSE wear"] == ["2", "1.5", "-25.0 %"]
    assert table["RMSE heat"] == ["4", "5", "+25.0 %"]
    assert table["R² wear, linear regression"] == ["0.5000", "0.5000", ""]
    assert table["latency, ort-cpu, batch 1, median"] == ["400 µs", "100 µs", "-75.0 %, 4.00×"]


def test_a_slower_network_has_a_positive_change_and_a_speedup_below_one():
    rows = (row("dense", 1e-4), row("pruned", 4e-4, baseline_median_s=1e-4))
    table = comparison(results_markdown(result(rows)))
    assert table["latency, ort-cpu, batch 1, median"] == ["100 µs", "400 µs", "+300.0 %, 0.25×"]


def test_rows_are_paired_by_runtime_and_batch_and_not_by_place():
    rows = (
        row("pruned", 1e-4, baseline_median_s=4e-4),
        row("pruned", 3e-3, batch=7, baseline_median_s=6e-3),
        row("dense", 6e-3, batch=7),
        row("dense", 4e-4),
    )
    table = comparison(results_markdown(result(rows)))
    assert table["latency, ort-cpu, batch 1, median"][:2] == ["400 µs", "100 µs"]
    assert table["latency, ort-cpu, batch 7, median"][:2] == ["6.00 ms", "3.00 ms"]


@pytest.mark.parametrize("missing", ["dense", "pruned", "both"])
def test_a_latency_that_one_of_them_lacks_was_not_measured(missing):
    rows = tuple(
        unavailable(name) if missing in (name, "both") else row(name, 1e-4, runtime="trt")
        for name in ("dense", "pruned")
    )
    table = comparison(results_markdown(result(rows)))
    assert table["latency, trt, batch 1, median"] == ["not measured", "not measured", "–"]


def test_scores_that_nobody_took_were_not_measured():
    bundles = (DENSE, replace(PRUNED, scores=None))
    table = comparison(results_markdown(result(bundles=bundles)))
    assert table["R², RMSE"] == ["not measured", "not measured", "–"]
    assert not any(name.startswith("R² ") for name in table)


def test_unknown_facts_are_dashes():
    unknown = replace(PRUNED, parameters=None, parameter_bytes=None, flops_per_sample=None)
    table = comparison(results_markdown(result(bundles=(DENSE, unknown))))
    assert table["parameters"] == ["666,882", "–", "–"]
    assert table["parameter bytes"] == ["2.67 MB", "–", "–"]


def test_files_that_only_one_of_them_has_are_not_compared():
    assert "model.ts" not in results_markdown(result())


def test_targets_that_only_one_of_them_has_are_not_compared():
    assert PRUNED.scores is not None
    scores = replace(PRUNED.scores, r2={"heat": 0.7, "force": 0.1})
    table = comparison(results_markdown(result(bundles=(DENSE, replace(PRUNED, scores=scores)))))
    assert "R² heat" in table
    assert not {"R² wear", "R² force"} & set(table)


def test_one_bundle_is_compared_with_nothing():
    text = results_markdown(result((row("pruned", 1e-4),), (PRUNED,)))
    assert len(tables(text)) == 1
    assert "change" not in text


# --- the rows


def test_a_row_shows_its_own_numbers():
    text = results_markdown(result())
    header, _, dense, pruned = tables(text)[1]
    expected = {
        "bundle": "pruned",
        "runtime": "ort-cpu",
        "batch": "1",
        "status": "ok",
        "median": "100 µs",
        "95 % interval": "100 µs to 100 µs",
        "mean ± std": "109 µs ± 89.6 µs",
        "p90": "100 µs",
        "p95": "100 µs",
        "p99": "109 µs",
        "p99.9": "–",
        "throughput": "9,174/s",
        "speed-up": "4.00×",
        "parity": "3.25e-07",
        "samples": "1000",
        "launches": "3",
    }
    assert dict(zip(header, pruned, strict=True)) == expected
    assert dict(zip(header, dense, strict=True))["speed-up"] == "–"


def test_a_row_that_was_not_timed_shows_dashes_and_its_reason_below():
    text = results_markdown(result((unavailable("pruned", "no GPU\nhere"),), (PRUNED,)))
    assert tables(text)[0][2][3:] == ["unavailable", *["–"] * 10, "0", "0"]
    assert "- pruned, trt, batch 1: unavailable: no GPU here" in text


def test_a_parity_that_failed_is_shown():
    from spinn_edge.accuracy.parity import Parity

    off = Parity(passed=False, output="y", max_abs=0.125, tolerance=1e-5, reason="differs")
    failed = row("pruned", 0.0, status="failed", reason="differs", samples_s=(), parity=off)
    line = tables(results_markdown(result((failed,), (PRUNED,))))[0][2]
    assert (line[3], line[4], line[13]) == ("failed", "–", "0.125")


def test_every_number_comes_from_the_result():
    """Other results leave no number of the first one behind."""
    other = result(
        (row("dense", 0.7), row("pruned", 0.33, batch=55, threads=6)),
        (
            replace(DENSE, widths=(), parameters=77, parameter_bytes=308, flops_per_sample=None,
                    file_bytes={}, scores=None),
            replace(PRUNED, widths=(), parameters=66, parameter_bytes=264, flops_per_sample=None,
                    file_bytes={}, scores=None),
        ),
    )  # fmt: skip
    rows = (other.rows[0], replace(other.rows[0], bundle="pruned", samples_s=()))
    text = results_markdown(replace(other, rows=rows))
    constant = "Results R² RMSE p90 p99 fp32 95 % 0.0"
    environment = "48 2 0.25 6.1 3.11.9 2.4.1 2026-01-02T03:04:05+00:00"
    of_rows = "1 700 ms 763 627 6.27 700 763 1/s 0 1000 3.25e-07"
    facts = "77 66 308 264 14.3"
    allowed = set(re.findall(r"\d+", " ".join((constant, environment, of_rows, facts))))
    assert set(re.findall(r"\d+", text)) <= allowed


def test_the_notes_state_boundary_threads_machine_and_time():
    text = results_markdown(result((row("pruned", 1e-4, threads=3),), (PRUNED,)))
    for part in (
        "host-to-host (numpy in, numpy out, copies included)",
        "Precision: fp32.",
        "Threads: 3.",
        "Xeon, 48 cores (2 usable), load 0.25",
        "none: no driver",
        "Linux-6.1; Python 3.11.9; numpy 2.4.1",
        "Measured 2026-01-02T03:04:05+00:00",
        "Scores of pruned: rows of pruned.",
    ):
        assert part in text


def test_a_load_that_is_unknown_is_not_none():
    environment = replace(ENVIRONMENT, load_1min=None)
    assert "None" not in results_markdown(replace(result(), environment=environment))


# --- boundaries, precisions, stand-ins


def test_each_boundary_has_a_table_of_its_own_and_says_what_it_spans():
    text = results_markdown(result((*on_a_gpu("pruned"), row("pruned", 1e-4)), (PRUNED,)))
    host, device, enqueue = tables(text)
    assert [len(table) - 2 for table in (host, device, enqueue)] == [2, 1, 1]
    figures = dict(zip(device[0], device[2], strict=True))
    assert (figures["H2D"], figures["compute"], figures["D2H"]) == (
        *("2.00 µs", "90.0 µs", "4.00 µs"),
    )
    assert figures["kernels"] == "10"
    assert "H2D" not in host[0] + enqueue[0]
    for words in (
        "Boundary host-to-host: numpy in",
        "Boundary device: device time between two events",
        "Boundary enqueue: host time of the call",
        "Figures of different boundaries are not comparable.",
        "launch-bound",
    ):
        assert words in text


def test_the_comparison_pairs_boundaries_and_precisions_with_their_own_kind():
    rows = tuple(
        dataclasses.replace(
            r, baseline_median_s=2 * (r.median_s or 0) if name == "pruned" else None
        )
        for name in ("pruned", "dense")
        for r in (*on_a_gpu(name), row(name, 1e-3, precision="fp16", runtime="eager-cuda"))
    )
    table = comparison(results_markdown(result(rows)))
    labels = [label for label in table if label.startswith("latency")]
    assert labels == [
        "latency, eager-cuda, fp32, batch 1, host-to-host, median",
        "latency, eager-cuda, fp32, batch 1, device, median",
        "latency, eager-cuda, fp32, batch 1, enqueue, median",
        "latency, eager-cuda, fp16, batch 1, host-to-host, median",
    ]
    assert [table[label][0] for label in labels] == ["200 µs", "90.0 µs", "80.0 µs", "1.00 ms"]


def test_a_boundary_that_the_baseline_lacks_was_not_measured():
    host, device, _ = on_a_gpu("pruned")
    rows = (on_a_gpu("dense")[0], host, device)
    table = comparison(results_markdown(result(rows)))
    assert table["latency, eager-cuda, batch 1, device, median"] == [
        *("not measured", "not measured", "–"),
    ]


def test_a_stand_in_is_named_and_not_compared_with_the_real_one():
    rows = (row("dense", 4e-4, runtime="trt"), stand_in("pruned", 1e-4))
    text = results_markdown(result(rows))
    assert comparison(text)["latency, trt → ort-cpu, batch 1, median"] == [
        *("400 µs", "100 µs", "not comparable"),
    ]
    assert tables(text)[1][3][1] == "trt → ort-cpu"
    assert "- trt → ort-cpu: ort-cpu stands in for trt" in text


def test_what_nobody_named_and_cannot_work_here_stands_under_the_table():
    rows = (row("pruned", 1e-4), unavailable("pruned"))
    text = results_markdown(result(rows, (PRUNED,), every_runtime=True))
    assert len(tables(text)[0]) == 3
    assert "- not timed: trt: no GPU" in text
    nothing = results_markdown(result((unavailable("pruned"),), (PRUNED,), every_runtime=True))
    assert tables(nothing) == []


def test_the_precision_has_a_column_where_there_are_two():
    rows = (row("pruned", 1e-4), row("pruned", 1e-4, precision="fp16"))
    text = results_markdown(result(rows, (PRUNED,)))
    assert [line[2] for line in tables(text)[0]] == ["precision", "---", "fp32", "fp16"]
    assert "Precision:" not in text


# --- names that other people chose


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bundle_with_a_hostile_name_cannot_break_the_tables(name):
    rows = (row("dense", 4e-4), row(name, 1e-4, baseline_median_s=4e-4))
    check_intact(results_markdown(result(rows, (DENSE, replace(PRUNED, name=name)))), name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_runtime_with_a_hostile_name_cannot_break_the_tables(name):
    rows = (
        row("dense", 4e-4, runtime=name),
        row("pruned", 1e-4, runtime=name, baseline_median_s=4e-4),
    )
    check_intact(results_markdown(result(rows)), name)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_target_and_a_file_with_hostile_names_cannot_break_the_tables(name):
    assert DENSE.scores is not None
    scores = replace(DENSE.scores, r2={name: 0.5}, rmse={name: 0.5}, linear_r2={name: 0.5})
    bundles = tuple(
        replace(facts, scores=scores, file_bytes={name: 5}) for facts in (DENSE, PRUNED)
    )
    text = results_markdown(result(bundles=bundles))
    check_intact(text, "")
    flat = " ".join(name.split())
    assert {f"R² {flat}", f"RMSE {flat}", f"size of {flat}"} <= set(comparison(text))


@pytest.mark.parametrize("words", HOSTILE)
def test_hostile_reasons_and_machines_stay_text(words):
    environment = replace(ENVIRONMENT, cpu=words, gpu=words, system=words)
    rows = (unavailable("dense", words), unavailable("pruned", words))
    text = results_markdown(replace(result(rows), environment=environment))
    check_intact(text, "")
    assert "\n- dense, trt, batch 1: unavailable: " in text


def check_intact(text, name):
    """Assert two tables of constant width, and no markup that is not ours."""
    for table in tables(text):
        assert {len(line) for line in table} == {len(table[0])}
    assert len(tables(text)) == 2
    assert not re.search(r"(?<!\\)[<>`*\[\]]", text)
    assert not set(text) & set("\r\x0b\x0c\u2028\u2029")
    for line in text.split("\n"):
        assert not line.startswith(("#", "---", "    ")) or line == "# Results"
    if name:
        found = {cell for table in tables(text) for line in table for cell in line}
        assert " ".join(name.split()) in found
