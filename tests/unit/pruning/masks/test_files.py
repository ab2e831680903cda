import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from spinn_edge.core.bundle import Bundle
from spinn_edge.core.errors import BundleError, PruningError, UsageError
from spinn_edge.models.loading import load_model, module_of
from spinn_edge.pruning import apply_masks, apply_pruning, load_masks, save_masks
from spinn_edge.pruning.masks.applying import permanent_copy
from spinn_edge.pruning.masks.files import copy_with_masks, masks_of
from spinn_edge.pruning.masks.record import Masking
from tests.unit.pruning.masks.networks import mlp

MASKING = Masking(scope="global", pattern="", stages=())


def test_masks_come_back_as_they_were(tmp_path: Path) -> None:
    network = mlp()
    _, masks = apply_pruning(network, 0.4)
    save_masks(tmp_path / "m.safetensors", masks)

    loaded = load_masks(tmp_path / "m.safetensors")

    assert set(loaded) == set(masks)
    assert all(torch.equal(loaded[name], masks[name]) for name in masks)
    fresh = mlp()
    apply_masks(fresh, loaded)
    x = torch.randn(3, 4)
    assert torch.equal(fresh(x), network(x))


def test_bad_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read as a file of masks"):
        load_masks(tmp_path / "none.safetensors")
    (tmp_path / "text").write_text("no tensors")
    with pytest.raises(UsageError, match=r"name the masks\.safetensors of a masked bundle"):
        load_masks(tmp_path / "text")
    save_file({"0.weight": torch.ones(2)}, tmp_path / "weights")
    with pytest.raises(UsageError, match=r"'0.weight' is torch\.float32, expected bool"):
        load_masks(tmp_path / "weights")
    with pytest.raises(UsageError, match="name another file"):
        save_masks(tmp_path / "no" / "folder", {})


def test_bundle_is_copied_whole_with_its_masks(tiny_bundle: Bundle, tmp_path: Path) -> None:
    network = module_of(tiny_bundle, trust_factory=False)
    _, masks = apply_pruning(network, 0.4)

    made = copy_with_masks(tiny_bundle, tmp_path / "b", masks, MASKING)

    assert {e.path for e in made.manifest.files} == {
        *(e.path for e in tiny_bundle.manifest.files),
        "masks.safetensors",
    }
    (entry,) = made.manifest.files_of("masks")
    assert entry.details["scope"] == "global"
    assert load_model(made.root).module is not None
    with pytest.raises(BundleError, match="--force"):
        copy_with_masks(tiny_bundle, tmp_path / "b", masks, MASKING)
    # dense weights beside masks: the two are not of one run
    with pytest.raises(PruningError, match=r"\d+ weights that masks.safetensors masks are not 0"):
        masks_of(made, module_of(made, trust_factory=False))
    found = masks_of(made, permanent_copy(network))
    assert found is not None
    assert torch.equal(found["0.weight"], masks["0.weight"])


def test_bundle_without_masks_has_none_and_a_changed_file_is_found(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    network = module_of(tiny_bundle, trust_factory=False)
    assert masks_of(tiny_bundle, network) is None
    _, masks = apply_pruning(network, 0.4)
    copy_with_masks(tiny_bundle, tmp_path / "b", masks, MASKING)
    shutil.copyfile(tiny_bundle.root / "golden.npz", tmp_path / "b" / "masks.safetensors")
    with pytest.raises(BundleError, match=r"masks\.safetensors is not the file"):
        Bundle.load(tmp_path / "b")
    assert json.loads((tmp_path / "b" / "manifest.json").read_text())["schema_version"] == 1
