import json
from dataclasses import replace
from typing import Any

import pytest

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError
from spinn_edge.core.manifest import DataRecipe, Manifest, Scaling, Scores, Training
from spinn_edge.core.pruning_record import LayerAudit, PruningAudit, RoundAudit

FULL_TRAINING = Training(
    recipe=DataRecipe(features=("a", "b"), targets=("y",), group="tool"),
    scaling=Scaling(
        feature_mean=(0.0, 1.0), feature_std=(1.0, 2.0), target_mean=(0.1,), target_std=(3.0,)
    ),
    seed=1,
    epochs=12,
    best_epoch=11,
    duration_s=2.5,
    interrupted=False,
    scores=Scores(
        source="held out",
        rows=10,
        r2={"y": 0.9},
        r2_overall=0.9,
        rmse={"y": 0.1},
        linear_r2={"y": 0.5},
    ),
)
FULL_PRUNING = PruningAudit(
    requested=0.685,
    achieved=0.686,
    tolerance=None,
    round_to=8,
    importance="l1-outgoing",
    parameters_before=100,
    parameters_after=31,
    layers=(LayerAudit(name="0", before=16, after=8),),
    rounds=(RoundAudit(widths=(18, 8, 2), parameters=31, requested=0.685, achieved=0.686),),
)


def test_full_manifest_survives_the_round_trip(tiny_bundle: Bundle) -> None:
    manifest = replace(tiny_bundle.manifest, training=FULL_TRAINING, pruning=FULL_PRUNING)

    assert Manifest.from_text(manifest.to_text()) == manifest


def test_files_of_gives_entries_of_one_format(tiny_bundle: Bundle) -> None:
    (entry,) = tiny_bundle.manifest.files_of("weights")

    assert entry.path == "model.safetensors"
    assert tiny_bundle.manifest.files_of("trt") == ()


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_unknown_schema_version_is_refused(tiny_bundle: Bundle, version: Any) -> None:
    data = json.loads(tiny_bundle.manifest.to_text()) | {"schema_version": version}

    with pytest.raises(
        BundleError, match=r"install the version that wrote it, or export"
    ) as caught:
        Manifest.from_text(json.dumps(data))

    assert f"schema version {version!r}, this spinn-edge reads 1" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "no json", '{"schema_version": 1,}'])
def test_text_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json is not valid JSON .*export the model"):
        Manifest.from_text(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"text"'])
def test_json_that_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="schema version None"):
        Manifest.from_text(text)


@pytest.mark.parametrize("key", ["architecture", "inputs", "files", "parity", "max_batch"])
def test_missing_key_is_refused_with_what_to_do(tiny_bundle: Bundle, key: str) -> None:
    data = json.loads(tiny_bundle.manifest.to_text())
    del data[key]

    with pytest.raises(BundleError, match=f"key '{key}' is missing; .*export the model again"):
        Manifest.from_text(json.dumps(data))


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("max_batch", "16", r"manifest\.json\.max_batch: expected int, found str '16'"),
        ("max_batch", True, r"manifest\.json\.max_batch: expected int, found bool True"),
        ("files", [{}], r"manifest\.json\.files\[0\]: key 'path' is missing"),
        ("inputs", [{"name": "x"}], r"malformed tensor spec"),
        ("inputs", [7], r"manifest\.json\.inputs\[0\]: expected an object, found int 7"),
        ("architecture", {"kind": None}, r"manifest\.json\.architecture\.kind: expected str"),
    ],
)
def test_ill_typed_key_is_refused_with_its_path(
    tiny_bundle: Bundle, key: str, value: Any, message: str
) -> None:
    data = json.loads(tiny_bundle.manifest.to_text()) | {key: value}

    with pytest.raises(BundleError, match=message + r".*export the model again"):
        Manifest.from_text(json.dumps(data))


def test_manifest_never_holds_nan(tiny_bundle: Bundle) -> None:
    scaling = replace(FULL_TRAINING.scaling, feature_mean=(float("nan"), 0.0))
    manifest = replace(tiny_bundle.manifest, training=replace(FULL_TRAINING, scaling=scaling))

    with pytest.raises(ValueError, match="not JSON compliant"):
        manifest.to_text()
