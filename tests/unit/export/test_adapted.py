import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from spinn_edge.core.adaptation_record import (
    AdaptationRecord,
    AdaptationSettings,
    RejectedBatch,
    StreamGain,
)
from spinn_edge.core.bundle import Bundle, sha256_of
from spinn_edge.core.errors import BundleError, RegressionError, UsageError
from spinn_edge.core.lineage import copy_bundle
from spinn_edge.export import adapt_bundle, adapted
from spinn_edge.export.bundling import ExportRequest, write_bundle
from spinn_edge.export.same_formats import request_like
from spinn_edge.models.loading import load_model, module_of
from spinn_edge.training.dataset import Rows
from tests.fakes.drifting_streams import (
    FEATURES,
    TARGETS,
    Blocks,
    factory_bundle,
    learned_bundle,
    rows_of,
    write_rows,
)

WIDE = AdaptationSettings(drift_limit=0.3)


@pytest.fixture(scope="module")
def v1(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    request = ExportRequest(formats=("torchscript",), max_batch=64)
    return learned_bundle(tmp_path_factory.mktemp("chain") / "v1", request)


@pytest.fixture(scope="module")
def v2(v1: Bundle) -> adapted.AdaptedBundle:
    test = write_rows(v1.root.parent / "held.csv", rows_of(200, 9, shift=0.5))
    return adapt_bundle(
        v1.root,
        Blocks(rows_of(640, 5, shift=0.5)),
        v1.root.parent / "v2",
        WIDE,
        test=test,
        source="a shifted sensor",
    )


def files(root: Path) -> dict[str, str]:
    return {path.name: sha256_of(path) for path in root.iterdir()}


def test_new_version_remembers_its_parent_and_what_was_done(v1, v2):
    manifest = Bundle.load(v2.bundle.root).manifest
    record = manifest.adaptation
    assert record == v2.record
    assert record is not None
    (parent,) = record.parents
    assert parent.name == "v1"
    assert parent.manifest_sha256 == sha256_of(v1.root / "manifest.json")
    assert (record.version, record.layers, record.method) == (2, ("4",), "least squares")
    assert record.rows_seen == 640 == record.rows_learnt + record.rows_rejected
    assert record.settings == WIDE
    assert record.source == "a shifted sensor"
    assert record.gain.is_better
    assert 0 < record.drift["wear"] == record.drift_from_first["wear"] <= 0.3


def test_new_version_has_the_formats_of_its_parent_proved_on_new_golden_outputs(v1, v2):
    manifest = v2.bundle.manifest
    assert [entry.format for entry in manifest.files] == [
        entry.format for entry in v1.manifest.files
    ]
    assert manifest.files_of("torchscript")[0].proof
    assert manifest.max_batch == 64
    old, new = v1.golden(), v2.bundle.golden()
    np.testing.assert_array_equal(old.inputs["input"], new.inputs["input"])
    module = module_of(v2.bundle, trust_factory=False).double()
    with torch.no_grad():
        again = module(torch.from_numpy(new.inputs["input"]).double()).numpy()
    np.testing.assert_allclose(new.outputs["output"], again, rtol=1e-12)
    assert np.abs(new.outputs["output"] - old.outputs["output"]).max() > 0


def test_all_weights_but_the_last_layers_are_bit_for_bit_the_parents(v1, v2):
    before, after = (module_of(b, trust_factory=False).state_dict() for b in (v1, v2.bundle))
    same = {name for name in before if torch.equal(before[name], after[name])}
    assert same == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_test_rows_are_scored_before_and_after_and_replace_the_old_scores(v2):
    record = v2.record
    assert record.tested_on == "200 rows of held.csv, used for nothing else"
    assert [error.target for error in record.test] == list(TARGETS)
    assert all(error.after < 0.7 * error.before for error in record.test)
    scores = v2.bundle.manifest.training.scores
    assert scores.source == record.tested_on
    assert scores.rmse == {error.target: pytest.approx(error.after) for error in record.test}
    assert scores.linear_r2 == {"wear": None, "heat": None}


def test_without_test_rows_the_old_scores_are_said_to_be_old(v1, tmp_path):
    made = adapt_bundle(v1, Blocks(rows_of(640, 5, shift=0.5)), tmp_path / "v2", WIDE)
    assert made.bundle.manifest.training is not None
    old = v1.manifest.training.scores
    assert made.bundle.manifest.training.scores == replace(
        old, source=f"before adaptation: {old.source}"
    )
    again = adapt_bundle(made.bundle, Blocks(rows_of(640, 6, shift=1.0)), tmp_path / "v3", WIDE)
    record = again.record
    assert [parent.name for parent in record.parents] == ["v1", "v2"]
    assert record.version == 3
    for name in TARGETS:  # the sum bounds how far version 3 is from version 1
        assert record.drift_from_first[name] == pytest.approx(
            record.drift[name] + made.record.drift[name]
        )
    assert again.bundle.manifest.training is not None
    assert again.bundle.manifest.training.scores.source == f"before adaptation: {old.source}"


def test_exporting_an_adapted_bundle_again_keeps_its_record(v2, tmp_path):
    again = write_bundle(load_model(v2.bundle.root), tmp_path / "again", ExportRequest())
    assert again.manifest.adaptation == v2.record


def test_the_parent_is_untouched_and_never_replaced(v1, v2):
    before = files(v1.root)
    with pytest.raises(BundleError, match="so that you can go back"):
        adapt_bundle(v1, Blocks(rows_of(320, 5, shift=0.5)), v1.root, WIDE, force=True)
    with pytest.raises(BundleError, match="exists"):
        adapt_bundle(v1, Blocks(rows_of(320, 5, shift=0.5)), v2.bundle.root, WIDE)
    assert files(v1.root) == before


def test_same_stream_gives_the_same_weights_file(v1, v2, tmp_path):
    made = adapt_bundle(v1, Blocks(rows_of(640, 5, shift=0.5), size=7), tmp_path / "again", WIDE)
    (first,), (second,) = (b.manifest.files_of("weights") for b in (v2.bundle, made.bundle))
    assert first.sha256 == second.sha256  # however the rows were cut into blocks


def test_rubbish_and_an_unchanged_sensor_write_nothing(v1, tmp_path):
    rows = rows_of(320, 5)
    order = np.random.default_rng(0).permutation(320)
    rubbish = Rows(features=rows.features, targets=rows.targets[order])
    with pytest.raises(RegressionError, match="nothing was learnt: guards refused 10 batches"):
        adapt_bundle(v1, Blocks(rubbish), tmp_path / "v2")
    with pytest.raises(RegressionError, match="the stream held no rows"):
        adapt_bundle(v1, [], tmp_path / "v2")
    with pytest.raises(RegressionError, match="too few to tell"):
        adapt_bundle(v1, Blocks(rows_of(96, 5, shift=0.3)), tmp_path / "v2", WIDE)
    x = rows_of(640, 8).features
    with torch.no_grad():
        exact = module_of(v1, trust_factory=False)(torch.from_numpy(x).float()).double().numpy()
    noisy = exact + np.random.default_rng(1).normal(size=exact.shape) * (0.005, 0.8)
    with pytest.raises(RegressionError, match="do not surely predict better"):
        adapt_bundle(v1, Blocks(Rows(features=x, targets=noisy)), tmp_path / "v2")
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_which_guards_refused_most_rows_is_not_written(v2):
    refusal = RejectedBatch(first_row=1, last_row=32, guard="drift", reason="too far")
    record = replace(v2.record, rows_seen=100, rows_rejected=51, rejected=(refusal,))
    assert "guards refused 51 of 100 rows" in (adapted.why_not_better(record) or "")
    assert adapted.why_not_better(replace(record, rows_rejected=50)) is None


def test_ctrl_c_ends_the_stream_and_what_was_learnt_is_judged(v1, tmp_path):
    def stopped():
        yield from Blocks(rows_of(640, 5, shift=0.5))
        raise KeyboardInterrupt

    made = adapt_bundle(v1, stopped(), tmp_path / "v2", WIDE)
    assert made.record.interrupted
    assert made.record.rows_seen == 640

    def too_soon():
        yield from Blocks(rows_of(64, 5, shift=0.5))
        raise KeyboardInterrupt

    with pytest.raises(RegressionError, match="too few"):
        adapt_bundle(v1, too_soon(), tmp_path / "v3", WIDE)


def test_network_of_a_factory_gets_a_new_version_too(tmp_path):
    parent = factory_bundle(tmp_path / "v1")
    x = rows_of(640, 2).features
    with torch.no_grad():
        old = module_of(parent, trust_factory=True)(torch.from_numpy(x).float()).double().numpy()
    made = adapt_bundle(
        parent,
        Blocks(Rows(features=x, targets=1.3 * old)),
        tmp_path / "v2",
        AdaptationSettings(drift_limit=1.0, learning_rate=0.01),
        features=FEATURES,
        targets=TARGETS,
        trust_factory=True,
    )
    assert made.record.method == "gradient steps"
    assert made.bundle.manifest.training is None
    assert made.bundle.manifest.architecture.kind == "factory"


def test_a_format_that_cannot_be_written_here_is_named_before_the_stream(v1, tmp_path):
    copy = copy_bundle(v1, tmp_path / "copy")
    document = json.loads((copy.root / "manifest.json").read_text())
    for entry in document["files"]:
        entry["toolchain"] = {"no_such_package": "1.0"} if entry["format"] != "weights" else {}
    (copy.root / "manifest.json").write_text(json.dumps(document))

    def never():
        raise AssertionError("the stream was read")
        yield

    with pytest.raises(UsageError, match="which 'no_such_package' wrote"):
        adapt_bundle(copy.root, never(), tmp_path / "v2")


def test_what_is_written_repeats_how_the_parent_was_made(v1):
    details = {
        "compute_capability": "SM87",
        "profile": {"input": {"min": [2, 3], "opt": [8, 3], "max": [64, 3]}},
        "workspace_bytes": 2**20,
        "tf32": True,
    }
    engine = replace(
        v1.manifest.files_of("torchscript")[0], format="trt", precision="fp16", details=details
    )
    int8 = replace(
        engine, format="onnx", precision="int8", details={"quantization": {"form": "dynamic"}}
    )
    manifest = replace(
        v1.manifest,
        files=(*v1.manifest.files, engine, int8),
        tolerances_by_hand={"wear": 1e-4},
    )
    parent = Bundle(root=v1.root, manifest=manifest)
    request = request_like(parent)
    assert request.only == (("torchscript", "fp32"), ("trt", "fp16"), ("onnx", "int8"))
    assert request.compute_capabilities == ("SM87",)
    assert (request.engine.min_batch, request.engine.opt_batch) == (2, 8)
    assert request.engine.tf32
    assert request.engine.workspace_bytes == 2**20
    assert request.quantization.form == "dynamic"
    assert request.tolerances == {"wear": 1e-4}


def test_verdict_needs_the_whole_interval_above_zero():
    def record(low: float | None) -> AdaptationRecord:
        gain = StreamGain(share=0.2, low=low, high=0.4, batches=9, rows=288)
        return AdaptationRecord(
            parents=(),
            method="least squares",
            layers=("4",),
            settings=WIDE,
            source="",
            rows_seen=320,
            rows_learnt=320,
            rows_rejected=0,
            rows_taken_back=0,
            rows_left_out=0,
            rejected=(),
            batches_rejected=0,
            drift={},
            drift_from_first={},
            errors=(),
            gain=gain,
            interrupted=False,
        )

    assert adapted.why_not_better(record(0.01)) is None
    assert "-20.0 % (95 % interval -40.0 % to +1.0 %)" in (
        adapted.why_not_better(record(-0.01)) or ""
    )
    assert "too few" in (adapted.why_not_better(record(None)) or "")
