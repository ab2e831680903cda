import hashlib
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, ExportError, UsageError
from spinn_edge.core.manifest import Architecture
from spinn_edge.core.pruning_record import PruningAudit
from spinn_edge.export import registry
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.golden import GoldenInputs, rows_as_golden
from spinn_edge.export.proof import prove
from spinn_edge.export.registry import ExporterEntry
from spinn_edge.export.shapes import parse_input_shapes
from spinn_edge.models.loading import LoadOptions, load_model
from spinn_edge.runtimes.trt.cache import EngineCache
from spinn_edge.runtimes.trt.recipe import EngineOptions
from tests.fakes.networks import load_factory, load_mlp, make_cnn, make_two_by_two, module_in


def write(folder, request=None, loaded=None, **options):
    request = request or ExportRequest(max_batch=8)
    return write_bundle(loaded or load_mlp(), folder / "out", request, **options)


# --- what a bundle says


def test_without_formats_weights_and_golden_vectors_are_written(tmp_path):
    bundle = write(tmp_path)
    assert sorted(path.name for path in bundle.root.iterdir()) == [
        "golden.npz",
        "manifest.json",
        "model.safetensors",
    ]
    assert [entry.format for entry in bundle.manifest.files] == ["golden", "weights"]


def test_every_file_but_the_manifest_is_listed_with_size_and_hash(tmp_path):
    bundle = write(tmp_path, ExportRequest(formats=("torchscript", "pt2", "onnx"), max_batch=4))
    listed = {entry.path: (entry.bytes, entry.sha256) for entry in bundle.manifest.files}
    found = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in bundle.root.iterdir()
        if path.name != "manifest.json"
    }
    assert listed == found


def test_parameters_and_flops_are_counted(tmp_path):
    loaded = load_mlp((4, 8, 2))
    with torch.no_grad():
        module_in(loaded)[0].weight[0] = 0
    manifest = write(tmp_path, loaded=loaded).manifest
    assert manifest.parameters == (4 * 8 + 8) + (8 * 2 + 2)
    assert manifest.nonzero_parameters == manifest.parameters - 4
    assert manifest.flops_per_sample == 2 * (4 * 8 + 8 * 2)
    assert manifest.architecture == Architecture(kind="mlp", widths=(4, 8, 2), activation="tanh")


def test_weights_are_the_models_own(tmp_path):
    loaded = load_mlp()
    bundle = write(tmp_path, loaded=loaded)
    saved = load_file(bundle.root / "model.safetensors")
    for name, tensor in module_in(loaded).state_dict().items():
        np.testing.assert_array_equal(saved[name], tensor.numpy())


def test_weights_that_share_memory_are_written_whole(tmp_path):
    loaded = load_mlp((4, 4, 4))
    module_in(loaded)[2].weight = module_in(loaded)[0].weight
    saved = load_file(write(tmp_path, loaded=loaded).root / "model.safetensors")
    np.testing.assert_array_equal(saved["0.weight"], saved["2.weight"])


def test_golden_outputs_are_the_models_own_in_float64(tmp_path):
    loaded = load_mlp()
    golden = write(tmp_path, loaded=loaded).golden()
    with torch.no_grad():
        exact = (
            module_in(loaded).double()(torch.from_numpy(golden.inputs["input"]).double()).numpy()
        )
    np.testing.assert_array_equal(golden.outputs["output"], exact)
    assert golden.outputs["output"].dtype == np.float64
    assert golden.rows == 8


def test_the_same_model_gives_the_same_golden_file(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    first, again = (write(tmp_path / name) for name in ("a", "b"))
    np.testing.assert_array_equal(first.golden().inputs["input"], again.golden().inputs["input"])


def test_given_golden_inputs_are_used_and_named(tmp_path):
    features = np.arange(20, dtype=np.float64).reshape(5, 4)
    bundle = write(tmp_path, golden=rows_as_golden(features, "wear.csv"))
    assert bundle.manifest.golden_source == "5 rows of wear.csv"
    assert set(bundle.golden().inputs["input"].ravel()) == set(range(20))


def test_steps_are_told_in_their_order(tmp_path):
    steps: list[tuple[str, int, int]] = []
    request = ExportRequest(formats=("pt2", "onnx"), max_batch=2)
    write(tmp_path, request, on_step=lambda *step: steps.append(step))
    assert steps == [
        ("golden vectors", 0, 3),
        ("pt2: write and prove", 1, 3),
        ("onnx: write and prove", 2, 3),
    ]


def test_a_step_in_another_precision_is_told_by_its_name(tmp_path):
    steps: list[str] = []
    request = ExportRequest(formats=("onnx",), precisions=("fp16",), max_batch=2)
    write(tmp_path, request, on_step=lambda words, *_: steps.append(words))
    assert steps == ["golden vectors", "onnx: write and prove", "fp16 onnx: write and prove"]


def test_the_manifest_on_disk_is_what_is_returned(tmp_path):
    bundle = write(tmp_path)
    assert Bundle.load(bundle.root).manifest == bundle.manifest
    assert json.loads((bundle.root / "manifest.json").read_text())["max_batch"] == 8


# --- sizes


def test_the_largest_batch_is_1024_where_nothing_is_said(tmp_path):
    assert write(tmp_path, ExportRequest()).manifest.max_batch == 1024


@pytest.mark.parametrize("max_batch", [0, -1])
def test_a_largest_batch_below_one_is_refused(tmp_path, max_batch):
    with pytest.raises(UsageError, match=f"--max-batch must be at least 1, got {max_batch}"):
        write(tmp_path, ExportRequest(max_batch=max_batch))


def test_a_largest_batch_of_one_is_proved_at_one(tmp_path):
    bundle = write(tmp_path, ExportRequest(formats=("pt2",), max_batch=1))
    (entry,) = bundle.manifest.files_of("pt2")
    assert [point.batch for point in entry.proof] == [1]


def test_more_samples_than_golden_rows_repeat_them(tmp_path):
    features = np.random.default_rng(0).standard_normal((3, 4))
    bundle = write(
        tmp_path,
        ExportRequest(formats=("torchscript",), max_batch=16),
        golden=rows_as_golden(features, "three rows"),
    )
    (entry,) = bundle.manifest.files_of("torchscript")
    assert [point.batch for point in entry.proof] == [1, 2, 7, 16]
    assert bundle.golden().rows == 3


def test_a_bundle_that_is_exported_again_keeps_its_largest_batch_or_takes_a_new_one(tmp_path):
    first = write(tmp_path, ExportRequest(max_batch=8))
    kept = write_bundle(load_model(first.root), tmp_path / "kept", ExportRequest())
    new = write_bundle(load_model(first.root), tmp_path / "new", ExportRequest(max_batch=32))
    assert (kept.manifest.max_batch, new.manifest.max_batch) == (8, 32)


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (EngineOptions(min_batch=9), "--min-batch 9: expected at most --max-batch 8"),
        (EngineOptions(opt_batch=9), "--opt-batch 9: expected at most --max-batch 8"),
    ],
)
def test_batches_of_engines_out_of_order_are_refused_first(tmp_path, engine, message):
    steps: list[str] = []
    request = ExportRequest(formats=("onnx",), max_batch=8, engine=engine)
    with pytest.raises(UsageError, match=message):
        write(tmp_path, request, on_step=lambda words, *_: steps.append(words))
    assert steps == []


# --- what an exporter is told


def test_a_job_knows_its_precision_its_place_and_what_was_written(tmp_path, monkeypatch):
    jobs = []
    real = registry.load

    def watch(entry):
        def export(job):
            jobs.append(job)
            return real(entry)(job)

        return export

    monkeypatch.setattr(registry, "load", watch)
    engine = EngineOptions(tf32=True)
    request = ExportRequest(
        formats=("onnx",), precisions=("fp32", "fp16"), max_batch=4, engine=engine
    )
    bundle = write(tmp_path, request)
    assert [job.precision for job in jobs] == ["fp32", "fp16"]
    for job in jobs:
        assert job.engine is engine
        assert job.out == bundle.root
        assert job.folder.parent == job.out.parent
        assert job.folder != job.out
    assert ("onnx", "fp32") not in jobs[0].files
    assert jobs[1].files["onnx", "fp32"] == jobs[1].folder / "model.onnx"


def test_a_runtimes_cache_does_not_stay_beside_the_staging_folder(tmp_path, monkeypatch):
    def keep_and_prove(bundle, *arguments):
        folder = EngineCache(bundle.root).folder
        folder.mkdir()
        (folder / "runtime.cache").write_bytes(b"kernels")
        return prove(bundle, *arguments)

    monkeypatch.setattr("spinn_edge.export.bundling.prove", keep_and_prove)
    write(tmp_path, ExportRequest(formats=("onnx",), max_batch=4))
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


# --- what is carried over

AUDIT = PruningAudit(
    requested=0.5,
    achieved=0.49,
    tolerance=0.02,
    round_to=1,
    importance="group-norm",
    parameters_before=100,
    parameters_after=51,
    layers=(),
    rounds=(),
)


def test_an_audit_is_written_and_kept_when_the_bundle_is_exported_again(tmp_path):
    first = write(tmp_path, pruning=AUDIT)
    assert first.manifest.pruning == AUDIT
    again = write_bundle(load_model(first.root), tmp_path / "again", ExportRequest())
    assert again.manifest.pruning == AUDIT


def test_a_new_audit_replaces_the_old_one(tmp_path):
    first = write(tmp_path, pruning=AUDIT)
    newer = replace(AUDIT, achieved=0.48)
    again = write_bundle(load_model(first.root), tmp_path / "again", ExportRequest(), pruning=newer)
    assert again.manifest.pruning == newer


def test_training_is_none_for_a_model_of_someone_else(tmp_path):
    manifest = write(tmp_path).manifest
    assert manifest.training is None


# --- where it goes


def test_a_bundle_that_is_there_is_kept_unless_forced(tmp_path):
    write(tmp_path)
    with pytest.raises(BundleError, match="--force"):
        write(tmp_path, ExportRequest(max_batch=4))
    assert write(tmp_path, ExportRequest(max_batch=4), force=True).manifest.max_batch == 4
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_with_other_files_is_never_replaced(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("years of work")
    with pytest.raises(BundleError, match=r"no manifest\.json"):
        write(tmp_path, force=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "years of work"


def test_an_exporter_that_crashes_leaves_nothing(tmp_path, monkeypatch):
    def crash(job):
        (job.folder / "half.bin").write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(registry, "load", lambda entry: crash)
    with pytest.raises(OSError, match="disk full"):
        write(tmp_path, ExportRequest(formats=("onnx",), max_batch=4))
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_run_here_says_why_and_has_no_proof(tmp_path, monkeypatch):
    def unproved(job):
        (job.folder / "model.engine").write_bytes(b"engine")
        from spinn_edge.core.bundle import describe_file

        return (describe_file(job.folder, "model.engine", "theirs", unproved="no such GPU here"),)

    entry = ExporterEntry(exporter="nowhere:at_all", runtime="trt")
    monkeypatch.setitem(registry.EXPORTERS, "theirs", entry)
    monkeypatch.setattr(registry, "load", lambda line: unproved)
    bundle = write(tmp_path, ExportRequest(formats=("theirs",), max_batch=4))
    (written,) = bundle.manifest.files_of("theirs")
    assert (written.proof, written.unproved) == ((), "no such GPU here")


# --- other models


def test_a_factory_is_remembered_by_its_name(tmp_path):
    loaded = load_factory(make_cnn, tmp_path)
    request = ExportRequest(max_batch=4, input_shapes=parse_input_shapes(["3,8,8"]))
    bundle = write(tmp_path, request, loaded)
    assert bundle.manifest.architecture.kind == "factory"
    again = load_model(bundle.root, LoadOptions(trust_factory=True))
    kept = write_bundle(again, tmp_path / "again", ExportRequest())
    assert kept.manifest.inputs == bundle.manifest.inputs


def test_a_module_without_a_known_form_keeps_its_exports_only(tmp_path):
    loaded = replace(load_mlp(), architecture=Architecture(kind="file"))
    request = ExportRequest(formats=("onnx",), max_batch=4, input_shapes=parse_input_shapes(["4"]))
    bundle = write(tmp_path, request, loaded)
    assert bundle.manifest.files_of("weights") == ()
    assert bundle.manifest.files_of("onnx")


def test_inputs_go_to_the_model_in_the_order_they_were_named(tmp_path):
    loaded = load_factory(make_two_by_two, tmp_path)
    swapped = ExportRequest(max_batch=4, input_shapes=parse_input_shapes(["b=2", "a=3"]))
    with pytest.raises(ExportError, match="fails on inputs"):
        write(tmp_path, swapped, loaded)


def test_golden_inputs_of_another_width_are_refused(tmp_path):
    def wrong(inputs, rows):
        return GoldenInputs(arrays={"input": np.zeros((rows, 5), np.float32)}, source="wrong")

    with pytest.raises(ExportError, match="fails on inputs"):
        write(tmp_path, golden=wrong)
    assert list(tmp_path.iterdir()) == []
