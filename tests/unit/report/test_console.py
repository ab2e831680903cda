import dataclasses

import pytest
from rich.console import Console

from spinn_edge.accuracy.runtime_check import Check
from spinn_edge.accuracy.verification import Skipped, Verification
from spinn_edge.core.bundle import Bundle
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.pruning_record import LayerAudit, PruningAudit, RoundAudit
from spinn_edge.report import console
from spinn_edge.report.runtime_status import RuntimeStatus
from tests.unit.report.results import (
    DENSE_SCORES,
    on_a_gpu,
    result,
    row,
    stand_in,
    unavailable,
)

MARKUP = "[red]a[/red] [/] [link=file:///etc]b"
AUDIT = PruningAudit(
    requested=0.7,
    achieved=0.6849,
    tolerance=0.02,
    round_to=1,
    importance="norm",
    parameters_before=666_882,
    parameters_after=210_135,
    layers=(LayerAudit(name="0", before=512, after=285),),
    rounds=(
        RoundAudit(
            widths=(18, 300, 2), parameters=300_000, requested=0.4, achieved=0.41, score=0.0123
        ),
        RoundAudit(widths=(18, 285, 2), parameters=210_135, requested=0.7, achieved=0.6849),
    ),
)


def shown(table, width=400):
    """Return what a reader sees, wide enough for every cell."""
    screen = Console(width=width, height=50, color_system=None, force_terminal=False)
    with screen.capture() as capture:
        screen.print(table)
    return capture.get()


def line_of(table, *words):
    found = [line for line in shown(table).splitlines() if all(word in line for word in words)]
    assert len(found) == 1, found
    return " ".join(found[0].replace("│", " ").split())


# --- bench


def test_a_row_shows_its_own_numbers():
    assert line_of(console.bench_table(result()), "pruned") == (
        "pruned ort-cpu 1 100 µs 100 µs to 100 µs 100 µs 109 µs 4.00× 9,174/s 3.25e-07"
    )


def test_a_narrow_screen_gets_whole_columns_and_is_told_of_the_others():
    table = console.bench_table(result(), width=80)
    line = "pruned ort-cpu 1 100 µs 100 µs 109 µs 4.00×"
    assert line_of(table, "ort-cpu", "4.00×") == line
    words = " ".join(shown(table).split())
    assert (
        "95 % interval, mean ± std, p95, p99.9, throughput, parity: "
        "in a wider window, --json or --markdown" in words
    )


@pytest.mark.parametrize("width", [80, 110])
def test_every_table_fits_the_screen_with_the_longest_runtime(width):
    rows = on_a_gpu("pruned", "compile-cuda-reduce-overhead", baseline_median_s=4e-4)
    text = shown(console.bench_table(result(rows), width=width), width)
    lines = [line for line in text.splitlines() if "compile-cuda-reduce-overhead" in line]
    assert len(lines) == 3  # a name that is folded is not found, and a cell that is has no unit
    assert all(line.rstrip().endswith("×") or "e-07" in line for line in lines)
    assert max(map(len, text.splitlines())) <= width


def test_a_dumb_terminal_has_no_say_in_what_fits(monkeypatch):
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setenv("FORCE_COLOR", "1")
    text = shown(console.bench_table(result(), width=40))
    gone = "95 % interval, mean ± std, p90, p95, p99, p99.9, throughput, parity"
    assert f"{gone}: in a wider window" in " ".join(text.split())


def test_each_boundary_has_a_table_of_its_own():
    rows = (*on_a_gpu("pruned", baseline_median_s=4e-4), row("pruned", 1e-4))
    text = shown(console.bench_table(result(rows), width=200))
    host, rest = text.split("Latency on the device")
    device, enqueue = rest.split("Host's time")
    assert "host to host" in host
    assert [part.count("eager-cuda") for part in (host, device, enqueue)] == [1, 1, 1]
    assert [part.count("ort-cpu") for part in (host, device, enqueue)] == [1, 0, 0]
    assert "200 µs" in host
    assert " ".join(device.split("eager-cuda")[1].split()).startswith(
        "1 2.00 µs 90.0 µs 4.00 µs 90.0 µs to 90.0 µs 98.1 µs ± 80.6 µs "
        "90.0 µs 90.0 µs 98.1 µs – 4.44× "
    )
    assert "H2D" in device
    assert "H2D" not in host + enqueue
    assert "throughput" not in enqueue


def test_the_precision_is_in_the_title_until_there_are_two():
    one = shown(console.bench_table(result((row("pruned", 1e-4, precision="fp16"),))))
    assert "Latency, host to host, fp16" in one
    assert "precision" not in one
    two = console.bench_table(result((row("a", 1e-4), row("b", 1e-4, precision="fp16"))))
    assert line_of(two, "b ").startswith("b ort-cpu fp16 1 100 µs")
    assert "host to host, fp" not in shown(two)


def test_a_stand_in_is_named_in_its_line():
    table = console.bench_table(result((stand_in("pruned", 1e-4),)))
    assert line_of(table, "pruned").startswith("pruned trt → ort-cpu 1 100 µs")


def test_what_nobody_named_and_cannot_work_here_has_no_line():
    rows = (unavailable("pruned"), row("pruned", 1e-4))
    assert "trt" in shown(console.bench_table(result(rows)))
    assert "trt" not in shown(console.bench_table(result(rows, every_runtime=True)))
    nothing = console.bench_table(result((unavailable("pruned"),), every_runtime=True))
    assert shown(nothing).strip() == "nothing was timed"


def test_a_row_that_was_not_timed_shows_its_status_and_no_numbers():
    table = console.bench_table(result((unavailable("pruned"),)))
    assert line_of(table, "pruned") == "pruned trt 1 unavailable"


# --- verification


def test_checks_and_skipped_runtimes_are_listed():
    good = Check(runtime="eager", batch=7, max_abs=1.25e-7, tolerance=1e-6, passed=True)
    bad = Check(
        runtime="pt2", batch=2, max_abs=None, tolerance=None, passed=False, reason="NaN in [0]"
    )
    verification = Verification(
        bundle="b", checks=(good, bad), skipped=(Skipped(runtime="trt", reason="no GPU"),)
    )
    table = console.verification_table(verification)
    assert line_of(table, "eager") == "eager 7 1.25e-07 1e-06 passed"
    assert line_of(table, "pt2") == "pt2 2 – – failed: NaN in [0]"
    assert line_of(table, "trt") == "trt – – – not run: no GPU"
    assert "b with its float64 reference, fp32" in shown(table)
    assert "trt" not in shown(console.verification_table(verification, every_runtime=True))


def test_checks_of_two_precisions_say_which_and_who_served():
    half = Check(
        runtime="trt",
        batch=7,
        max_abs=1.25e-3,
        tolerance=1e-2,
        passed=True,
        precision="fp16",
        served_by="ort-cpu",
    )
    skipped = Skipped(runtime="ort-cuda", reason="no GPU", precision="fp32")
    table = console.verification_table(Verification(bundle="b", checks=(half,), skipped=(skipped,)))
    assert line_of(table, "passed") == "trt → ort-cpu fp16 7 0.00125 0.01 passed"
    assert line_of(table, "no GPU") == "ort-cuda fp32 – – – not run: no GPU"
    assert "reference, fp" not in shown(table)


# --- inspection


def test_facts_of_a_bundle_are_shown(tiny_bundle):
    table = console.manifest_table(tiny_bundle.manifest, "tiny")
    parameters = (18 * 16 + 16) + (16 * 16 + 16) + (16 * 2 + 2)
    assert line_of(table, "widths") == "widths 18-16-16-2 (tanh)"
    assert line_of(table, "non-zero") == f"non-zero parameters {parameters}"
    assert line_of(table, "FLOPs") == f"FLOPs per sample {2 * (18 * 16 + 16 * 16 + 16 * 2):,}"
    assert line_of(table, "largest batch") == "largest batch 16"
    assert "tiny" in shown(table)


def test_pruning_is_shown_as_requested_and_achieved(tiny_bundle):
    manifest = dataclasses.replace(tiny_bundle.manifest, pruning=AUDIT)
    line = line_of(console.manifest_table(manifest, "b"), "pruning")
    assert line == "pruning requested 70.00%, achieved 68.49%"


def test_a_factory_is_shown_by_its_name(tiny_bundle):
    architecture = Architecture(kind="factory", factory="their.nets:make")
    manifest = dataclasses.replace(tiny_bundle.manifest, architecture=architecture)
    table = console.manifest_table(manifest, "b")
    assert line_of(table, "architecture") == "architecture their.nets:make"
    assert "widths" not in shown(table)


def test_each_file_shows_its_proof_or_why_there_is_none(tiny_bundle):
    table = console.files_table(tiny_bundle)
    (entry,) = tiny_bundle.manifest.files_of("onnx")
    line = line_of(table, "model.onnx")
    assert "batch 1, 2, 7, 16" in line
    assert line.endswith(entry.sha256[:12])
    unproved = dataclasses.replace(entry, proof=(), unproved="no such GPU here")
    manifest = dataclasses.replace(tiny_bundle.manifest, files=(unproved,))
    table = console.files_table(Bundle(root=tiny_bundle.root, manifest=manifest))
    assert "not run: no such GPU here" in line_of(table, "model.onnx")


@pytest.mark.parametrize(
    ("details", "shown_layers"),
    [
        ({"layers": {"fp16": 9, "fp32": 0}}, "9 fp16"),
        ({"layers": {"fp16": 5, "fp32": 2}}, "5 fp16, 2 fp32"),
        (
            {"layers": {"fp16": 5}, "layers_counted_from": "engine inspector on NVIDIA X"},
            "5 fp16, seen in the engine",
        ),
        ({"layers": "many"}, ""),
        ({}, ""),
    ],
)
def test_each_file_shows_what_its_layers_compute_in(tiny_bundle, details, shown_layers):
    (entry,) = tiny_bundle.manifest.files_of("onnx")
    entry = dataclasses.replace(entry, details=details, proof=(), unproved="no GPU")
    manifest = dataclasses.replace(tiny_bundle.manifest, files=(entry,))
    table = console.files_table(Bundle(root=tiny_bundle.root, manifest=manifest))
    line = line_of(table, "model.onnx")
    assert " ".join(f"kB {shown_layers} not run".split()) in line


def test_runtimes_show_what_is_missing():
    here = RuntimeStatus(name="pt2", available=True, version="2.13", reason=None, install="")
    gone = RuntimeStatus(
        name="trt", available=False, version=None, reason="not here", install="pip install 'x[y]'"
    )
    table = console.runtimes_table((here, gone))
    assert line_of(table, "pt2") == "pt2 yes 2.13"
    assert line_of(table, "trt") == "trt no – not here"


# --- scores


def test_scores_stand_beside_the_linear_regression():
    table = console.scores_table(DENSE_SCORES, "Scores")
    assert line_of(table, "wear") == "wear 0.9000 0.5000 2"
    assert "Scores: rows of dense" in shown(table)


# --- names that other people chose


def every_table(name, bundle):
    hostile = row(name, 1e-4, runtime=name)
    check = Check(runtime=name, batch=1, max_abs=None, tolerance=None, passed=False, reason=name)
    manifest = dataclasses.replace(
        bundle.manifest,
        architecture=Architecture(kind="mlp", widths=(1, 2), activation=name),
        golden_source=name,
        files=tuple(
            dataclasses.replace(entry, path=name, format=name, proof=(), unproved=name)
            for entry in bundle.manifest.files
        ),
    )
    yield console.bench_table(result((hostile, unavailable(name, name))))
    yield console.verification_table(
        Verification(bundle=name, checks=(check,), skipped=(Skipped(runtime=name, reason=name),))
    )
    yield console.manifest_table(manifest, name)
    yield console.files_table(Bundle(root=bundle.root, manifest=manifest))
    yield console.runtimes_table(
        (RuntimeStatus(name=name, available=False, version=name, reason=name, install=name),)
    )
    scores = dataclasses.replace(
        DENSE_SCORES, r2={name: 0.5}, rmse={name: 0.5}, linear_r2={name: 0.5}
    )
    yield console.scores_table(dataclasses.replace(scores, source=name), name)


@pytest.mark.parametrize("number", range(6))
def test_names_that_look_like_markup_are_shown_as_they_are(tiny_bundle, number):
    table = list(every_table(MARKUP, tiny_bundle))[number]
    text = shown(table)
    counts = [2, 4, 3, 3 * len(tiny_bundle.manifest.files), 3, 3]
    assert text.count(MARKUP) >= counts[number]
