import json
import shutil
from dataclasses import replace

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.manifest import SCHEMA_VERSION, Architecture, Manifest
from spinn_edge.report.json_document import bench_document, to_text
from spinn_edge.report.sources import machine_label, read_sources
from spinn_edge.report.sources_markdown import sources_markdown
from tests.unit.report.results import DENSE, ENVIRONMENT, result

WATERFALL = {"reference": "a", "steps": [], "outputs": [], "scale": [], "rows": 1, "source": "s"}
VERIFICATION = {"passed": 0, "bundle": "x", "checks": [], "skipped": [], "batch_checks": []}
EXPLANATION = {"runtime": "x", "roofline": {}, "floor": [], "threads": [], "widths": []}
VALIDATION = {"passed": False, "samples": 1, "score": "R²", "outputs": [], "reasons": ["drift"]}


@pytest.fixture
def results(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(to_text(bench_document(result())))
    return path


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Return a bundle without files of any format."""
    root = tmp_path_factory.mktemp("bundles") / "bundle"
    root.mkdir()
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        created_utc="2026-01-01T00:00:00+00:00",
        created_by="test",
        architecture=Architecture(kind="file"),
        inputs=(),
        outputs=(),
        max_batch=1,
        parameters=None,
        nonzero_parameters=None,
        flops_per_sample=None,
        golden_source="none",
        parity={},
        files=(),
    )
    (root / "manifest.json").write_text(manifest.to_text())
    return root


def written(path, document):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


def test_result_is_decoded_and_kept_as_it_was_read(results):
    (named,) = read_sources([results]).results
    assert named.name == "results"
    assert named.machine == "Xeon, 48 cores"
    assert named.result == result()
    assert named.raw == json.loads(results.read_text())


@pytest.mark.parametrize(
    ("document", "field"),
    [
        (WATERFALL, "waterfalls"),
        (VERIFICATION, "verifications"),
        (EXPLANATION, "explanations"),
        (VALIDATION, "validations"),
    ],
)
def test_kind_of_a_document_is_told_by_its_keys(results, tmp_path, document, field):
    sources = read_sources([results, written(tmp_path / "other.json", document)])
    (found,) = getattr(sources, field)
    assert (found.name, found.raw) == ("other", document)
    fields = ("waterfalls", "verifications", "explanations", "validations")
    assert sum(len(getattr(sources, name)) for name in fields) == 1


def test_verdicts_without_a_figure_are_told_in_words(results, tmp_path):
    paths = [
        written(tmp_path / f"{number}.json", document)
        for number, document in enumerate([WATERFALL, VERIFICATION, EXPLANATION, VALIDATION])
    ]
    found = read_sources([results, *paths])
    assert found.notes == (
        "verification of x: failed, ran on no runtime",
        "validation of R² and drift on labelled rows: failed; first: drift",
    )
    text = sources_markdown(found)
    for note in found.notes:
        assert f"- {note}\n" in text


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({**WATERFALL, "rows": "many"}, r"rows: expected int"),
        ({**WATERFALL, "steps": [{}]}, r"key 'name' is missing"),
        ({**VERIFICATION, "checks": [1]}, r"checks\[0\]: expected an object"),
        ({**EXPLANATION, "roofline": {"rows": [{}]}}, r"roofline\.rows\[0\]: key 'bundle'"),
        ({**EXPLANATION, "roofline": []}, r"roofline: expected an object"),
        ({**VALIDATION, "reasons": 3}, r"reasons: expected a list"),
    ],
)
def test_damaged_document_is_refused_with_its_file_and_key(results, tmp_path, document, fault):
    path = written(tmp_path / "other.json", document)
    with pytest.raises(UsageError, match=rf"other\.json.*{fault}.*write it again with --json"):
        read_sources([results, path])


def test_damaged_differences_are_found_before_anything_is_written(tmp_path):
    document = {**bench_document(result()), "output_differences": {"pruned": 3}}
    with pytest.raises(
        UsageError, match=r"r\.json is a damaged result: output_differences\.pruned"
    ):
        read_sources([written(tmp_path / "r.json", document)])


@pytest.mark.parametrize("document", [{"foo": 1}, [], 3, "x", None, {}])
def test_foreign_json_is_refused_in_words(results, tmp_path, document):
    path = written(tmp_path / "other.json", document)
    with pytest.raises(UsageError, match=r"other\.json holds .*expected what spinn-edge bench"):
        read_sources([results, path])


def test_file_that_is_no_json_is_refused(results, tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{")
    with pytest.raises(UsageError, match=r"x\.json is no JSON document.*with --json FILE"):
        read_sources([results, path])
    with pytest.raises(UsageError, match=r"cannot read .*missing\.json"):
        read_sources([results, tmp_path / "missing.json"])


def test_one_document_at_least_is_a_result(tmp_path):
    path = written(tmp_path / "w.json", WATERFALL)
    with pytest.raises(UsageError, match="expected a result of spinn-edge bench among them"):
        read_sources([path])
    with pytest.raises(UsageError, match="no file: expected"):
        read_sources([])


def test_result_without_rows_is_refused(tmp_path):
    document = {**bench_document(result()), "rows": []}
    with pytest.raises(UsageError, match="it holds no row"):
        read_sources([written(tmp_path / "r.json", document)])


def test_files_of_one_name_are_told_apart_by_their_folders(tmp_path):
    document = bench_document(result())
    paths = [written(tmp_path / folder / "run" / "results.json", document) for folder in "ab"]
    third = written(tmp_path / "other.json", document)
    names = [named.name for named in read_sources([*paths, third]).results]
    assert names == ["a/run/results", "b/run/results", "other"]


def test_file_that_comes_twice_is_refused(results, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(results)
    with pytest.raises(UsageError, match="expected each once"):
        read_sources([results, link])


def test_bundle_of_the_baseline_comes_first(results, exported, tmp_path):
    first = shutil.copytree(exported, tmp_path / "a")
    dense = shutil.copytree(exported, tmp_path / "dense")
    found = read_sources([results], [first, dense]).bundles
    assert [bundle.name for bundle in found] == ["dense", "a"]
    assert isinstance(found[0], Bundle)


def test_bundles_of_one_name_and_missing_ones_are_refused(results, exported, tmp_path):
    other = shutil.copytree(exported, tmp_path / "x" / exported.name)
    with pytest.raises(UsageError, match=f"two bundles named {exported.name}"):
        read_sources([results], [exported, other])
    with pytest.raises(BundleError, match="is no bundle"):
        read_sources([results], [tmp_path / "missing"])


def test_bundle_that_no_result_is_of_is_named(results, exported):
    (note,) = read_sources([results], [exported]).notes
    assert note == "no result is of bundle bundle, so nothing here is its latency"


@pytest.mark.parametrize("changes", [{"parameters": 3}, {"flops_per_sample": 5}])
def test_another_model_under_a_timed_name_is_refused(results, exported, tmp_path, changes):
    dense = shutil.copytree(exported, tmp_path / "dense")
    manifest = json.loads((dense / "manifest.json").read_text())
    (dense / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    with pytest.raises(UsageError, match="is not the model that was timed as 'dense'"):
        read_sources([results], [dense])
    (dense / "manifest.json").write_text(json.dumps({**manifest, "parameters": DENSE.parameters}))
    assert read_sources([results], [dense]).notes == ()


def test_machine_is_named_with_its_gpu():
    assert machine_label(replace(ENVIRONMENT, cores=1)) == "Xeon, 1 core"
    assert "RTX" in machine_label(replace(ENVIRONMENT, gpu="RTX 4090, driver 550, SM89"))
