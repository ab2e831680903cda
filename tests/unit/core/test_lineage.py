import json
from dataclasses import replace

import pytest

from spinn_edge.core.adaptation_record import AdaptationRecord, AdaptationSettings, StreamGain
from spinn_edge.core.bundle import Bundle, sha256_of
from spinn_edge.core.errors import BundleError, UsageError
from spinn_edge.core.lineage import as_ancestor, copy_bundle, find_parent
from spinn_edge.core.manifest import Manifest


@pytest.fixture
def parent(tiny_bundle, tmp_path):
    return copy_bundle(tiny_bundle, tmp_path / "parent")


@pytest.fixture
def child(parent, tmp_path):
    record = AdaptationRecord(
        parents=(as_ancestor(parent),),
        method="least squares",
        layers=("4",),
        settings=AdaptationSettings(seed=7),
        source="new.csv",
        rows_seen=32,
        rows_learnt=32,
        rows_rejected=0,
        rows_taken_back=0,
        rows_left_out=0,
        rejected=(),
        batches_rejected=0,
        drift={"wear": 0.01},
        drift_from_first={"wear": 0.01},
        errors=(),
        gain=StreamGain(share=0.1, low=None, high=None, batches=1, rows=32),
        interrupted=False,
    )
    made = copy_bundle(parent, tmp_path / "child")
    manifest = replace(made.manifest, adaptation=record)
    (made.root / "manifest.json").write_text(manifest.to_text())
    return Bundle.load(made.root)


def test_the_record_survives_the_manifest_and_older_manifests_have_none(child, parent):
    assert Manifest.from_text(child.manifest.to_text()) == child.manifest
    assert child.manifest.adaptation.settings.seed == 7
    document = json.loads(parent.manifest.to_text())
    del document["adaptation"]
    assert Manifest.from_text(json.dumps(document)).adaptation is None


def test_parent_is_known_by_its_manifest_under_any_name(child, parent, tmp_path):
    assert find_parent(child).root == parent.root.absolute()
    parent.root.rename(tmp_path / "renamed")
    assert find_parent(child).name == "renamed"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "renamed").rename(tmp_path / "elsewhere" / "parent")
    with pytest.raises(BundleError, match="name the folder that holds it with --look-in"):
        find_parent(child)
    assert find_parent(child, [tmp_path, tmp_path / "elsewhere"]).name == "parent"


def test_a_parent_that_changed_is_not_taken_for_it(child, parent):
    weights = parent.root / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(BundleError, match="is not the file that the manifest describes"):
        find_parent(child)
    manifest = parent.root / "manifest.json"
    manifest.write_text(manifest.read_text() + " ")
    with pytest.raises(BundleError, match="the parent of"):
        find_parent(child)


def test_a_bundle_that_never_adapted_has_no_parent(parent):
    with pytest.raises(UsageError, match="it is version 1"):
        find_parent(parent)


def test_a_copy_is_the_same_byte_for_byte_and_replaces_nothing(parent, tmp_path):
    copy = copy_bundle(parent, tmp_path / "copy")
    for path in parent.root.iterdir():
        assert sha256_of(path) == sha256_of(copy.root / path.name)
    with pytest.raises(BundleError, match="--force"):
        copy_bundle(parent, tmp_path / "copy")
