"""Bundles that hold what a check of this folder reads of them, and no more."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file


def write_bundle(folder: Path, *, r2: float = 0.9, elements: int = 100) -> None:
    """Write scores, and weights of so many elements; the manifest's own count is wrong."""
    folder.mkdir(parents=True)
    scores = {
        "r2": {"tool_wear": r2, "thermal_displacement": 0.8},
        "r2_overall": (r2 + 0.8) / 2,
        "linear_r2": {"tool_wear": 0.7, "thermal_displacement": 0.5},
    }
    name = "model.safetensors"
    save_file({"layer": torch.ones(elements)}, folder / name)
    files = [{"path": "golden.npz", "format": "golden"}, {"path": name, "format": "weights"}]
    manifest = {"training": {"scores": scores}, "files": files, "parameters": 7}
    (folder / "manifest.json").write_text(json.dumps(manifest))
