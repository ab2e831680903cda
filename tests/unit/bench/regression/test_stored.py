import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from spinn_edge.bench.regression.stored import check_baseline, read_result, save_baseline
from spinn_edge.bench.result import RESULTS_SCHEMA_VERSION
from spinn_edge.core.errors import UsageError
from spinn_edge.report.json_document import bench_document, to_text
from tests.unit.report.results import on_a_gpu, result, row, stand_in, unavailable

RESULT = result((row("dense", 400e-6), *on_a_gpu("pruned"), stand_in("pruned", 1e-4)))


def text_of(found=RESULT):
    return to_text(bench_document(found))


def stored(tmp_path: Path, change=lambda document: None) -> Path:
    document = json.loads(text_of())
    change(document)
    path = tmp_path / "results.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


# --- reading


def test_what_bench_writes_is_read_back_as_it_was(tmp_path):
    found = replace(RESULT, rows=(*RESULT.rows, unavailable("dense")), every_runtime=True)
    save_baseline(text_of(found), tmp_path / "b.json")
    assert read_result(tmp_path / "b.json") == found


def test_keys_of_a_newer_writer_are_ignored(tmp_path):
    path = stored(tmp_path, lambda d: (d.update(new=1), d["rows"][0].update(new=1)))
    assert read_result(path) == RESULT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no JSON document"),
        ("{", "is no JSON document"),
        ("[" * 100_000, "is no JSON document"),
        ("[]", "is no result of spinn-edge bench"),
        ('"text"', "is no result of spinn-edge bench"),
        ('{"passed": true, "checks": []}', "is no result of spinn-edge bench"),
        ('{"schema_version": NaN}', "holds NaN"),
    ],
)
def test_file_that_is_no_result_is_refused_with_the_command_that_makes_one(tmp_path, text, message):
    path = tmp_path / "x.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match="spinn-edge bench MODEL --save-baseline") as raised:
        read_result(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_missing_file_folder_and_binary_are_refused(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere", ".", "binary"):
        with pytest.raises(UsageError, match="cannot read"):
            read_result(tmp_path / name)


@pytest.mark.parametrize("version", [RESULTS_SCHEMA_VERSION + 1, 0, None, "1", 1.0, True])
def test_another_schema_version_is_refused(tmp_path, version):
    path = stored(tmp_path, lambda d: d.update(schema_version=version))
    with pytest.raises(UsageError, match=f"expected {RESULTS_SCHEMA_VERSION}"):
        read_result(path)


def change_row(**values):
    return lambda document: document["rows"][0].update(values)


def change_bundle(number=0, **values):
    return lambda document: document["bundles"][number].update(values)


def change_scores(**values):
    return lambda document: document["bundles"][0]["scores"].update(values)


PACED = {
    "rate_per_s": 50.0,
    "responses_s": [4e-4] * 1000,
    "lateness_s": [0.0] * 1000,
    "ticks": [400, 300, 300],
}
NO_INFERENCES = {"inferences": 0, "energy": {"joules": 1.0, "window_s": 1.0, "sources": ["x"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(rows=[]), "it holds no row"),
        (lambda d: d.update(rows={}), "expected a list"),
        (lambda d: d["rows"][0].pop("batch"), "'batch' is missing"),
        (change_row(samples_s=[-1e-6], launch_samples=[1]), "samples_s[0] is -1e-06, expected 0"),
        (change_row(samples_s=[0.0], launch_samples=[1]), "a median outside"),
        (change_row(samples_s=[1e300], launch_samples=[1]), "a median outside"),
        (change_row(samples_s=[10**400], launch_samples=[1]), "damaged"),
        (change_row(samples_s=["fast"], launch_samples=[1]), "expected float"),
        (change_row(upload_samples_s=[1.0, -1.0]), "upload_samples_s[1] is -1, expected 0 or"),
        (change_row(samples_s=[], launch_samples=[]), "status ok, but no samples"),
        (change_row(launch_samples=[]), "but 1000 samples"),
        (change_row(launch_samples=[999]), "but 1000 samples"),
        (change_row(launch_samples=[1001, -1]), "launch_samples[1] is -1, expected 1"),
        (change_row(status="failed"), "though it was not timed"),
        (change_row(status="fine"), "status 'fine', expected one of ok"),
        (change_row(boundary="moon"), "boundary 'moon', expected one of host-to-host"),
        (change_row(bundle="other"), "bundle 'other', which it does not describe"),
        (change_bundle(name="pruned"), "two of its bundles have one name"),
        (change_bundle(parameter_bytes=-1), "bundle 'dense': parameter_bytes is -1, expected 0 or"),
        (change_bundle(file_bytes={"x.onnx": -1}), "'dense': file_bytes.x.onnx is -1, expected 0"),
        (change_bundle(widths=[18, 0]), "widths[1] is 0, expected 1 or more"),
        (change_scores(rows=0), "scores.rows is 0, expected 1 or more"),
        (change_scores(rmse={"wear": -2.0}), "scores.rmse.wear is -2, expected 0 or more"),
        (change_row(rate_per_s=0), "dense on ort-cpu at batch 1, host-to-host: rate_per_s is 0,"),
        (change_row(rate_per_s=-100.0), "rate_per_s is -100, expected 1e-06 to 1e+12"),
        (change_row(rate_per_s=1e-320), "rate_per_s is 9.99989e-321, expected 1e-06 to 1e+12"),
        (change_row(batch=0), "batch is 0, expected 1 or more"),
        (change_row(batch=-1), "batch is -1, expected 1 or more"),
        (change_row(batch=10**400), "damaged"),
        (change_row(threads=0), "threads is 0, expected 1 or more"),
        (change_row(footprints=[{}, {"load_s": -0.5}]), "footprints[1].load_s is -0.5, expected 0"),
        (change_row(baseline_medians_s=[1.0, 0.0]), "baseline_medians_s[1] is 0, expected 1e-12"),
        (change_row(energies=[NO_INFERENCES]), "energies[0].inferences is 0, expected 1 or more"),
        (change_row(pacing=PACED | {"ticks": []}), "ticks of another number than its samples"),
        (change_row(pacing=PACED | {"responses_s": []}), "responses_s, lateness_s or ticks of"),
        (change_row(pacing=PACED | {"lateness_s": [0.0]}), "responses_s, lateness_s or ticks of"),
        (change_row(pacing=PACED | {"rate_per_s": 0}), "pacing.rate_per_s is 0, expected 1e-06"),
        (lambda d: d["rows"].append(d["rows"][0]), "two of its rows are of dense: ort-cpu, fp32,"),
        (lambda d: d["bundles"].reverse(), "'dense' is marked as the baseline, but the first is"),
        (change_bundle(1, baseline=True), "'pruned' is marked as the baseline, but the first is"),
    ],
)
def test_result_that_cannot_have_been_measured_is_refused(tmp_path, change, message):
    with pytest.raises(UsageError, match="is a damaged result") as raised:
        read_result(stored(tmp_path, change))
    assert message in str(raised.value)


def test_score_may_be_as_bad_as_it_likes(tmp_path):
    path = stored(tmp_path, change_scores(r2={"wear": -1e6}, r2_overall=-1e6))
    scores = read_result(path).bundles[0].scores
    assert scores is not None
    assert scores.r2_overall == -1e6


def test_row_at_a_fixed_rate_is_read(tmp_path):
    path = stored(tmp_path, change_row(rate_per_s=50.0, pacing=PACED))
    pacing = read_result(path).rows[0].pacing
    assert pacing is not None
    assert pacing.missed == 0


def test_rows_of_one_question_may_differ_in_threads_precision_and_rate(tmp_path):
    def more(document):
        first = document["rows"][0]
        changes = ({"threads": 2}, {"precision": "fp16"}, {"rate_per_s": 50.0}, {"batch": 2})
        document["rows"] += [first | change for change in changes]

    assert len(read_result(stored(tmp_path, more)).rows) == len(RESULT.rows) + 4


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_sample_that_is_no_number_is_refused(tmp_path, number):
    path = tmp_path / "x.json"
    text = text_of().replace('"samples_s": [', f'"samples_s": [{number}, ', 1)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=f"holds {number}, which is no measurement"):
        read_result(path)


def test_number_too_large_for_a_float_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text_of().replace('"samples_s": [', '"samples_s": [1e999, ', 1), "utf-8")
    with pytest.raises(UsageError, match=r"samples_s\[0\] is inf, expected 0 or more"):
        read_result(path)


def test_score_that_is_infinite_is_refused(tmp_path):
    path = tmp_path / "x.json"
    path.write_text(text_of().replace('"r2_overall": 0.85', '"r2_overall": -1e999'), "utf-8")
    with pytest.raises(UsageError, match=r"scores.r2_overall is -inf, expected a finite number"):
        read_result(path)


# --- a baseline


def test_baseline_holds_the_text_that_it_was_given_and_makes_its_folder(tmp_path):
    path = tmp_path / "ci" / "baseline.json"
    save_baseline(text_of(), path)
    assert path.read_text(encoding="utf-8") == text_of()
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o444 == 0o444


@pytest.mark.parametrize("version", [RESULTS_SCHEMA_VERSION, RESULTS_SCHEMA_VERSION + 1])
def test_baseline_replaces_an_older_result_of_whatever_version(tmp_path, version):
    path = stored(tmp_path, lambda d: d.update(schema_version=version, created_utc="old"))
    path.chmod(0o640)
    save_baseline(text_of(), path)
    assert read_result(path) == RESULT
    assert path.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("content", ["mine", "", "{}", '{"passed": true}', "[1]"])
def test_baseline_never_replaces_anything_else(tmp_path, content):
    path = tmp_path / "notes.json"
    path.write_text(content)
    for attempt in (lambda: check_baseline(path), lambda: save_baseline(text_of(), path)):
        with pytest.raises(UsageError, match="is not overwritten; name another file"):
            attempt()
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


def test_folder_is_no_place_for_a_baseline(tmp_path):
    with pytest.raises(UsageError, match="is not overwritten"):
        save_baseline(text_of(), tmp_path)


def test_path_where_nothing_lies_is_free(tmp_path):
    check_baseline(tmp_path / "new" / "b.json")
    assert list(tmp_path.iterdir()) == []


def test_link_to_a_baseline_stays_a_link(tmp_path):
    path = stored(tmp_path)
    link = tmp_path / "link.json"
    link.symlink_to(path)
    save_baseline("{}", link)
    assert link.is_symlink()
    assert path.read_text() == "{}"


def test_write_that_fails_leaves_the_old_baseline_and_no_half_file(tmp_path, monkeypatch):
    path = stored(tmp_path)
    before = path.read_text()

    def refuse(*names):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UsageError, match="No space left on device; name another file"):
        save_baseline("{}", path)
    assert path.read_text() == before
    assert list(tmp_path.iterdir()) == [path]
