import base64
import csv
import hashlib
import io
import json
import random
from dataclasses import replace

import pytest

from spinn_edge.report import formatting as f
from spinn_edge.report.page.downloads import MOST_BYTES, downloads
from spinn_edge.report.page.page import render_page, run_page
from spinn_edge.report.page.sheet_table import cell_text
from tests.unit.report.page.pages import download, lines_of, page_of, read, sources_of
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

SECTIONS = (
    *("advice", "models", "timings", "speed-up", "distribution", "pareto", "rates", "waterfall"),
    *("parity", "footprint", "roofline", "environment", "data"),
)
PAIR = (row("dense", 400e-6), row("pruned", 100e-6, baseline_median_s=400e-6))


def test_page_has_its_sections_landmarks_and_language():
    page = page_of(result())
    ids = [section.attributes["id"] for section in page.every("section")]
    assert [name for name in ids if name != "more"] == list(SECTIONS)
    assert page.one("html").attributes["lang"] == "en"
    assert page.one("a", class_="skip").attributes["href"] == "#content"
    assert page.one("main").attributes["id"] == "content"
    links = [a.attributes["href"] for a in page.one("nav").every("a")]
    assert links == [f"#{name}" for name in ids]


def test_every_id_is_there_once_and_every_label_names_one():
    page = page_of(result(), result())
    ids = [e.attributes["id"] for e in _all(page) if "id" in e.attributes]
    assert len(set(ids)) == len(ids)
    for element in _all(page):
        named = element.attributes.get("aria-labelledby")
        assert named is None or named in ids


def test_header_says_what_when_and_where():
    head = page_of(result()).one("header")
    assert head.one("h1").text == "pruned beside dense"
    assert "Xeon, 48 cores" in head.text
    assert "2026-01-02T03:04:05+00:00" in head.text
    assert "2 of 2 rows, 2,000 samples, on ort-cpu" in head.text


def test_table_holds_every_row_with_the_figures_of_the_other_forms():
    fast = PAIR[1]
    lines = lines_of(page_of(result(PAIR)))
    assert [(line["bundle"], line["batch"]) for line in lines] == [("dense", "1"), ("pruned", "1")]
    assert lines[1]["median"] == f.seconds(fast.median_s)
    assert lines[1]["p99"] == f.seconds(fast.p99_s)
    assert lines[1]["mean ± std"] == f"{f.seconds(fast.mean_s)} ± {f.seconds(fast.std_s)}"
    assert lines[1]["speed-up"] == f.speedup(fast)
    assert lines[1]["samples"] == "1,000"
    assert lines[1]["launches"] == "3"


def test_row_that_was_not_timed_keeps_its_line_and_says_why():
    found = result((*PAIR, unavailable("dense", "no <GPU>")), every_runtime=True)
    page = page_of(found)
    assert lines_of(page)[2]["reason"] == "no <GPU>"
    (line,) = page.one("table", id="results").every("tr", class_="not-timed")
    assert line.attributes["data-status"] == "unavailable"
    width = sum(int(cell.attributes.get("colspan") or 1) for cell in line.children)
    assert width == len(page.one("table", id="results").one("thead").every("th"))


def test_numbers_sort_by_their_unrounded_value():
    table = page_of(result(PAIR)).one("table", id="results")
    cells = table.one("tbody").every("tr")[1].children
    heads = [th.text for th in table.one("thead").every("th")]
    keys = dict(zip(heads, (cell.attributes.get("data-sort") for cell in cells), strict=True))
    fast = PAIR[1]
    assert keys["median"] == repr(100e-6)
    assert (keys["p90"], keys["p99"]) == (repr(fast.p90_s), repr(fast.p99_s))
    assert fast.p90_s != fast.p99_s
    assert keys["speed-up"] == repr(PAIR[1].speedup)
    assert (keys["batch"], keys["samples"], keys["runtime"]) == ("1", "1000", None)


def test_every_figure_of_every_boundary_and_rate_has_a_column():
    rows = (*on_a_gpu("dense"), *on_a_gpu("pruned"), stand_in("dense", 1e-3))
    lines = lines_of(page_of(result(rows)))
    by = {(line["bundle"], line["boundary"], line["runtime"]): line for line in lines}
    device = by["dense", "device", "eager-cuda"]
    assert device["median"] == "90.0 µs"
    assert (device["H2D"], device["D2H"], device["kernels"]) == ("2.00 µs", "4.00 µs", "10")
    assert by["dense", "host-to-host", "eager-cuda"]["kernels"] == "–"
    assert by["dense", "host-to-host", "trt → ort-cpu"]["median"] == "1.00 ms"


def test_only_what_clears_the_noise_is_marked_faster():
    steady = row("dense", 400e-6, launch_samples=(400, 300, 300))
    fast = row("pruned", 100e-6, baseline_median_s=400e-6, baseline_medians_s=(400e-6,) * 3)
    same = replace(fast, baseline_median_s=100e-6, baseline_medians_s=(100e-6,) * 3)
    assert lines_of(page_of(result((steady, fast))))[1]["speed-up"].startswith("▲ 4.00×")
    assert lines_of(page_of(result((steady, same))))[1]["speed-up"] == "no difference seen"


def test_filters_are_hidden_until_the_script_shows_them_and_have_labels():
    form = page_of(result(PAIR)).one("form", id="filters")
    assert "hidden" in form.attributes
    controls = [*form.every("input"), *form.every("select")]
    inside = [e for label in form.every("label") for e in _all(label)]
    assert all(any(e is control for e in inside) for control in controls)
    options = form.one("select", id="filter-runtime").every("option")
    assert [o.attributes["value"] for o in options] == ["", "ort-cpu"]


def test_result_of_several_machines_stand_apart():
    other = replace(result(), environment=replace(ENVIRONMENT, cpu="EPYC"))
    page = page_of(result(), other)
    assert {line["result"] for line in lines_of(page)} == {"results", "results1"}
    assert "EPYC, 48 cores" in page.one("header").text
    assert len(page.one("select", id="filter-result").every("option")) == 3
    assert "Machine of results1" in page.one("section", id="environment").text
    assert len(page.one("section", id="models").every("article")) == 2  # the same two models


def test_card_tells_size_change_score_and_linear_regression():
    dense, pruned = page_of(result()).every("article")
    assert "baseline" in dense.one("h3").text
    assert "210,000 (-68.5 %)" in pruned.text
    assert "0.8300 (-0.0200)" in pruned.text
    line = next(tr for tr in pruned.every("tr") if "wear" in tr.text)
    assert [cell.text for cell in line.children] == ["wear", "0.9100", "0.5000", "1.5"]
    assert "dashed outline: 18-512-2" in (pruned.one("svg").attributes["aria-label"] or "")


def test_bars_are_as_tall_as_their_layers_are_wide():
    _, pruned = page_of(result()).every("article")
    bars = [float(r.attributes["height"] or 0) for r in pruned.every("rect", class_="bar")]
    outlines = [float(r.attributes["height"] or 0) for r in pruned.every("rect", class_="outline")]
    assert bars[1] / outlines[1] == pytest.approx(285 / 512, rel=1e-3)
    assert max(outlines) == 120


def test_model_without_widths_and_scores_says_so():
    bare = replace(PRUNED, widths=(), scores=None, parameters=None)
    _, card = page_of(result(bundles=(DENSE, bare))).every("article")
    assert "its widths are not known" in card.text
    assert "Scores: not measured" in card.text
    assert "nan" not in card.text.lower()


def test_parity_shows_share_of_tolerance_and_the_failure_of_any_boundary():
    good = PAIR[0].parity
    assert good is not None
    broken = replace(good, passed=False, reason="off by <1>")
    failed = replace(PAIR[0], batch=64, samples_s=(), status="failed", parity=broken, reason="x")
    held = replace(failed, boundary="bound", parity=good)
    page = page_of(result((PAIR[0], failed, held)))
    cells = page.one("table", class_="matrix").one("tbody").every("td")
    assert "✓ 3.2 %" in cells[2].text
    assert cells[3].text == "✗ failed off by <1>"


def test_remarks_and_notes_are_said():
    page = page_of(result(every_runtime=False), notes=("a <note>",))
    words = page.one("section", id="advice").text
    assert "pruned beside dense: 4.00×" in words
    assert "a <note>" in words


def test_what_a_program_recommended_is_taken_over():
    raw = {"recommendations": ["take <this> one"], "notes": ["x became y"]}
    words = read(run_page(result(), document=raw)).one("section", id="advice").text
    assert "take <this> one" in words
    assert "x became y" in words


def test_json_download_is_the_document_itself():
    sources = sources_of(result())
    page = read(render_page(sources))
    assert json.loads(download(page, "download-json")) == sources.results[0].raw


def test_json_of_several_results_holds_each():
    held = json.loads(download(page_of(result(), result()), "download-json"))
    assert [one["name"] for one in held["results"]] == ["results", "results1"]


def test_samples_that_would_make_the_file_too_large_are_left_out_and_it_says_so():
    sources = sources_of(result())
    page = read(downloads(sources, held_bytes=MOST_BYTES - 6000))
    held = json.loads(download(page, "download-json"))
    assert held["rows"][0]["samples_s"] == []
    assert held["rows"][0]["median_s"] == 400e-6
    assert "raw samples are left out" in page.text
    whole = read(downloads(sources, held_bytes=0))
    assert json.loads(download(whole, "download-json")) == sources.results[0].raw


def test_csv_download_has_a_line_for_each_row():
    lines = list(csv.DictReader(io.StringIO(download(page_of(result()), "download-csv"))))
    assert [float(line["median_s"]) for line in lines] == [400e-6, 100e-6]


def test_nothing_outside_the_file_is_named_and_scripts_are_those_of_the_policy():
    text = render_page(sources_of(result()))
    page = read(text)
    policy = page.one("meta", http_equiv="Content-Security-Policy").attributes["content"] or ""
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy
    scripts = [s for s in page.every("script") if s.attributes.get("type") is None]
    assert len(scripts) >= 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    for element in _all(page):
        for name in ("src", "href", "action", "srcset", "data", "poster"):
            place = element.attributes.get(name) or "#"
            assert place.startswith(("#", "data:")), f"{element.name} {name}={place[:60]}"
        assert not [name for name in element.attributes if name.startswith("on")]
    style = page.one("style").text
    assert "url(" not in style
    assert "@import" not in style


@pytest.mark.parametrize(
    "name",
    [
        "<script>alert(1)</script>",
        "</script><script>alert(2)</script><!--",
        "\"onmouseover='alert(3)' x=\"`",
        "</style><img src=x onerror=alert(4)>",
        "a\u202eb\x00c\ud800d",
        "=cmd()|x\r\ny",
    ],
)
def test_hostile_names_stay_text(name):
    dense, pruned = replace(DENSE, name=name), replace(PRUNED, name=f"{name}2")
    rows = (
        row(name, 4e-4, runtime=name, precision=name),
        row(f"{name}2", 1e-4, status="failed", samples_s=(), launch_samples=(), reason=name),
    )
    found = replace(
        result(rows, bundles=(dense, pruned)),
        environment=replace(ENVIRONMENT, cpu=name, gpu=name, packages={name: name}),
        created_utc=name,
    )
    text = render_page(sources_of(found, notes=(name,)))
    text.encode("utf-8")
    page, plain = read(text), page_of(result())
    assert {e.name for e in _all(page)} <= {e.name for e in _all(plain)} | {"strong", "ul"}
    assert len(page.every("script")) <= len(plain.every("script"))
    assert not [a for e in _all(page) for a in e.attributes if a.startswith("on")]
    assert "\u202e" not in text


def test_endless_name_is_cut_in_the_page_and_whole_in_the_data():
    name = "x" * 10_000
    found = result((row(name, 1e-4),), bundles=(replace(DENSE, name=name),))
    page = page_of(found)
    seen = [t for e in _all(page) if e.name != "script" for t in e.own_text]
    assert not [text for text in seen if len(text) > 1000 and "}" not in text]
    assert json.loads(download(page, "download-json"))["bundles"][0]["name"] == name


@pytest.mark.parametrize("field", ["bundle", "runtime", "precision", "reason"])
def test_endless_names_of_two_hundred_rows_leave_the_page_small(field):
    endless = "x" * 10_000
    rows = [
        replace(one, **{field: f"{getattr(one, field)}{endless}"}, samples_s=one.samples_s[:20])
        for one in _many_rows(samples=20)
    ]
    if field == "reason":
        rows = [replace(one, status="failed", samples_s=(), launch_samples=()) for one in rows]
    names = dict.fromkeys(one.bundle for one in rows)
    sources = sources_of(result(tuple(rows), tuple(replace(DENSE, name=name) for name in names)))
    text = render_page(sources)
    assert len(text.encode("utf-8")) < 3_000_000
    page = read(text)
    shown = (e for e in _all(page.one("main")) if e.name != "script")
    assert not [t for e in shown for t in e.own_text if len(t) > 5000]
    assert json.loads(download(page, "download-json")) == sources.results[0].raw
    assert (page.one("a", id="download-csv").attributes["download"] or "").endswith(".csv.gz")
    lines = list(csv.DictReader(io.StringIO(download(page, "download-csv"))))
    assert len(lines) == 200
    assert all(endless in line[field] for line in lines)


def test_a_cell_that_is_cut_says_how_long_it_was():
    assert cell_text("a" * 600) == "a" * 600
    assert cell_text("a" * 601) == f"{'a' * 500}… (601 characters)"


def test_only_the_table_of_timings_waits_to_be_laid_out_and_knows_its_lines():
    (box,) = page_of(result(PAIR)).every("div", class_="scroll even")
    assert box.attributes["style"] == "--lines:2"
    assert box.one("table").attributes["id"] == "results"


def test_page_of_two_hundred_rows_is_small_enough_with_all_its_samples():
    rows = _many_rows(samples=1000)
    sources = sources_of(result(rows))
    text = render_page(sources)
    assert len(text.encode("utf-8")) <= 3_000_000
    assert json.loads(download(read(text), "download-json")) == sources.results[0].raw


def _many_rows(samples):
    """Return 200 rows whose samples, in nanoseconds, gzip can hardly shrink."""
    draw = random.Random(0)
    return tuple(
        row(
            bundle,
            1e-4,
            runtime=f"r{number}",
            batch=batch,
            samples_s=tuple(round(1e-4 * draw.uniform(1, 1.1), 9) for _ in range(samples)),
            launch_samples=(samples,),
        )
        for bundle in ("dense", "pruned")
        for number in range(20)
        for batch in (1, 2, 4, 8, 16)
    )


def _all(element):
    return [element, *(found for child in element.children for found in _all(child))]
